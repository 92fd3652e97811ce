"""Plausible wrong implementations of each rule; the checks must call every one violated.

The flow that is claimed is the right one, the motion is the mutant. `EQUIVALENT` holds mutants
that no statement can tell from the right flow, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from flowfa.datasets import Dataset
from flowfa.flow.field import ForwardPass, NetworkField, RuleGroup
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from flowfa.problems.ensemble import build_ensemble
from flowfa.problems.rules import configured_rule
from flowfa.problems.starts import given_start
from flowfa.registry import unknown_name
from flowfa.seeds import generator
from theory_checks.controls import pieces
from theory_checks.controls.pieces import Assembled, Pieces, WithMemory
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow

WIDTH = 4
"""Width of every layer. All matrices are square, so that a missing transpose keeps the shape."""
LEAK = 0.3
SCALE = 0.5
"""Scale of signfa: if it were 1, a mutant without it would be right."""
T_END = 1.0
MEMORY = "momentum"

Matrix = Callable[[int, Tensor, RuleGroup, Tensor], Tensor]


def _missing_slope(layer: int, forward: ForwardPass, leak: float) -> Tensor:
    return torch.ones_like(forward.preactivations[layer - 1])


def _inverted_slope(layer: int, forward: ForwardPass, leak: float) -> Tensor:
    return 1.0 + leak - pieces.slope(layer, forward, leak)


def _no_leak(layer: int, forward: ForwardPass, leak: float) -> Tensor:
    return pieces.slope(layer, forward, 0.0)


def _other_layers_slope(layer: int, forward: ForwardPass, leak: float) -> Tensor:
    return pieces.slope(3 - layer, forward, leak)


def _sum_of_samples(field: NetworkField, forward: ForwardPass) -> Tensor:
    return field.samples * pieces.error(field, forward)


def _doubled(field: NetworkField, forward: ForwardPass) -> Tensor:
    return 2.0 * pieces.error(field, forward)


def _sample_left_out(field: NetworkField, forward: ForwardPass) -> Tensor:
    signal = pieces.error(field, forward).clone()
    signal[:, :, 0] = 0.0
    return signal


def _preactivations(layer: int, forward: ForwardPass) -> Tensor:
    return forward.preactivations[layer - 1]


def _output_by_feedback(
    layer: int, last: int, signal: Tensor, raw: Tensor | None, h: Tensor
) -> Tensor:
    right = pieces.weight_update(layer, last, signal, raw, h)
    return (raw @ h.transpose(1, 2)) if layer == last and raw is not None else right


def _output_frozen(layer: int, last: int, signal: Tensor, raw: Tensor | None, h: Tensor) -> Tensor:
    right = pieces.weight_update(layer, last, signal, raw, h)
    return torch.zeros_like(right) if layer == last else right


def _biases(factor: float) -> Pieces:
    return Pieces(bias_update=lambda layer, signal: factor * pieces.bias_update(layer, signal))


def _next_layer(group: RuleGroup, following: Tensor, output: Tensor) -> Tensor:
    return following


def _output(group: RuleGroup, following: Tensor, output: Tensor) -> Tensor:
    return output


def _in_layer(number: int, wrong: Matrix) -> Pieces:
    """Return pieces with a wrong matrix that carries the signal back from one layer."""

    def carried(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
        chosen = wrong if layer == number else pieces.matrix
        return chosen(layer, weight, group, time)

    return Pieces(matrix=carried)


def _not_transposed(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return pieces.matrix(layer, weight, group, time).transpose(1, 2)


def _transposed_weight(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return weight.transpose(1, 2)


def _weight(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return weight


def _growing(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    growth = (1.0 + 0.2 * time)[:, None, None]
    return growth * pieces.matrix(layer, weight, group, time)


def _redrawn(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    """Return another matrix after half of the time."""
    late = (time > 0.5 * T_END)[:, None, None]
    right = pieces.matrix(layer, weight, group, time)
    return torch.where(late, _random(layer).expand_as(right), right)


def _kept_random(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return _random(layer).expand_as(weight)


def _random(layer: int) -> Tensor:
    drawn = generator(3, "mutant", layer).standard_normal((WIDTH, WIDTH))
    return torch.from_numpy(drawn / np.sqrt(WIDTH))


def _signs(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return weight.sign().transpose(1, 2)


def _smooth_signs(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return SCALE * torch.tanh(weight / 0.1).transpose(1, 2)


def _magnitudes(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return group.kept[f"M{layer}"]


def _signs_not_transposed(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return group.kept[f"M{layer}"] * weight.sign()


def _sign_of_zero_is_one(layer: int, weight: Tensor, group: RuleGroup, time: Tensor) -> Tensor:
    return SCALE * torch.where(weight >= 0.0, 1.0, -1.0).to(weight).transpose(1, 2)


def _moving(wrong: Callable[[dict[str, Tensor], dict[str, Tensor]], dict[str, Tensor]]) -> Pieces:
    """Return pieces whose feedback moves by what `wrong` makes of velocities and feedback."""

    def moved(
        field: NetworkField, group: RuleGroup, forward: ForwardPass, updates: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        right = pieces.feedback_velocity(field, group, forward, updates)
        return wrong(right, dict(group.kept_at(forward.parameters)))

    return Pieces(feedback_velocity=moved)


_COMMON: Mapping[str, Pieces] = {
    "slope missing": Pieces(slope=_missing_slope),
    "slope of the other layer": Pieces(slope=_other_layers_slope),
    "slope leak where z > 0": Pieces(slope=_inverted_slope),
    "slope 0 where z <= 0": Pieces(slope=_no_leak),
    "1/n missing": Pieces(error=_sum_of_samples),
    "derivative of the loss doubled": Pieces(error=_doubled),
    "a sample left out": Pieces(error=_sample_left_out),
    "preactivations for activations": Pieces(earlier=_preactivations),
    "output layer trained by feedback": Pieces(weight_update=_output_by_feedback),
    "output layer not trained": Pieces(weight_update=_output_frozen),
    "biases not trained": _biases(0.0),
    "biases with the wrong sign": _biases(-1.0),
}
_OF_KEPT: Mapping[str, Pieces] = {
    "feedback transposed in layer 2": _in_layer(2, _not_transposed),
    "feedback transposed in layer 3": _in_layer(3, _not_transposed),
    "W^T for the feedback in layer 2": _in_layer(2, _transposed_weight),
    "W^T for the feedback in layer 3": _in_layer(3, _transposed_weight),
    "W^T for the feedback everywhere": Pieces(matrix=_transposed_weight),
    "feedback that grows": Pieces(matrix=_growing),
    "feedback redrawn once": Pieces(matrix=_redrawn),
}

_OF_MOVING: Mapping[str, Pieces] = {
    "feedback that stands still": _moving(lambda v, kept: {n: 0.0 * m for n, m in v.items()}),
    "velocity of the feedback transposed": _moving(lambda v, kept: {n: m.mT for n, m in v.items()}),
    "velocity of the feedback doubled": _moving(lambda v, kept: {n: 2.0 * m for n, m in v.items()}),
    "feedback that decays more": _moving(
        lambda v, kept: {n: m - 0.3 * kept[n] for n, m in v.items()}
    ),
    "W^T for the feedback everywhere": Pieces(matrix=_transposed_weight),
}

MUTANTS: Mapping[str, Mapping[str, Pieces]] = {
    "gd": {
        **_COMMON,
        "W not transposed": _in_layer(2, _weight),
        "fixed B for W^T in layer 2": _in_layer(2, _kept_random),
        "fixed B for W^T in layer 3": _in_layer(3, _kept_random),
        "sign(W) for W": _in_layer(3, _signs),
        "signal of the output everywhere": Pieces(source=_output),
    },
    "fa": {**_COMMON, **_OF_KEPT, "signal of the output everywhere": Pieces(source=_output)},
    "adafa": {**_COMMON, **_OF_KEPT, "signal of the output everywhere": Pieces(source=_output)},
    "signfa": {
        **_COMMON,
        "scale missing": Pieces(matrix=_signs),
        "sign not transposed": _in_layer(2, _not_transposed),
        "W^T for sign(W)^T in layer 2": _in_layer(2, _transposed_weight),
        "W^T for sign(W)^T in layer 3": _in_layer(3, _transposed_weight),
        "sign smoothed to tanh(w / 0.1)": Pieces(matrix=_smooth_signs),
        "signal of the output everywhere": Pieces(source=_output),
    },
    "dfa": {
        **_COMMON,
        **_OF_KEPT,
        "signal of the next layer": Pieces(source=_next_layer),
    },
    "kolen-pollack-decay": {**_COMMON, **_OF_MOVING},
    "weight-mirror": {**_COMMON, **_OF_MOVING},
    "frsf": {
        **_COMMON,
        "magnitudes missing": Pieces(matrix=_signs),
        "signs missing": Pieces(matrix=_magnitudes),
        "sign not transposed": _in_layer(2, _signs_not_transposed),
        "feedback transposed in layer 3": _in_layer(3, _not_transposed),
        "W^T for the feedback in layer 2": _in_layer(2, _transposed_weight),
        "magnitudes that grow": Pieces(matrix=_growing),
        "signal of the output everywhere": Pieces(source=_output),
    },
}
"""By rule and name; every rule has the mutant `MEMORY` too."""

OF_ANY_FORM: Mapping[str, Pieces] = {
    **_COMMON,
    **_OF_KEPT,
    "signal of the output everywhere": Pieces(source=_output),
}
"""Mutants of rules that are not in `MUTANTS`, whatever the form of their feedback (C-12)."""

EQUIVALENT: Mapping[str, Mapping[str, tuple[Pieces, str]]] = {
    "signfa": {
        "sign(0) = 1": (
            Pieces(matrix=_sign_of_zero_is_one),
            "any sign(0) in [-1, 1] gives a solution (C-10), also where weights start at zero",
        ),
    },
}
"""By rule and name: pieces, and why no statement can tell them from the right ones."""


def mutant_flow(rule: str, layers: int = 3) -> NetworkFlow:
    """Return networks of four inputs, four classes, and hidden layers of four neurons with biases.

    Half of the neurons are active on all samples and half on none, far from the kinks, so
    that what a mutant does is no question of accuracy.
    """
    random = generator(7, "mutant problem")
    first, second = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.0, 1.0, -1.0, -1.0])

    def positive(*shape: int) -> np.ndarray:
        return 0.3 + 0.3 * random.random((3, *shape))

    # Inputs are positive: neurons of layer 1 have the signs `first`, those of layer 2 `second`.
    signs = (first[:, None] * np.ones(WIDTH), second[:, None] * first)[: layers - 1]
    start = {f"W{layer}": sign * positive(*sign.shape) for layer, sign in enumerate(signs, start=1)}
    start[f"W{layers}"] = 0.5 * random.standard_normal((3, WIDTH, WIDTH))
    for layer, side in zip(range(1, layers + 1), (first, second, first), strict=False):
        start[f"c{layer}"] = side * positive(WIDTH)
    inputs = np.concatenate([positive(WIDTH), positive(WIDTH)]) + np.eye(6, WIDTH)
    data = Dataset(inputs, np.array([0, 1, 2, 3, 0, 1]), "mutants")
    scale = {f"{rule.replace('-', '_')}_scale": SCALE}
    claimed = configured_rule(rule, SimpleNamespace(**scale))
    problem = Problem(
        data, leak=LEAK, rule=claimed, loss="cross-entropy", initial=given_start(start)
    )
    return NetworkFlow(problem, build_ensemble(problem, 3, seed=2))


def mutants_of(rule: str) -> Mapping[str, Pieces]:
    """Return a rule's mutants by name, all but `MEMORY`; a user's own rule has them too."""
    return MUTANTS.get(rule, OF_ANY_FORM)


def names_of(rule: str) -> tuple[str, ...]:
    """Return the names of a rule's mutants."""
    return (*mutants_of(rule), MEMORY)


def evidence_of_mutant(rule: str, name: str) -> Evidence:
    """Return evidence on the flow of a rule, moved by a mutant of it.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    if name not in names_of(rule):
        raise unknown_name(f"mutant of {rule}", name, names_of(rule))
    if name != MEMORY:
        return evidence_of_pieces(rule, mutants_of(rule)[name], name)
    # With two layers dfa needs no virtual readouts, which would take the place of the memory.
    flow = mutant_flow(rule, layers=2)
    evidence = evidence_of_flow(flow, t_end=T_END, rtol=1e-5, saves=9, label=name)
    start = torch.cat([flow.initial, torch.zeros_like(flow.initial)], 1)
    return evidence.moved_by(WithMemory(flow.field, 0.5), start)


def evidence_of_pieces(rule: str, assembly: Pieces, label: str = "pieces") -> Evidence:
    """Return evidence on the flow of a rule, moved by an assembly of pieces."""
    flow = mutant_flow(rule)
    motion = Assembled(flow.field, assembly)
    return evidence_of_flow(flow, t_end=T_END, motion=motion, rtol=1e-5, saves=9, label=label)
