"""``flowfa data make``, ``fetch`` and ``certify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowfa import datasets
from flowfa.cli.commands import DataCertifySettings, DataFetchSettings, DataMakeSettings
from flowfa.cli.console import say, say_json
from flowfa.cli.report import aligned
from flowfa.files.atomic import check_place
from flowfa.settings import DATA_OPTIONS


def make(settings: DataMakeSettings) -> int:
    """Generate a data set and write it to a file.

    Raises
    ------
    InputError
        If the data set does not exist or is impossible, or the file cannot be written.
    """
    path = Path(settings.out)
    check_place(path, settings.overwrite)
    values = {name: getattr(settings, name) for name in DATA_OPTIONS}
    options: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    data = datasets.make(settings.name, seed=settings.seed, **options)
    datasets.save_npz(data, path, settings.overwrite)
    if not settings.quiet:
        size = f"{data.samples} samples of {data.dim} features"
        say(f"{path}: {data.name}, {size}, seed {settings.seed}")
        say(f"next: flowfa data certify {path}, flowfa simulate --dataset {path}")
    return 0


def fetch(settings: DataFetchSettings) -> int:
    """Download an image set.

    Raises
    ------
    InputError
        If there is no such set or no place for it, or it cannot be downloaded.
    """
    from flowfa.datasets.images.fetch import fetch_images

    for path in fetch_images(settings.name, settings.data_dir):
        if not settings.quiet:
            say(f"{path}: complete, its checksum is the official one")
    if not settings.quiet:
        say(f"next: flowfa simulate --dataset {settings.name} --classes 0 1")
    return 0


def certify(settings: DataCertifySettings) -> int:
    """Certify what the theory asks of data.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    data = datasets.load_npz(settings.file)
    certificates = datasets.certify_each(data)
    if settings.json:
        entries = [certificate.as_dict() for certificate in certificates]
        say_json({"file": settings.file, "name": data.name, "certificates": entries})
        return 0
    for number, certificate in enumerate(certificates):
        say(f"{settings.file}" + (f", start {number}" if data.differs_by_trajectory else ""))
        for line in aligned(
            [(f"  {label}", *cells) for label, *cells in certificate.lines()], left=3
        ):
            say(line)
    return 0
