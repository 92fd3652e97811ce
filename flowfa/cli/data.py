"""``flowfa data make``, ``fetch`` and ``certify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowfa import datasets
from flowfa.cli.commands import DataCertifyCommand, DataFetchCommand, DataMakeCommand
from flowfa.cli.console import say, say_json
from flowfa.cli.report import aligned
from flowfa.errors import InputError
from flowfa.files.atomic import check_place
from flowfa.settings.simulation import DATA_OPTIONS


def make(command: DataMakeCommand) -> int:
    """Generate a data set and write it to a file.

    Raises
    ------
    InputError
        If the data set does not exist or is impossible, or the file cannot be written.
    """
    path = Path(command.out)
    # numpy would add the ending itself, and the file would not be where it was asked for.
    if path.suffix != ".npz":
        raise InputError(f"--out is {command.out}: expected a name that ends in .npz")
    if command.seed < 0:
        raise InputError(f"--seed is {command.seed}: expected a whole number of at least 0")
    check_place(path, command.overwrite)
    given = {name: getattr(command, name) for name in DATA_OPTIONS}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    data = datasets.make(command.name, seed=command.seed, **options)
    datasets.save_npz(data, path, command.overwrite)
    if not command.quiet:
        size = f"{data.samples} samples of {data.dim} features"
        say(f"{path}: {data.name}, {size}, seed {command.seed}")
        say(f"next: flowfa data certify {path}, flowfa simulate --dataset {path}")
    return 0


def fetch(command: DataFetchCommand) -> int:
    """Download an image set.

    Raises
    ------
    InputError
        If there is no such set or no place for it, or it cannot be downloaded.
    """
    from flowfa.datasets.images.fetch import fetch_images

    for path in fetch_images(command.name, command.data_dir):
        if not command.quiet:
            say(f"{path}: complete, its checksum is the official one")
    if not command.quiet:
        say(f"next: flowfa simulate --dataset {command.name} --classes 0 1")
    return 0


def certify(command: DataCertifyCommand) -> int:
    """Certify what the theory asks of data.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    data = datasets.load_npz(command.file)
    found = datasets.certify_each(data)
    if command.json:
        certificates = [certificate.as_dict() for certificate in found]
        say_json({"file": command.file, "name": data.name, "certificates": certificates})
        return 0
    for number, certificate in enumerate(found):
        say(f"{command.file}" + (f", start {number}" if data.differs_by_trajectory else ""))
        for line in aligned([(f"  {what}", *rest) for what, *rest in certificate.lines()], left=3):
            say(line)
    return 0
