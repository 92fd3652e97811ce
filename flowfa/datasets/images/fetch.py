"""Downloads of image sets by pooch: from official addresses, checked, and resumed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowfa.datasets.images.load import SOURCES
from flowfa.datasets.images.source import Source, data_folder
from flowfa.errors import InputError
from flowfa.files.atomic import reason

PART = ".part"
TIMEOUT = 30.0
BLOCK = 1 << 16


@dataclass(frozen=True)
class Download:
    """One file: where it is, where it goes below the data folder, and its published MD5 digest."""

    url: str
    target: str
    md5: str


# MNIST comes from the copy that its users are referred to since yann.lecun.com closed, with the
# checksums of that page. The checksum of CIFAR-100 is on its page, and that of Tiny-ImageNet is the
# checksum of the course's file.
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
DOWNLOADS = {
    "mnist": tuple(
        Download(f"{_MNIST}{name}", f"mnist/{name}", md5)
        for name, md5 in (
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        )
    ),
    "cifar100": (
        Download(
            "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            "cifar-100-binary.tar.gz",
            "03b5dce01913d631647c71ecec9e9cb8",
        ),
    ),
    "tiny-imagenet": (
        Download(
            "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            "tiny-imagenet-200.zip",
            "90528d7ca1a48142e341f4ef8d21d0de",
        ),
    ),
}


def fetch_images(name: str, data_dir: str | Path | None = None) -> list[Path]:
    """Download the files of an image set that are not there yet.

    A download that was cut off leaves a file ending in ``.part``, and the next call goes on from
    its end. A file takes its name only when its checksum is the published one.

    Parameters
    ----------
    name : str
        ``"mnist"``, ``"cifar100"`` or ``"tiny-imagenet"``.
    data_dir : path, optional
        By default the folder in FLOWFA_DATA. It must exist.

    Returns
    -------
    list of Path
        All files of the set.

    Raises
    ------
    InputError
        If there is no such set, the folder is not known, a file is there with another checksum,
        or the download fails: what failed, and which files are expected where.
    """
    source = SOURCES.get(name)
    folder = data_folder(data_dir, source)
    return [_fetch(download, folder, source) for download in DOWNLOADS[name]]


def _fetch(download: Download, folder: Path, source: Source) -> Path:
    path = folder / download.target
    if path.exists():
        digest = _md5(path)
        if digest != download.md5:
            raise InputError(
                f"{path} is there but its MD5 is {digest}, not the official {download.md5}: move "
                "it away to have it downloaded, or use it as it is"
            )
        return path
    try:
        import pooch
        import requests
    except ImportError as error:
        raise InputError(
            f"downloading needs {error.name}: install it with pip, or put {source.expected} into "
            f"{folder} yourself"
        ) from None
    logger = pooch.get_logger()
    logger.setLevel("WARNING")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            download.url,
            f"md5:{download.md5}",
            path.name,
            path.parent,
            # pooch calls it by position; only the argument names of its protocol differ.
            downloader=_Resuming(path.with_name(path.name + PART)),  # type: ignore[arg-type]  # argument names
        )
    except requests.RequestException as error:
        raise InputError(
            f"{download.url} could not be downloaded ({_cause(error)}): try again to go on, or put "
            f"{source.expected} into {folder} yourself"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{download.url} could not be stored as {path} ({reason(error)}): try again, or put "
            f"{source.expected} into {folder} yourself"
        ) from None
    return path


class _Resuming:
    """A downloader for pooch that goes on from the end of a partial file.

    Parameters
    ----------
    partial : Path
        The file that keeps the bytes received so far, until all have arrived.
    """

    def __init__(self, partial: Path) -> None:
        self.partial = partial

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download `url` to `output_file`; a failure leaves what has arrived in `partial`."""
        import requests

        start = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Range": f"bytes={start}-", "Accept-Encoding": "identity"} if start else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            # Status 416: no bytes are missing from the partial file, so its checksum decides.
            if answer.status_code != 416:
                answer.raise_for_status()
                # A server that ignores the range sends all from the start, with status 200.
                with self.partial.open("ab" if answer.status_code == 206 else "wb") as stream:
                    for block in answer.iter_content(BLOCK):
                        stream.write(block)
        # After this call pooch compares checksums, and deletes the file if they differ.
        os.replace(self.partial, output_file)


def _cause(error: Exception) -> str:
    """Return the innermost reason of a failed request, in a few words."""
    inner: Any = error
    while (deeper := getattr(inner, "reason", None) or (inner.args and inner.args[0])) and (
        isinstance(deeper, Exception)
    ):
        inner = deeper
    return " ".join(str(inner).rpartition("> : ")[2].rpartition(": ")[2].split())


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
