"""Whether the laws of a file are of the flow that a run follows, and in which settings it differs.

Laws of another network say nothing about a run; that is no verdict, and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from flowfa.errors import InputError
from flowfa.problems.activations import Activation, Identity, LeakyReLU, SquaredReLU, Tanh
from flowfa.problems.problem import Problem
from flowfa.problems.rules import Rule
from theory_checks.laws.motion.dynamics import Dynamics

IN_WORDS = (LeakyReLU, Identity, SquaredReLU, Tanh)
"""Activations that the command line makes of their name, and a leak."""


def check_same_flow(dynamics: Dynamics, problem: Problem) -> None:
    """Refuse laws of another flow than that of a problem.

    Raises
    ------
    InputError
        If they are; the message names each setting that differs, with both values.
    """
    moved = list(moving_otherwise(dynamics))
    if moved:
        raise InputError(
            f"the laws are of a flow with {' and '.join(moved)}, which no run of flowfa has: a run "
            "can be held to laws that were counted without"
        )
    if problem.weight_decay or len(set(problem.layer_rates)) > 1:
        what = "weight decay" if problem.weight_decay else "rates of layers that differ"
        raise InputError(
            f"the run has {what}, and the laws are of a flow without: `flowfa check` without "
            "`laws` holds it to C-8 and C-13"
        )
    differing = [*other_rule(dynamics, problem), *other_network(dynamics, problem)]
    if differing:
        raise InputError(
            f"the laws are of another flow than the run: {'; '.join(differing)}; write those of "
            f"the run, {_how(dynamics, problem)}"
        )


def moving_otherwise(dynamics: Dynamics) -> Iterator[str]:
    """Yield what else than the rule moves the weights of the laws."""
    if dynamics.friction is not None:
        yield "momentum"
    if dynamics.decays:
        yield "weight decay"
    if len(set(dynamics.rates)) > 1:
        yield "rates of layers"
    if dynamics.readouts:
        yield "virtual readouts"


def other_network(dynamics: Dynamics, problem: Problem) -> Iterator[str]:
    """Yield in which settings the networks differ, with both values."""
    if tuple(problem.sizes) != dynamics.sizes:
        yield _both("sizes are", _sizes(dynamics.sizes), _sizes(problem.sizes))
    # Networks of other depths may both have none.
    biases = _biases(dynamics.has_bias), _biases(problem.has_bias)
    if biases[0] != biases[1]:
        yield _both("biases are", *biases)
    if _kind(problem.activation) != _kind(dynamics.activation):
        yield _both(
            "the activation is", _activation(dynamics.activation), _activation(problem.activation)
        )


def other_rule(dynamics: Dynamics, problem: Problem) -> Iterator[str]:
    """Yield how the rules differ, if the problem has none like that of the laws."""
    rule, parameters = dynamics.rule, stored_parameters(dynamics.rule)
    named = [each for each in problem.rules if each.name == rule.name]
    if not named:
        theirs = ", ".join(dict.fromkeys(each.name for each in problem.rules))
        yield _both("the rule is", rule.name, theirs)
    elif not any(stored_parameters(each) == parameters for each in named):
        yield _both("the rule is", repr(rule), repr(named[0]))


def stored_parameters(rule: Rule) -> object:
    """Return the parameters of a rule as a file has them."""
    return json.loads(json.dumps(rule.parameters()))


def _kind(activation: Activation) -> object:
    """Return what of an activation laws depend on: any leak below 1 has the same."""
    linear = activation.leak == 1.0
    return "linear" if linear else activation.name


def _both(what: str, of_laws: str, of_run: str) -> str:
    return f"{what} {of_laws} in the laws and {of_run} in the run"


def _sizes(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))


def _biases(has_bias: tuple[bool, ...]) -> str:
    layers = [str(layer) for layer, has in enumerate(has_bias, 1) if has]
    return f"in layer {', '.join(layers)}" if layers else "in no layer"


def _activation(activation: Activation) -> str:
    leak = f" of leak {activation.leak:g}" if isinstance(activation, LeakyReLU) else ""
    return f"{activation.name}{leak}"


def _how(dynamics: Dynamics, problem: Problem) -> str:
    """Return how the laws of a problem are made, with words that are not refused."""
    rules = [each for each in problem.rules if each.name == dynamics.rule.name]
    rule = (rules or problem.rules)[0]
    words = [f"--rule {rule.name}", f"--sizes {' '.join(map(str, problem.sizes))}"]
    bias = _bias_word(tuple(problem.has_bias))
    # The command line knows the rules of flowfa, and none of a module of the user's.
    own = type(rule).__module__.split(".")[0] != "flowfa"
    plain = not own and type(problem.activation) in IN_WORDS
    scale = rule.parameters() if plain else {}
    if not plain or bias is None or set(scale) - {"scale"}:
        return "laws(problem).to_json_dict() of theory_checks.laws"
    if scale:
        words.append(f"--signfa-scale {scale['scale']}")
    if bias != "none":
        words.append(f"--bias {bias}")
    if isinstance(problem.activation, LeakyReLU):
        words.append(f"--leak {problem.activation.leak:g}")
    else:
        words.append(f"--activation {problem.activation.name}")
    return f"flowfa laws {' '.join(words)} --out FILE.json"


def _bias_word(has_bias: tuple[bool, ...]) -> str | None:
    hidden = len(has_bias) - 1
    words = {
        (False,) * (hidden + 1): "none",
        (*(True,) * hidden, False): "hidden",
        (True,) * (hidden + 1): "all",
    }
    return words.get(has_bias)
