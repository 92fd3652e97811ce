"""What a rule's feedback has to be for its flow to have laws, as torch computes it.

Rules are the user's code. What it does wrong is told here in one line, before it is followed in
another arithmetic; and whether that arithmetic follows it rightly is seen by comparing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import FlowfaError, InputError
from flowfa.problems.rules import Rule
from theory_checks.laws.arithmetic.floats import Floats
from theory_checks.laws.arithmetic.jets import Jet
from theory_checks.laws.motion.dynamics import Dynamics
from theory_checks.laws.motion.feedback import Feedback, kept_matrices, noise
from theory_checks.laws.motion.traced import NotFollowed

STEP = 1e-6
"""Of the differences that derivatives are compared with."""
NETWORKS = 3
"""Networks whose feedback is compared, each in an orthant of its own."""


def check_feedback(dynamics: Dynamics) -> None:
    """Refuse a rule whose feedback is no function of the weights of one network.

    Raises
    ------
    InputError
        If the feedback fails, has another shape or numbers that are not finite, draws noise,
        changes weights or what is kept in place, or mixes trajectories.
    """
    for layer in range(2, dynamics.layers + 1):
        _check_layer(dynamics, layer)


def is_followed(dynamics: Dynamics) -> bool:
    """Return whether the code of a rule's feedback, followed in other numbers, gives what it gives.

    Raises
    ------
    InputError
        If it rounds, and so is not differentiable.
    """
    rule, numbers = dynamics.rule, Floats()
    if rule.in_form:
        return True
    for layer in range(2, dynamics.layers + 1):
        weight, kept = _drawn(dynamics, layer)
        weight = weight.numpy()
        arrays = {name: matrix.numpy() for name, matrix in kept.items()}
        expected = rule.feedback(layer, torch.as_tensor(weight), kept).numpy()
        feedback = Feedback(rule, dynamics.sizes, {})
        try:
            jet = feedback.matrix(layer, Jet(weight[None], numbers), np.sign(weight), arrays)
        except NotFollowed:
            return False
        if not np.allclose(np.broadcast_to(jet.values[0], expected.shape), expected, 1e-9, 1e-12):
            return False
    return True


def uses_signs(dynamics: Dynamics) -> bool:
    """Return whether signs of weights are in the feedback, so that orthants may differ in laws.

    Of feedback that cannot be followed it is not known, and False is returned.
    """
    numbers = Floats()
    source = np.random.default_rng(0)
    feedback = Feedback.drawn(dynamics, source, largest=1)
    if dynamics.rule.in_form:
        return feedback.has_magnitudes(numbers)
    for layer in range(2, dynamics.layers + 1):
        weight, kept = _drawn(dynamics, layer)
        jet = Jet(weight.numpy()[None], numbers)
        arrays = {name: matrix.numpy() for name, matrix in kept.items()}
        signs = np.sign(weight.numpy())
        try:
            here, there = (feedback.matrix(layer, jet, s, arrays).values for s in (signs, -signs))
        except NotFollowed:
            return False
        if not np.array_equal(here, there):
            return True
    return False


def check_derivatives(dynamics: Dynamics) -> None:
    """Refuse feedback whose derivatives in torch are not those of its values.

    Raises
    ------
    InputError
        If they differ from quotients of differences, as after ``detach`` or ``item``.
    """
    for layer in range(2, dynamics.layers + 1):
        weight, kept = _drawn(dynamics, layer)
        direction = torch.as_tensor(np.random.default_rng(0).normal(size=tuple(weight.shape)))
        feedback = Feedback(dynamics.rule, dynamics.sizes, {}, opaque=True)
        arrays = {name: matrix.numpy() for name, matrix in kept.items()}
        jet = Jet(np.stack([weight.numpy(), direction.numpy()]), Floats())
        rate = feedback.matrix(layer, jet, np.sign(weight.numpy()), arrays).values[1]
        ahead, behind = (
            _feedback(dynamics.rule, layer, weight + step * direction, kept).numpy()
            for step in (STEP, -STEP)
        )
        quotient = (ahead - behind) / (2.0 * STEP)
        if not np.allclose(np.broadcast_to(rate, quotient.shape), quotient, 1e-3, 1e-3):
            raise InputError(
                f"the feedback of {dynamics.rule.name} has other derivatives in torch than its "
                "values have: leave out detach, item and the like, and jumps"
            )


def _check_layer(dynamics: Dynamics, layer: int) -> None:
    rule, sizes = dynamics.rule, dynamics.sizes
    weight, kept = _drawn(dynamics, layer)
    first = _feedback(rule, layer, weight, kept)
    last = sizes[-1] if rule.feedback_from != "next layer" else sizes[layer]
    shape = (NETWORKS, sizes[layer - 1], last)
    if not isinstance(first, Tensor) or not _fits(first, shape):
        has = tuple(first.shape) if isinstance(first, Tensor) else type(first).__name__
        raise InputError(
            f"the feedback of {rule.name} through layer {layer} is {has} for {NETWORKS} networks: "
            f"expected a tensor of shape {shape}"
        )
    if not torch.isfinite(first).all():
        raise InputError(
            f"the feedback of {rule.name} through layer {layer} is not finite at random weights: "
            "there is no flow"
        )
    if not torch.equal(first, _feedback(rule, layer, weight, kept)):
        raise InputError(noise(rule))
    apart = [
        _feedback(rule, layer, weight[one], {name: each[one] for name, each in kept.items()})
        for one in (slice(row, row + 1) for row in range(NETWORKS))
    ]
    alone = torch.cat([each.expand(1, *shape[1:]) for each in apart])
    if not torch.allclose(first.expand(shape), alone, 1e-9, 1e-12):
        raise InputError(
            f"the feedback of {rule.name} mixes trajectories: the first dimension of its arguments "
            "counts networks, each of which has a feedback of its own"
        )


def _fits(matrix: Tensor, shape: tuple[int, ...]) -> bool:
    try:
        return torch.broadcast_shapes(matrix.shape, shape) == shape
    except RuntimeError:
        return False


def _drawn(dynamics: Dynamics, layer: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Return weights of a layer and what a rule keeps, of some networks, float64."""
    source = np.random.default_rng(layer)
    shape = (NETWORKS, dynamics.sizes[layer], dynamics.sizes[layer - 1])
    each = [kept_matrices(dynamics, source, largest=1) for _ in range(NETWORKS)]
    kept = {name: np.stack([one[name] for one in each]) for name in each[0]}
    tensors = {name: torch.as_tensor(m, dtype=torch.float64) for name, m in kept.items()}
    return torch.as_tensor(source.normal(size=shape)), tensors


def _feedback(rule: Rule, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
    """Return what the rule gives, of copies: it has to leave its arguments as they are."""
    given, copies = weight.clone(), {name: matrix.clone() for name, matrix in kept.items()}
    try:
        result = rule.feedback(layer, given, copies)
    except FlowfaError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"the feedback of {rule.name} through layer {layer} fails with "
            f"{type(error).__name__}: {reason}"
        ) from error
    changed = [name for name, matrix in kept.items() if not torch.equal(matrix, copies[name])]
    if changed or not torch.equal(given, weight):
        what = ", ".join(changed) if changed else f"W{layer}"
        raise InputError(
            f"the feedback of {rule.name} changes {what} in place: a flow has no such jumps; "
            "work on a copy (clone)"
        )
    return result
