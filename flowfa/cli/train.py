"""``flowfa train``: from settings to a result file, a figure and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from flowfa.cli.simulate import carry_out, network_of
from flowfa.settings import TrainSettings

if TYPE_CHECKING:
    from flowfa.problems import Problem


def train(settings: TrainSettings, argv: Sequence[str]) -> int:
    """Train in discrete steps and print the summary.

    Parameters
    ----------
    settings : TrainSettings
        Valid settings.
    argv : sequence of str
        The command line, for the record.

    Returns
    -------
    int
        0, or 3 if a trajectory could not start; one that diverges is a result.

    Raises
    ------
    FlowfaError
        If the run cannot begin, or was stopped by a signal.
    """
    from flowfa.simulation import train_from

    return carry_out(settings, partial(_opening, settings), partial(train_from, argv=list(argv)))


def _opening(settings: TrainSettings, problem: Problem) -> str:
    """Say in one line what is about to be trained."""
    c = settings
    verb = "resuming" if c.resume else "training"
    batch = "full batch" if c.batch_size is None else f"batches of {c.batch_size}"
    length = f"to t = {c.t_end:g}" if c.t_end is not None else f"{c.steps or 1000} steps"
    return (
        f"{verb} {network_of(c, problem)}, {length}, rate "
        f"{' '.join(f'{rate:g}' for rate in c.rate)} ({c.schedule}), momentum "
        f"{' '.join(f'{momentum:g}' for momentum in c.momentum)}, {batch}"
    )
