"""The paper's claims about E-2 and E-3, judged on results that were made up."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from flowfa.experiments.findings import CONFIRMED, REFUTED, UNTESTED
from flowfa.experiments.image_networks.claims import judge


def fabricated(accuracy, alignment, runs=3):
    """A result whose last epoch has these means, {rule: (at N = 10, at N = 50)}."""
    spread = 0.001 * (np.arange(runs) - (runs - 1) / 2)
    rules = list(accuracy)
    own = np.stack([[np.array(accuracy[rule][n]) + spread for rule in rules] for n in (0, 1)])
    cosine = np.stack([[np.array(alignment[rule][n]) + spread for rule in rules] for n in (0, 1)])
    return xr.Dataset(
        {
            "test_accuracy": (("classes", "rule", "run", "epoch"), own[..., None]),
            "cosine": (
                ("classes", "rule", "run", "layer", "epoch"),
                np.stack([0 * cosine, cosine], axis=-1)[..., None],
            ),
        },
        {"classes": [10, 50], "rule": rules, "layer": ["a", "b"], "epoch": [5]},
    )


AS_EXPECTED = {"fa": (0.4, 0.2), "adafa": (0.6, 0.3), "signfa": (0.7, 0.5), "gd": (0.72, 0.51)}
ALIGNED = {"fa": (0.4, 0.1), "adafa": (0.9, 0.8), "signfa": (0.8, 0.75), "gd": (1.0, 1.0)}


def test_claims_are_confirmed_where_the_numbers_have_the_expected_orders():
    assert [each.verdict for each in judge(fabricated(AS_EXPECTED, ALIGNED))] == [CONFIRMED] * 7


@pytest.mark.parametrize(
    ("place", "accuracy", "alignment"),
    [
        (0, {"fa": (0.4, 0.0205)}, {}),
        (1, {"gd": (0.5, 0.51)}, {}),
        (2, {"adafa": (0.4, 0.3)}, {}),
        (3, {"adafa": (0.45, 0.3)}, {}),
        (4, {"signfa": (0.7, 0.4)}, {}),
        (5, {}, {"adafa": (0.8, 0.9)}),
        (6, {}, {"signfa": (0.8, 0.2)}),
    ],
)
def test_each_claim_is_refuted_by_numbers_of_another_order(place, accuracy, alignment):
    data = fabricated(AS_EXPECTED | accuracy, ALIGNED | alignment)
    assert judge(data)[place].verdict == REFUTED


def test_claims_are_untested_where_something_is_missing():
    data = fabricated(AS_EXPECTED, ALIGNED)
    verdicts = [each.verdict for each in judge(data.isel(classes=[0]))]
    assert [verdicts[i] for i in (1, 3, 5, 6)] == [UNTESTED] * 4
    verdicts = [each.verdict for each in judge(data.sel(rule=["gd"]))]
    assert [verdicts[i] for i in (2, 3, 4, 5, 6)] == [UNTESTED] * 5
    guessing = fabricated(dict.fromkeys(AS_EXPECTED, (0.1, 0.02)), ALIGNED)
    verdicts = [each.verdict for each in judge(guessing)]
    assert verdicts[0] == REFUTED
    assert [verdicts[i] for i in (1, 4)] == [UNTESTED] * 2


def test_a_diverged_run_confirms_nothing():
    data = fabricated(AS_EXPECTED, ALIGNED)
    data["test_accuracy"][0, 1, 0] = np.nan
    verdicts = [each.verdict for each in judge(data)]
    assert all(verdicts[i] != CONFIRMED for i in range(4))
