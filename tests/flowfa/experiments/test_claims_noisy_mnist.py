"""The paper's claims about E-1, judged on results that were made up."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from flowfa.experiments.noisy_mnist.claims import CONFIRMED, REFUTED, UNTESTED, judge


def fabricated(**changes):
    """A result in which every claim is true, unless changed: runs 3, widths 15 and 200."""
    rules, epochs = ["fa", "adafa", "signfa", "gd"], 6
    shape = (2, 4, 3, epochs)
    ramp = np.linspace(0.0, 1.0, epochs)
    wobble = 1.0 + 1e-3 * np.arange(3)[:, None]
    ones = np.ones(shape)
    cosine = ones.copy()
    cosine[:, 0] = (0.1 + 0.2 * ramp) * wobble
    cosine[:, 1] = (0.5 + 0.2 * ramp) * wobble
    cosine[:, 2] = 0.8 + 0.05 * np.sin(np.pi * ramp)
    share = 1e-4 * np.array([9.0, 2.0, 1.0, 1.0])[None, :, None, None] * ramp * wobble
    share = share * np.array([3.0, 1.0])[:, None, None, None]
    values = {
        "cosine": cosine,
        "sign_bound": 0.05 * ones,
        "conserved": 10.0 + share,
        "outgoing": 1.0 + ramp * ones,
        "memorised": 0.9 * ones,
        "test_accuracy": (0.5 + 0.4 * ramp) * ones,
    }
    values.update(changes)
    dims = ("width", "rule", "run", "epoch")
    return xr.Dataset(
        {name: (dims, value) for name, value in values.items()},
        coords={"width": [15, 200], "rule": rules, "run": range(3), "epoch": range(epochs)},
    )


def verdicts(data):
    return [finding.verdict for finding in judge(data)]


def test_claims_that_are_true_are_confirmed():
    assert set(verdicts(fabricated())) == {CONFIRMED}


@pytest.mark.parametrize(
    ("name", "change", "failing"),
    [
        ("cosine", lambda c: c[..., ::-1], ["rises under fa", "rises under adafa"]),
        ("cosine", lambda c: c[:, [1, 0, 2, 3]], ["adafa is above that of fa"]),
        ("cosine", lambda c: np.sort(c, -1), ["not monotone"]),
        ("sign_bound", lambda b: 17 * b, ["P-1's bound"]),
        (
            "conserved",
            lambda c: c[::-1],
            ["|R1 - 1| at the end is larger", "|R2 - 1| at the end is"],
        ),
        (
            "conserved",
            lambda c: c[:, [1, 0, 2, 3]],
            ["R1 - 1| at the end, mean", "R2 - 1| at the end, mean"],
        ),
        ("test_accuracy", lambda a: a[..., ::-1], ["overfitting does not hurt"]),
    ],
)
def test_claims_that_are_false_are_not_confirmed(name, change, failing):
    data = fabricated(**{name: change(fabricated()[name].values.copy())})
    refuted = [finding.claim for finding in judge(data) if finding.verdict == REFUTED]
    assert len(refuted) == len(failing)
    assert all(part in claim for part, claim in zip(failing, refuted, strict=True))


def test_what_cannot_be_tested_is_said_to_be_untested():
    assert UNTESTED in verdicts(fabricated(memorised=np.full((2, 4, 3, 6), 0.1)))
    alone = fabricated().sel(rule=["gd"], width=[15])
    assert {finding.verdict for finding in judge(alone) if "overfitting" not in finding.claim} == {
        UNTESTED
    }
