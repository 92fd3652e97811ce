"""Tables 1 and 2 of the paper with its own protocol, E-2 and E-3, on a GPU.

Run with ``python validation/paper_tables.py [--device cuda] [--out DIR]``, as often as it takes: it
goes on where it was stopped, and leaves out what is finished. Where CIFAR-100 is absent from
FLOWFA_DATA, table 1 is made of Tiny-ImageNet at 32 x 32, which every output then says. Ends with
both tables as Markdown.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import xarray as xr

from flowfa.cli.main import main
from flowfa.datasets.images import load_images
from flowfa.documents import markdown_table
from flowfa.errors import InputError
from flowfa.experiments.image_networks.report import accuracy_table

STAND_IN = ["--dataset", "tiny-imagenet", "--size", "32"]


def run(name: str, out: Path, flags: list[str]) -> int:
    """Train one table's networks unless its result is there; return the exit status."""
    if (out / f"{name}.nc").exists():
        return 0
    out.parent.mkdir(parents=True, exist_ok=True)
    return main(["experiment", name, "--scale", "paper", "--out", str(out), "--resume", *flags])


def has_cifar100() -> bool:
    """Return whether CIFAR-100 can be read."""
    try:
        load_images("cifar100", "test")
    except InputError as error:
        print(f"{error}\ntable 1 is made of Tiny-ImageNet at 32 x 32 instead", file=sys.stderr)
        return False
    return True


def show(path: Path) -> None:
    """Print the table of test accuracies as Markdown."""
    with xr.open_dataset(path, engine="h5netcdf") as data:
        table = accuracy_table(data.load(), "test_accuracy", data.attrs["title"])
    print(f"\n{markdown_table(table)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("paper-tables"))
    parser.add_argument(
        "flags", nargs="*", help="further flags of flowfa experiment for both, after --"
    )
    arguments = parser.parse_args()
    if "FLOWFA_DATA" not in os.environ:
        sys.exit("set FLOWFA_DATA to the folder of the image sets")
    common = ["--device", arguments.device, *arguments.flags]
    jobs = {"cifar100": [] if has_cifar100() else STAND_IN, "tiny-imagenet": []}
    for job, options in jobs.items():
        status = run(job, arguments.out / job, [*options, *common])
        if status:
            sys.exit(status)
    for job in jobs:
        show(arguments.out / job / f"{job}.nc")
