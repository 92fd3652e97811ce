"""D-1 and D-2: what orthogonal separability and near orthogonality give for the margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from flowfa.datasets import nearly_orthogonal
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem
from theory_checks.controls.control import Control
from theory_checks.controls.flows import small_ensemble, small_flow
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.margins.measurement import Hypothesis, Measurement
from theory_checks.statements.data.geometry import (
    Certifier,
    Geometry,
    binary_labels,
    bound_of,
    certified,
    claimed,
    equal,
    geometry_of,
    lambda_of,
    not_below,
    paper_bound_of,
    products_of,
    trained_on,
    unless_below,
    unless_positive,
)
from theory_checks.statements.statement import register

READING = (
    "margin: twice the uncertainty (rounding, and what the duality gap leaves open), minus the "
    "difference of certified and own numbers, or plus the room of the bound"
)


@register
class OrthogonallySeparable:
    """Definition 5.5 and what D-3 says of it.

    Parameters
    ----------
    certifier : callable
        Where the claimed numbers come from; another one makes a negative control.
    """

    spec: ClassVar[str] = "D-1"
    statement: ClassVar[str] = (
        "y_k y_l <x_k, x_l> >= lambda > 0 for all k, l, the largest such, and ghat^2 >= lambda"
    )
    reading: ClassVar[str] = READING

    def __init__(self, certifier: Certifier = certified) -> None:
        self.certifier = certifier

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume labels -1/+1 and lambda > 0."""
        found = claimed(evidence, lambda_of, self.certifier)
        return (
            binary_labels(evidence),
            Hypothesis(
                "lambda-positive",
                "the data are orthogonally separable (lambda > 0)",
                unless_positive(found),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of lambda itself and of the bound."""
        own = geometry_of(evidence)
        found = claimed(evidence, lambda_of, self.certifier)
        rounding = own.rounding_of(own.least_product)
        wrong = (own.least_product - found).abs()
        return (
            equal(evidence, wrong, rounding, "lambda", unless_below(rounding, found)),
            not_below(
                evidence,
                own.primal.square() - found,
                rounding + gap_of_square(own),
                "ghat^2 >= lambda",
            ),
        )

    def controls(self) -> Mapping[str, Control]:
        """Return flows that train on other samples than those that were certified."""
        return {"a sample that is shorter": _short_sample}


@register
class NearlyOrthogonal:
    """Definition 5.6, the weaker condition R_min^2 > (n-1) rho, and what D-3 says of both.

    Parameters
    ----------
    certifier : callable
        Where the claimed numbers come from; another one makes a negative control.
    """

    spec: ClassVar[str] = "D-2"
    statement: ClassVar[str] = (
        "R_min^2 > (n-1) rho, or gamma > 1: ghat^2 >= (R_min^2 - (n-1) rho)/n >= "
        "(1 - 1/gamma) R_min^2/n, gamma being the largest of its definition"
    )
    reading: ClassVar[str] = READING

    def __init__(self, certifier: Certifier = certified) -> None:
        self.certifier = certifier

    def hypotheses(self, evidence: Evidence) -> tuple[Hypothesis, ...]:
        """Assume labels -1/+1 and the weaker condition, which gamma > 1 implies."""
        found = claimed(evidence, bound_of, self.certifier)
        return (
            binary_labels(evidence),
            Hypothesis(
                "nearly-orthogonal",
                "the data are nearly orthogonal (gamma > 1 or R_min^2 > (n-1) rho)",
                unless_positive(found),
            ),
        )

    def measure(self, evidence: Evidence) -> tuple[Measurement, ...]:
        """Return the room of gamma, of the first bound and of the second."""
        own = geometry_of(evidence)
        samples = evidence.field.samples
        first = claimed(evidence, bound_of, self.certifier)
        second = claimed(evidence, paper_bound_of, self.certifier)
        rounding = own.rounding_of(own.R_min.square())
        own_first = (own.R_min.square() - (samples - 1) * own.rho) / samples
        return (
            equal(evidence, (first - own_first).abs(), rounding, "R_min and rho"),
            self._gamma(evidence, own),
            not_below(
                evidence,
                own.primal.square() - first,
                rounding + gap_of_square(own),
                "ghat^2 >= (R_min^2 - (n-1) rho)/n",
            ),
            not_below(evidence, first - second, rounding, ">= (1 - 1/gamma) R_min^2/n"),
        )

    def _gamma(self, evidence: Evidence, own: Geometry) -> Measurement:
        """Measure that gamma is the largest with ||x_k||^2 / gamma >= n R^2 max |<x_k, x_l>|."""
        gamma = claimed(evidence, lambda found: found.gamma, self.certifier)
        samples = evidence.field.samples
        ratio2 = (own.R_max / own.R_min).square()
        rooms = []
        for one, factor, gram in zip(gamma, samples * ratio2, products_of(evidence), strict=True):
            norm2 = gram.diagonal()
            others = (gram - norm2.diag()).abs().amax(1)
            rooms.append((norm2 / one - factor * others).amin())
        scale = samples * ratio2 * own.rounding_of(own.R_max.square())
        return equal(evidence, torch.stack(rooms).abs(), scale, "gamma")

    def controls(self) -> Mapping[str, Control]:
        """Return flows that train on other samples than those that were certified."""
        return {
            "a sample that is shorter": lambda: _evidence(_nearly(_shorter)),
            "a sample that leans on another": lambda: _evidence(_nearly(_leaning)),
        }


def gap_of_square(own: Geometry) -> Tensor:
    """Return the difference of upper and lower bound of ghat^2, (trajectory,)."""
    return (own.dual.square() - own.primal.square()).clamp_min(0.0)


def _nearly(change: Callable[[Tensor], Tensor]) -> NetworkFlow:
    data = nearly_orthogonal(samples=4, dim=6, gamma=2.0, seed=0)
    problem = Problem(data, (3,), 1.0, "fa")
    return trained_on(NetworkFlow(problem, small_ensemble(problem)), change)


def _short_sample() -> Evidence:
    return _evidence(trained_on(small_flow("fa", leak=1.0), _shorter))


def _evidence(flow: NetworkFlow) -> Evidence:
    return evidence_of_flow(flow, t_end=1.0, saves=3)


def _shorter(inputs: Tensor) -> Tensor:
    inputs[0] *= 0.1
    return inputs


def _leaning(inputs: Tensor) -> Tensor:
    inputs[0] += 0.5 * inputs[1]
    return inputs
