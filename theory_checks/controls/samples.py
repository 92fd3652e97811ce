"""Flows that train on other samples than those of their data set."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from flowfa.datasets import nearly_orthogonal
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from theory_checks.controls.control import Control
from theory_checks.controls.flows import small_ensemble, small_flow
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow

Change = Callable[[Tensor], Tensor]
"""From the inputs, (sample, feature), to others; it may change its argument in place."""


def shorter(inputs: Tensor) -> Tensor:
    """Return the inputs with the first a tenth as long."""
    inputs[0] *= 0.1
    return inputs


def turned(inputs: Tensor) -> Tensor:
    """Return the inputs with the first turned round."""
    inputs[0] *= -1.0
    return inputs


def leaning(inputs: Tensor) -> Tensor:
    """Return the inputs with a half of the second added to the first."""
    inputs[0] += 0.5 * inputs[1]
    return inputs


def on_separable_samples(change: Change) -> Control:
    """Return a control: a flow whose orthogonally separable samples were changed."""
    return _control(lambda: small_flow("fa", leak=1.0), change)


def on_nearly_orthogonal_samples(change: Change) -> Control:
    """Return a control: a flow whose nearly orthogonal samples were changed."""

    def flow() -> NetworkFlow:
        data = nearly_orthogonal(samples=4, dim=6, gamma=2.0, seed=0)
        problem = Problem(data, (3,), 1.0, "fa")
        return NetworkFlow(problem, small_ensemble(problem))

    return _control(flow, change)


def _control(sound: Callable[[], NetworkFlow], change: Change) -> Control:
    def control() -> Evidence:
        return evidence_of_flow(_trained_on(sound(), change), t_end=1.0, saves=3)

    return control


def _trained_on(flow: NetworkFlow, change: Change) -> NetworkFlow:
    """Return the flow with other inputs in its field than those of its data."""
    flow.field = flow.field.replace(inputs=change(flow.field.inputs.clone()))
    return flow
