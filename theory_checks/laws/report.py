"""The table of the laws, as it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theory_checks.laws.counting.rank import IDLE_LEVELS, Count
from theory_checks.laws.formulas.families import Family
from theory_checks.laws.motion.dynamics import Dynamics

if TYPE_CHECKING:
    from theory_checks.laws.result import Laws


def lines(result: Laws, steps: bool = False) -> list[str]:
    """Return the table of the laws, line by line; with what a discrete step adds if `steps`."""
    counted, count = result.counted, result.count
    text = [
        f"{describe(result.dynamics)}: {_plural(count, 'law')} of {_numbers(result)}",
        f"rank by level: {rank_line(counted)}",
        _ground(counted),
    ]
    if not counted.exact:
        text.append("no formulas are searched for a rule that exact arithmetic cannot follow")
    elif result.complete:
        text.append(f"complete: {count} of {count}")
    else:
        text.append(_missing(result))
    if count and result.in_one_orthant:
        text.append(_orthants(result))
    if steps:
        text.append("a step of rate eta along U = -G (C-11) adds what stands below each law")
    for family in result.families:
        text.append(_family_line(family))
        if steps:
            text.append(f"       step: {family.step}")
    if result.unnamed:
        text.append(f"{result.unnamed:>3}  found, with coefficients that have no short name")
    missing = result.without_law
    if result.found and missing and any(len(law.neurons) == 1 for law in result.found):
        places = ", ".join(f"neuron {neuron} of layer {layer}" for layer, neuron in missing)
        text.append(f"without a law of its own: {places}")
    return text


def _missing(result: Laws) -> str:
    """Return of how many laws that the rank leaves nothing is known but their number."""
    missing = result.count - result.independent
    return (
        f"found {result.independent} of {result.count}: of {missing} more, for which the rank "
        f"leaves room, no formula of degree {result.degree} is known; no combination of the "
        "candidates that were tried is one"
    )


def _orthants(result: Laws) -> str:
    """Return of which signs of the weights the count is."""
    through, count = result.through_sign_flips, result.count
    if through == count:
        return "signs of weights: counted in one generic orthant; these laws hold in all of them"
    return (
        f"signs of weights: counted in one generic orthant, while no sign flips; {through} of "
        "these laws are known to hold through flips, and other orthants may have more"
    )


def _family_line(family: Family) -> str:
    kind = "" if family.kind == "universal" else f"  ({family.kind})"
    follow = len(family.laws) - family.independent
    rest = f"  ({follow} more of them follow)" if follow else ""
    return f"{family.independent:>3}  {family}{rest}{kind}"


def _ground(counted: Count) -> str:
    """Return what the count rests on."""
    if counted.gap is None:
        return (
            f"modulo {counted.prime} at a random point, seed {counted.seed}: there are at most "
            f"{_plural(counted.laws, 'law')}"
        )
    above, below = counted.gap
    fall = f"the least singular value is {above:.1e}"
    if below:
        fall = f"singular values fall from {above:.1e} to {below:.1e}"
    return f"{fall} in {counted.digits} digits, seed {counted.seed}: this is evidence, not proof"


def rank_line(counted: Count) -> str:
    """Return the ranks, and what was tried after the last one that grew."""
    ranks = " ".join(map(str, counted.rank_by_level))
    if counted.rank == counted.parameters:
        return f"{ranks} (full)"
    if not counted.finished:
        return f"{ranks} (a lower bound: stopped before the end)"
    return (
        f"{ranks} (nothing new after level {counted.last_level}, {IDLE_LEVELS} more levels tried)"
    )


def so_far(known: Laws) -> list[str]:
    """Return what is known of a search that was stopped, line by line."""
    counted = known.counted
    most = f"{_plural(counted.laws, 'law')} of {_numbers(known)}"
    if not counted.finished:
        sure = "at least" if counted.exact else "by the evidence so far at least"
        return [f"stopped: the rank is {sure} {counted.rank}, so that there are at most {most}"]
    return [
        f"stopped while laws were searched: there are at most {most}, and {known.independent} were "
        f"found{':' if known.found else ''}",
        *(_family_line(family) for family in known.families),
    ]


def describe(dynamics: Dynamics) -> str:
    """Return what the laws are of, in a line."""
    leak = dynamics.activation.leak
    leaky = f" {leak:g}" if dynamics.activation.name == "leaky-relu" and leak != 0.1 else ""
    biased = [str(layer) for layer, has in enumerate(dynamics.has_bias, 1) if has]
    parts = [
        dynamics.rule.name,
        f"sizes {'-'.join(map(str, dynamics.sizes))}",
        f"{dynamics.activation.name}{leaky}",
        f"bias in layer {', '.join(biased)}" if biased else "no bias",
    ]
    if dynamics.friction is not None:
        parts.append(f"momentum with friction {dynamics.friction:g}")
    if dynamics.decays:
        parts.append(f"weight decay {' '.join(f'{rate:g}' for rate in dynamics.weight_decay)}")
    if len(set(dynamics.rates)) > 1:
        parts.append(f"rates {' '.join(f'{rate:g}' for rate in dynamics.rates)}")
    if dynamics.readouts:
        parts.append("virtual readouts")
    if dynamics.inputs is not None:
        parts.append(f"{len(dynamics.inputs)} given samples")
    return ", ".join(parts)


def _numbers(result: Laws) -> str:
    parts = ["parameters"]
    if result.dynamics.friction is not None:
        parts.append("velocities")
    moving = f"{result.parameters - result.dynamics.timed} {' and '.join(parts)}"
    return f"{moving} and the time" if result.dynamics.timed else moving


def _plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
