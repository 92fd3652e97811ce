"""An empty file is kept for each structure, and only what has it is written into a copy."""

from __future__ import annotations

from dataclasses import replace

import pytest
import xarray as xr

import flowfa
from flowfa.records import load
from flowfa.records.schema import Variable
from flowfa.records.writer import _empty, _Structure
from tests.support.checksums import without_checksums


@pytest.mark.parametrize(
    "change",
    [
        {"group": "solver"},
        {"name": "other"},
        {"dims": ("step",)},
        {"shape": (4,)},
        {"kind": "int64"},
        {"attrs": {"long_name": "another"}},
        {"coordinate": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_but_the_values_is_structure(change):
    variable = Variable("trajectory", "loss", ("time",), (3,), "float64", {"long_name": "loss"})
    assert _Structure([variable]) == _Structure([replace(variable)])
    assert _Structure([variable]) != _Structure([replace(variable, **change)])


def test_a_file_does_not_depend_on_what_was_written_before(tmp_path):
    data = flowfa.datasets.gaussian(samples=4, dim=3, seed=0)

    def run(rule, **more):
        problem = flowfa.Problem(data, (3,), rule=rule)
        return flowfa.simulate(problem, 1, t_end=0.1, save=3, **more).tree

    _empty.cache_clear()
    for name, rule in (("a", "fa"), ("b", "adafa"), ("c", "gd"), ("d", "fa")):
        run(rule, path=tmp_path / name).close()
        found, expected = without_checksums(load(tmp_path / name)), run(rule)
        for one, other in zip(found.children.values(), expected.children.values(), strict=True):
            xr.testing.assert_identical(one.to_dataset(), other.to_dataset())
    # Of gd is the structure of adafa: neither keeps feedback.
    assert _empty.cache_info().hits == 2
