"""The reports of docs/laboratory/deviation.md: discrete steps against the flow in four settings.

Run with ``python validation/deviation.py SETTING [--out DIR] [--threads N]``, SETTING being
nearly-orthogonal, random-labels, digits or noisy-mnist (which needs MNIST in FLOWFA_DATA). DIR gets
report.html, report.md, figures and deviation.nc; the report says how many threads were used.
"""

from __future__ import annotations

import argparse
import sys
import time

from flowfa.cli.main import main as flowfa

FOUR_RULES = "--rule gd fa adafa signfa"
SETTINGS = {
    "nearly-orthogonal": (
        f"{FOUR_RULES} --dataset nearly-orthogonal --widths 15 50 100 200 --trajectories 4 "
        "--rates 0.1 0.05 0.025 0.0125 --t-end 50"
    ),
    "random-labels": (
        f"{FOUR_RULES} --dataset gaussian --samples 20 --dim 5 --widths 50 --trajectories 8 "
        "--rates 0.1 0.05 0.025 0.0125 --t-end 50 --refinements 2 5 10 20"
    ),
    "digits": (
        f"{FOUR_RULES} --dataset digits --samples 100 --widths 50 --trajectories 4 --leak 0.01 "
        "--init xavier --rates 0.1 0.05 0.025 0.0125 --momenta 0 0.5 --edge-multiples 0.5 1 2 "
        "--t-end 20"
    ),
    "noisy-mnist": (
        f"{FOUR_RULES} --dataset mnist --samples 200 --label-noise 0.2 --widths 100 "
        "--trajectories 2 --leak 0.01 --init xavier --rates 0.05 0.025 0.0125 --t-end 10"
    ),
}


def main() -> int:
    """Make one report, and say how long it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("setting", choices=SETTINGS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", help="folder of the report; by default deviation-SETTING")
    parser.add_argument("--overwrite", action="store_true")
    arguments = parser.parse_args()
    command = ["deviation", *SETTINGS[arguments.setting].split()]
    command += ["--out", arguments.out or f"deviation-{arguments.setting}"]
    command += ["--threads", str(arguments.threads)]
    command += ["--overwrite"] * arguments.overwrite
    wall, processor = time.perf_counter(), time.process_time()
    status = flowfa(command)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{wall:.0f} s, {processor:.0f} s of processors, {arguments.threads} threads")
    return status


if __name__ == "__main__":
    sys.exit(main())
