"""Observables that a user adds: in the record, resumable, drawn, and checked by the template."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch

import flowfa
import theory_checks
from flowfa.cli.main import main
from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError, Interrupted
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import OBSERVABLES
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.starts import given_start
from flowfa.simulation.unfinished import load_run
from flowfa.testing import ObservableTestCase
from tests.support.nightly import some_now
from tests.support.watching import stops_after


class TestNormalisedMargin(ObservableTestCase):
    def name(self):
        return "normalised-margin"


class TestOfEachNeuron(ObservableTestCase):
    @pytest.fixture(autouse=True)
    def registered(self, in_norms):
        """Have it registered."""

    def name(self):
        return "in-norm"


@pytest.fixture
def in_norms():
    @flowfa.observable("in-norm", unit="m", per="neuron")
    def in_norm(measured):
        """Return ||w_in|| of each hidden neuron."""
        layers = range(1, measured.field.layout.layers)
        squares = [measured.parameters[f"W{i}"].square().sum(2) for i in layers]
        squares[0] = squares[0] + measured.outside_norm2
        return torch.cat(squares, 1).sqrt()

    yield in_norm
    OBSERVABLES.forget("in-norm")


@pytest.fixture
def out_norms():
    @flowfa.observable("out-norm", per="layer", title="norm of the weights")
    def out_norm(measured):
        return measured.weight_norm2.sqrt()

    yield out_norm
    OBSERVABLES.forget("out-norm")


def problem(**options):
    data = flowfa.datasets.orthogonally_separable(samples=5, dim=8, lambda_=0.1, seed=0)
    return Problem(data, (4, 3), rule=("gd", "fa"), **options)


EXTRA = ("in-norm", "out-norm", "normalised-margin")


# --- the normalised margin ------------------------------------------------------------------------


def margin_of(activation="leaky-relu", bias=None, y=None, scale=(1.0, 1.0), loss=None):
    """Return the normalised margin of one network, its layers multiplied by `scale`."""
    random = np.random.default_rng(0)
    X = random.standard_normal((6, 9))
    y = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0]) if y is None else y
    outputs = 1 if y.ndim == 2 or y.min() < 0 else int(y.max()) + 1
    arrays = {
        "W1": scale[0] * random.standard_normal((5, 9)),
        "W2": scale[1] * random.standard_normal((outputs, 5)),
    }
    if bias is not None:
        arrays["c1"] = np.full(5, bias)
    data = Dataset(X, y)
    task = Problem(data, rule="gd", initial=given_start(arrays), activation=activation, loss=loss)
    flow = NetworkFlow(task, build_ensemble(task, 1, 0))
    observed = flow.observe(flow.initial, torch.arange(1), (OBSERVABLES.get("normalised-margin"),))
    return float(observed["normalised-margin"]), arrays, data


def test_normalised_margin_is_its_definition():
    found, arrays, data = margin_of()
    z = arrays["W1"] @ data.X.T
    f = (arrays["W2"] @ np.where(z > 0, z, 0.1 * z))[0]
    norms = [np.linalg.norm(arrays[name]) for name in ("W1", "W2")]
    assert found == pytest.approx(min(data.y * f) / (norms[0] * norms[1]), rel=1e-13)


def test_normalised_margin_of_classes_is_over_the_best_other_class():
    found, arrays, data = margin_of(y=np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0]))
    z = arrays["W1"] @ data.X.T
    f = arrays["W2"] @ np.where(z > 0, z, 0.1 * z)
    k = np.arange(6)
    label = data.y.astype(int)
    others = f.copy()
    others[label, k] = -np.inf
    product = np.prod([np.linalg.norm(arrays[name]) for name in ("W1", "W2")])
    assert found == pytest.approx(min(f[label, k] - others.max(0)) / product, rel=1e-13)


@pytest.mark.parametrize("activation", ["leaky-relu", "squared-relu", "identity"])
def test_normalised_margin_does_not_change_with_the_size_of_a_layer(activation):
    expected = margin_of(activation)[0]
    for scale in ((3.0, 1.0), (1.0, 0.2)):
        assert margin_of(activation, scale=scale)[0] == pytest.approx(expected, rel=1e-12)


def test_normalised_margin_is_nothing_where_scaling_means_nothing():
    assert np.isnan(margin_of("tanh")[0])
    assert np.isnan(margin_of(bias=0.1)[0])
    assert np.isnan(margin_of(y=np.linspace(0.0, 1.0, 6)[:, None], loss="squared")[0])


# --- the record -----------------------------------------------------------------------------------


def test_observables_land_in_their_groups_with_their_attributes(in_norms, out_norms, tmp_path):
    run = flowfa.simulate(problem(), 2, t_end=1.0, save=4, observe=EXTRA, path=tmp_path / "run.nc")
    trajectory, neurons = run.tree["trajectory"].to_dataset(), run.tree["neurons"].to_dataset()
    assert trajectory["normalised-margin"].dims == ("trajectory", "time")
    assert trajectory["out-norm"].dims == ("trajectory", "time", "layer")
    assert neurons["in-norm"].dims == ("trajectory", "time", "neuron")
    assert np.array_equal(trajectory["out-norm"], trajectory["weight_norm"])
    assert neurons["in-norm"].attrs["units"] == "m"
    assert neurons["in-norm"].attrs["long_name"] == "||w_in|| of each hidden neuron"
    assert neurons["in-norm"].attrs["source"].endswith("in_norms.<locals>.in_norm")
    assert "units" not in trajectory["out-norm"].attrs
    assert json.loads(run.tree.attrs["config"])["observe"] == list(EXTRA)
    with h5py.File(tmp_path / "run.nc") as file:
        assert file["neurons/in-norm"].shape == (4, 4, 7)
    report = theory_checks.check(run, only=["C-1", "record"])
    assert report["record"].verdict is theory_checks.Verdict.HOLDS


def test_a_run_that_is_not_asked_records_and_costs_nothing(in_norms, monkeypatch):
    def called(measured):
        raise AssertionError("measured though nobody asked")

    monkeypatch.setitem(OBSERVABLES._entries, "in-norm", called)
    run = flowfa.simulate(problem(), 2, t_end=1.0, save=4)
    assert "in-norm" not in run.tree["neurons"].to_dataset()
    assert json.loads(run.tree.attrs["config"])["observe"] == []


def test_other_numbers_are_those_of_a_run_without():
    with_it = flowfa.simulate(problem(), 2, t_end=1.0, save=4, observe=("normalised-margin",))
    without = flowfa.simulate(problem(), 2, t_end=1.0, save=4)
    for group in ("trajectory", "neurons", "weights"):
        for name, variable in without.tree[group].to_dataset().items():
            assert variable.identical(with_it.tree[group].to_dataset()[name])


@pytest.mark.parametrize("command", some_now(["simulate", "train"], ["train"]))
def test_a_stopped_run_resumes_with_its_observables_bit_for_bit(
    command, in_norms, out_norms, tmp_path
):
    def made(name, observe=EXTRA, **more):
        options = {"t_end": 1.0, "save": 9, "observe": observe, "path": tmp_path / name} | more
        if command == "train":
            options |= {"rate": 0.1}
        return getattr(flowfa, command)(problem(), 2, **options)

    whole = made("whole.nc")
    with pytest.raises(Interrupted):
        made("run.nc", progress=stops_after(4), checkpoint_every=1e-9)
    unfinished = load_run(tmp_path / "run.nc")
    assert np.isfinite(unfinished["trajectory"]["out-norm"].to_numpy()[0, 0]).all()
    with pytest.raises(InputError, match="the unfinished run has observe"):
        made("run.nc", observe=(), resume=True)
    resumed = made("run.nc", resume=True)
    for group in ("trajectory", "neurons", "weights"):
        assert resumed.tree[group].to_dataset().identical(whole.tree[group].to_dataset())
    assert np.isfinite(resumed.tree["neurons"]["in-norm"].to_numpy()).all()


# --- refusals -------------------------------------------------------------------------------------


def test_names_are_looked_up_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="did you mean 'normalised-margin'"):
        flowfa.simulate(problem(), 1, observe=("normalised-margn",), path=tmp_path / "run.nc")
    with pytest.raises(InputError, match="unknown observable 'loss'"):
        flowfa.simulate(problem(), 1, observe="loss")
    with pytest.raises(InputError, match="`observe` has normalised-margin twice"):
        flowfa.train(problem(), 1, observe=("normalised-margin",) * 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["loss", "kappa", "time", "weight_norm"])
def test_a_name_of_the_record_itself_is_refused(name):
    flowfa.observable(name)(lambda measured: measured.state[:, 0])
    try:
        with pytest.raises(InputError, match=f"cannot be called '{name}', the name of a variable"):
            flowfa.simulate(problem(), 1, observe=(name,))
    finally:
        OBSERVABLES.forget(name)


def test_names_and_kinds_that_no_record_can_have_are_refused():
    with pytest.raises(InputError, match="cannot be called 'a/b'"):
        flowfa.observable("a/b")
    with pytest.raises(InputError, match="`per` is 'output': expected one of trajectory, layer"):
        flowfa.observable("fine", per="output")
    with pytest.raises(InputError, match="the observable name 'normalised-margin' is taken"):
        flowfa.observable("normalised-margin")(lambda measured: measured.state[:, 0])


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda measured: measured.state, r"returned the shape \(2, 35\): expected \(2,\)"),
        (lambda measured: 1.0, "returned float: expected a real tensor"),
    ],
)
def test_what_is_no_observation_is_refused(function, told):
    flowfa.observable("wrong")(function)
    try:
        with pytest.raises(InputError, match=f"the observable 'wrong' {told}"):
            flowfa.simulate(problem(), 1, observe=("wrong",))
    finally:
        OBSERVABLES.forget("wrong")


# --- figures and the command line -----------------------------------------------------------------


def test_every_kind_of_variable_has_panels(in_norms, out_norms):
    run = flowfa.simulate(problem(), 2, t_end=1.0, save=4, observe=EXTRA)
    figure = flowfa.plots.panel_of(run, "normalised-margin", "out-norm", "in-norm")
    titles = [axes.get_title().replace("\n", " ") for axes in figure.axes if axes.get_title()]
    assert titles == [
        "least margin over the product of weight norms",
        *(f"norm of the weights, layer {layer}" for layer in (1, 2, 3)),
        *(f"||w_in|| of each hidden neuron, layer {layer}" for layer in (1, 2)),
    ]
    assert any(axes.get_ylabel() == "in-norm (m)" for axes in figure.axes)
    first = figure.axes[0]
    drawn = {line.get_gid(): line.get_ydata() for line in first.get_lines()}
    expected = np.median(run.tree["trajectory"]["normalised-margin"].to_numpy()[2:], axis=0)
    np.testing.assert_allclose(drawn["median-fa"], expected)
    with pytest.raises(InputError, match="did you mean 'in-norm'"):
        flowfa.plots.panel_of(run, "in-norms")
    with pytest.raises(InputError, match="no variable was named"):
        flowfa.plots.panel_of(run)


def test_the_command_line_records_and_draws_an_observable(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = "--samples 4 --dim 9 --width 3 --trajectories 1 --save 3 --plot none --no-check --quiet"
    observe = ["--observe", "normalised-margin"]
    assert main(["simulate", *flags.split(), "--t-end", "1", *observe]) == 0
    train = ["train", *flags.split(), "--steps", "4", "--out", "train.nc"]
    assert main([*train, *observe]) == 0
    for name in ("run.nc", "train.nc"):
        values = flowfa.load(name)["trajectory"]["normalised-margin"].to_numpy()
        assert np.isfinite(values).all() and values.shape[1] >= 3
    assert main(["plot", "run.nc", "--panel", "normalised-margin", "loss"]) == 0
    assert (tmp_path / "run.png").exists()
    capsys.readouterr()
    assert main(["plot", "run.nc", "--panel", "margin", "--overwrite"]) == 64
    assert capsys.readouterr().err.count("\n") == 1
