"""Generators that come with flowfa and of one's own: template, registration, command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

import flowfa
from flowfa.cli.main import main
from flowfa.datasets import DATASETS
from flowfa.errors import InputError
from flowfa.testing import DatasetTestCase


class TestNearlyOrthogonal(DatasetTestCase):
    def name(self):
        return "nearly-orthogonal"

    def options(self):
        return {"samples": 4, "dim": 12}


class TestOrthogonallySeparable(DatasetTestCase):
    def name(self):
        return "orthogonally-separable"

    def options(self):
        return {"samples": 4, "dim": 6}


class TestGaussian(DatasetTestCase):
    def name(self):
        return "gaussian"

    def options(self):
        return {"samples": 40, "dim": 3}


class TestMixture(DatasetTestCase):
    def name(self):
        return "mixture"

    def options(self):
        return {"samples": 10, "dim": 3, "components": 3}


class TestDigits(DatasetTestCase):
    def name(self):
        return "digits"

    def options(self):
        return {"samples": 10}


@pytest.fixture
def xor():
    @flowfa.dataset("xor")
    def xor(samples=4, seed=0):
        random = np.random.default_rng(seed)
        X = random.choice((-1.0, 1.0), (samples, 2)) + 0.1 * random.standard_normal((samples, 2))
        return flowfa.Dataset(X, np.sign(X.prod(1)))

    yield xor
    DATASETS.forget("xor")


def test_a_registered_generator_is_found_by_name(xor, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = flowfa.datasets.make("xor", samples=6, seed=2)
    assert (data.name, data.samples) == ("xor", 6)
    flags = "--samples 5 --width 3 --trajectories 2 --t-end 0.1 --save 2 --plot none --no-check"
    assert main(["simulate", "--dataset", "xor", *flags.split(), "--quiet"]) == 0
    config = json.loads(flowfa.load("run.nc").attrs["config"])
    assert (config["dataset"], config["samples"], config["dim"]) == ("xor", 5, 2)
    assert main(["simulate", "--dataset", "xor", "--gamma", "2", "--quiet"]) == 64


def test_generators_that_nothing_could_be_made_of_are_refused():
    with pytest.raises(InputError, match="takes no `seed`"):
        flowfa.dataset("seedless")(lambda samples=3: None)
    with pytest.raises(InputError, match="the argument 'samples' of the data set 'bare' has no"):
        flowfa.dataset("bare")(lambda samples, seed=0: None)
    with pytest.raises(InputError, match="the data set name 'gaussian' is taken"):
        flowfa.dataset("gaussian")(lambda seed=0: None)
    flowfa.dataset("listed")(lambda seed=0: [1.0])
    try:
        with pytest.raises(InputError, match=r"'listed' returned list: expected a flowfa\.Dataset"):
            flowfa.datasets.make("listed", seed=0)
    finally:
        DATASETS.forget("listed")
