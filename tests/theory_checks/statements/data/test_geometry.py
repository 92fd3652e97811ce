"""The certified numbers of data, which D-1, D-2 and D-3 check, and ghat against scipy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import flowfa
from flowfa.datasets import Dataset
from tests.support.sample_geometry import evidence_on, gaussian
from theory_checks import Verdict
from theory_checks.statements.data.d1_orthogonally_separable import OrthogonallySeparable
from theory_checks.statements.data.d2_nearly_orthogonal import NearlyOrthogonal
from theory_checks.statements.data.d3_margin import MarginOfData
from theory_checks.statements.data.geometry import bracket, certified, geometry_of
from theory_checks.verdicts.judging import outcomes_of

CHECKS = (OrthogonallySeparable, NearlyOrthogonal, MarginOfData)


def wrong(**changes):
    """Return a certifier that makes a mistake: each change is a function of the certificate."""

    def certifier(flow):
        return tuple(
            dataclasses.replace(found, **{name: of(found) for name, of in changes.items()})
            for found in certified(flow)
        )

    return certifier


MISTAKES = {
    "the greatest product for lambda": (
        OrthogonallySeparable, wrong(lambda_=lambda found: found.R_max**2)
    ),
    "a lambda that is 1e-9 too large": (
        OrthogonallySeparable, wrong(lambda_=lambda found: found.lambda_ + 1e-9)
    ),
    "gamma without R^2": (
        NearlyOrthogonal, wrong(gamma=lambda c: c.gamma * (c.R_max / c.R_min) ** 2)
    ),
    "gamma without n": (NearlyOrthogonal, wrong(gamma=lambda c: c.gamma * c.samples)),
    "the largest norm for the least": (NearlyOrthogonal, wrong(R_min=lambda c: c.R_max)),
    "rho of the mean": (NearlyOrthogonal, wrong(rho=lambda c: 0.5 * c.rho)),
    "the square of the margin": (MarginOfData, wrong(margin=lambda c: c.margin**2)),
    "a margin that misses by 1e-8": (MarginOfData, wrong(margin=lambda c: c.margin + 1e-8)),
    "a separable set said not to be": (MarginOfData, wrong(margin=lambda c: 0.0)),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_certificate_with_a_mistake_is_called_violated(mistake):
    check, certifier = MISTAKES[mistake]
    if check is OrthogonallySeparable:
        data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, seed=0)
    else:
        data = flowfa.datasets.nearly_orthogonal(
            samples=4, dim=6, gamma=2.0, norm_ratio=1.2, seed=0
        )
    evidence = evidence_on(data)
    for certify, verdict in ((certified, Verdict.HOLDS), (certifier, Verdict.VIOLATED)):
        assert {o.verdict for o in outcomes_of(check(certify), evidence)} == {verdict}


@pytest.mark.parametrize("seed", range(6))
def test_bracket_closes_around_what_an_independent_optimiser_finds(seed):
    data = gaussian(7, (3, 20)[seed % 2], seed)
    signed = data.y[:, None] * data.X
    gram = signed @ signed.T
    best = minimize(
        lambda p: p @ gram @ p,
        np.full(7, 1.0 / 7.0),
        jac=lambda p: 2.0 * gram @ p,
        bounds=[(0.0, 1.0)] * 7,
        constraints=[{"type": "eq", "fun": lambda p: p.sum() - 1.0, "jac": np.ones_like}],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    primal, dual, _ = bracket(signed)
    assert primal <= dual and dual - primal < 1e-9
    assert dual**2 == pytest.approx(best.fun, abs=1e-7)


def test_bounds_are_attained_and_still_hold():
    """One sample: ghat^2 = lambda. Orthogonal ones of one length: ghat^2 = R^2/n."""
    one = evidence_on(Dataset(np.array([[3.0, 4.0]]), np.array([-1.0])))
    assert float(geometry_of(one).primal[0]) == pytest.approx(5.0, rel=1e-15)
    many = evidence_on(Dataset(2.0 * np.eye(4), np.array([1.0, -1.0, 1.0, 1.0])))
    assert float(geometry_of(many).primal[0]) == pytest.approx(1.0, rel=1e-14)
    for evidence, checks in ((one, CHECKS), (many, (NearlyOrthogonal, MarginOfData))):
        for check in checks:
            assert {o.verdict for o in outcomes_of(check(), evidence)} == {Verdict.HOLDS}


def test_data_that_are_not_separable_have_zero_in_their_hull():
    evidence = evidence_on(gaussian(20, 2))
    assert certified(evidence.flow)[0].margin == 0.0
    assert {o.verdict for o in outcomes_of(MarginOfData(), evidence)} == {Verdict.HOLDS}


def test_each_trajectory_is_held_to_its_own_data():
    """The first set is orthogonally separable, the second is not."""
    first = flowfa.datasets.orthogonally_separable(samples=4, dim=6, seed=1)
    second = gaussian(4, 6, seed=2)
    both = Dataset(np.stack([first.X, second.X]), np.stack([first.y, second.y]))
    evidence = evidence_on(both)
    found = [o.verdict for o in outcomes_of(OrthogonallySeparable(), evidence)]
    assert found == [Verdict.HOLDS, Verdict.NOT_APPLICABLE]
    assert [o.verdict for o in outcomes_of(MarginOfData(), evidence)] == [Verdict.HOLDS] * 2
    alone = evidence.select(torch.tensor([1]))
    assert outcomes_of(MarginOfData(), alone)[0].trajectory == 1


def test_claims_void_without_their_hypotheses_are_measured_all_the_same():
    evidence = evidence_on(gaussian(6, 3))
    for check, name in (
        (OrthogonallySeparable, "lambda-positive"),
        (NearlyOrthogonal, "nearly-orthogonal"),
    ):
        assert {o.verdict for o in outcomes_of(check(), evidence, drop=(name,))} == {Verdict.HOLDS}


def with_a_feature_in_other_units(unit):
    data = flowfa.datasets.orthogonally_separable(samples=8, dim=4, seed=1)
    X = data.X.copy()
    X[:, 0] *= unit
    return Dataset(X, data.y)


@pytest.mark.parametrize("unit", [1e-8, 1e5, 1e8])
def test_a_margin_of_zero_is_called_violated_whatever_the_units_of_a_feature(unit):
    evidence = evidence_on(with_a_feature_in_other_units(unit))
    assert certified(evidence.flow)[0].margin_certified
    zero = MarginOfData(wrong(margin=lambda found: 0.0, duality_gap=lambda found: 0.0))
    half = MarginOfData(wrong(margin=lambda found: 0.5 * found.margin))
    assert {o.verdict for o in outcomes_of(MarginOfData(), evidence)} == {Verdict.HOLDS}
    for mistaken in (zero, half):
        assert {o.verdict for o in outcomes_of(mistaken, evidence)} == {Verdict.VIOLATED}


def test_lambda_of_small_products_is_looked_at_in_its_own_size():
    """Long samples and short ones: lambda is 1e-16 of R_max^2."""
    X = np.array([[1e8, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 3.0, 1.0]])
    evidence = evidence_on(Dataset(X, np.ones(3)))
    twice = OrthogonallySeparable(wrong(lambda_=lambda found: 2.0 * found.lambda_))
    assert certified(evidence.flow)[0].lambda_ == 1.0
    assert {o.verdict for o in outcomes_of(OrthogonallySeparable(), evidence)} == {Verdict.HOLDS}
    assert {o.verdict for o in outcomes_of(twice, evidence)} == {Verdict.VIOLATED}


def test_rounding_to_coordinates_of_the_span_leaves_small_products_open():
    """With fewer samples than features the flow trains on rounded coordinates."""
    X = np.array([[1e8, 0.0, 1.0], [0.0, 1.0, 1.0]])
    found = outcomes_of(OrthogonallySeparable(), evidence_on(Dataset(X, np.ones(2))))
    assert {o.verdict for o in found} == {Verdict.INCONCLUSIVE}


def test_a_margin_that_is_not_certified_is_inconclusive():
    evidence = evidence_on(gaussian(6, 20))
    unknown = MarginOfData(wrong(margin=lambda found: 0.0, duality_gap=lambda found: found.margin))
    assert {o.verdict for o in outcomes_of(unknown, evidence)} == {Verdict.INCONCLUSIVE}


def test_data_that_cannot_be_certified_are_inconclusive():
    data = Dataset(np.array([[1.0, 1e-150], [0.5, 1.0], [1.0, 1.0]]), np.ones(3))
    found = outcomes_of(MarginOfData(), evidence_on(data))
    assert {o.verdict for o in found} == {Verdict.INCONCLUSIVE}
