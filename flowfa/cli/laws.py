"""``flowfa laws``: what a rule's flow conserves."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from flowfa.cli.commands import LawsSettings
from flowfa.cli.console import say, say_json
from flowfa.cli.progress import StatusLine
from flowfa.errors import InputError
from flowfa.files.atomic import check_place, replacing

if TYPE_CHECKING:
    from theory_checks.laws import Dynamics, Laws


def laws(settings: LawsSettings) -> int:
    """Count and find laws, and print or write them.

    Returns
    -------
    int
        0.

    Raises
    ------
    InputError
        If the rule or the network cannot be used, or the file cannot be written.
    KeyboardInterrupt
        After what was known has been printed.
    """
    if settings.out is not None:
        check_place(settings.out, settings.overwrite)
    known: list[Laws] = []
    try:
        result = _laws(settings, known)
    except KeyboardInterrupt:
        _say_so_far(settings, known)
        raise
    from theory_checks.laws.report import lines

    if settings.out is not None:
        with replacing(Path(settings.out)) as partial:
            text = json.dumps(result.to_json_dict(), indent=1, ensure_ascii=False)
            partial.write_text(text + "\n", encoding="utf-8")
    if settings.json:
        say_json(result.to_json_dict())
        return 0
    for line in lines(result, settings.steps):
        say(line)
    if settings.out is not None:
        say(f"saved to {settings.out}{_next(result, settings.out)}")
    return 0


def _laws(settings: LawsSettings, known: list[Laws]) -> Laws:
    """Return the laws; what is known as they are searched is in `known`."""
    dynamics = _dynamics(settings)

    from theory_checks.laws import laws as laws_of

    with StatusLine(quiet=settings.json) as status:

        def watch(so_far: Laws) -> None:
            known[:] = [so_far]
            count = so_far.counted
            doing = "searching laws" if count.finished else "counting"
            status.show(f"{doing}, rank at least {count.rank} of {count.parameters}")

        return laws_of(dynamics, degree=settings.degree, seed=settings.seed, watch=watch)


def _say_so_far(settings: LawsSettings, known: list[Laws]) -> None:
    """Print what was known when the search was stopped."""
    if settings.json:
        if known:
            say_json(known[0].to_json_dict() | {"stopped": True})
        return
    if not known:
        say("stopped before anything was counted")
        return
    from theory_checks.laws.report import so_far

    for line in so_far(known[0]):
        say(line)


def _next(result: Laws, out: str) -> str:
    """Return what can be done with the file; a run cannot be held to laws of every kind."""
    from theory_checks.laws.following import FOLLOWED
    from theory_checks.laws.same_flow import moving_otherwise

    followed = any(family.kind in FOLLOWED for family in result.families)
    if not followed or any(moving_otherwise(result.dynamics)):
        return "; no run can be held to these laws"
    return f"; next: flowfa check RUN.nc --laws {out}"


def _dynamics(settings: LawsSettings) -> Dynamics:
    """Return the flow that is asked about."""
    from flowfa.problems.activations import ACTIVATIONS, LeakyReLU
    from flowfa.problems.rules import configured_rule
    from theory_checks.laws import Dynamics

    if settings.activation == LeakyReLU.name:
        activation = LeakyReLU(0.1 if settings.leak is None else settings.leak)
    elif settings.leak is not None:
        raise InputError(
            f"`leak` is {settings.leak} and `activation` is {settings.activation!r}: give one of "
            "them, since `leak` is of the leaky ReLU"
        )
    else:
        activation = ACTIVATIONS.get(settings.activation)()
    inputs = None
    if settings.dataset is not None:
        from flowfa.datasets import load_npz

        inputs = load_npz(settings.dataset).X
        if inputs.ndim != 2:
            raise InputError(
                f"`dataset` {settings.dataset} has a set for each start: give one of them"
            )
    hidden = len(settings.sizes) - 2
    return Dynamics(
        configured_rule(settings.rule, settings),
        settings.sizes,
        activation,
        (settings.bias != "none",) * hidden + (settings.bias == "all",),
        inputs,
        None if settings.momentum is None else _friction(settings.momentum),
        settings.weight_decay or (),
        settings.rates or (),
        settings.readouts,
    )


def _friction(momentum: float) -> float:
    """Return 1 - mu of the decimal that was given, which binary numbers would round."""
    return float(1 - Fraction(str(momentum)))
