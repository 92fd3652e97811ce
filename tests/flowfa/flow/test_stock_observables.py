"""The observables that come with flowfa, each against an oracle: autograd, numpy, a closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import flowfa
import flowfa.flow.layer_observables
import theory_checks
from flowfa.errors import InputError
from flowfa.flow.network_flow import NetworkFlow
from flowfa.flow.observable_registry import OBSERVABLES
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.starts import NormalStart, given_start
from flowfa.testing import ObservableTestCase

STOCK = (
    "dead-neurons",
    "direct-alignment",
    "distance-to-start",
    "effective-rank",
    "kernel-alignment",
    "kernel-eigenvalues",
    "layer-cosine",
    "sample-margin",
    "sharpness",
    "singular-values",
)


@pytest.mark.parametrize("stock", STOCK)
class TestOfStock(ObservableTestCase):
    @pytest.fixture(autouse=True)
    def chosen(self, stock):
        self.stock = stock

    def name(self):
        return self.stock

    def problem(self):
        data = flowfa.datasets.orthogonally_separable(samples=5, dim=8, lambda_=0.1, seed=0)
        return Problem(data, self.widths, rule=("gd", "fa", "dfa"), initial=NormalStart(0.7))


def flow_of(rule="gd", samples=6, dim=4, widths=(5, 3), classes=None, **options):
    if classes is None:
        data = flowfa.datasets.gaussian(samples=samples, dim=dim, seed=0)
    else:
        random = np.random.default_rng(0)
        labels = np.arange(samples) % classes
        data = flowfa.Dataset(random.standard_normal((samples, dim)), labels.astype(float))
    options = {"initial": NormalStart(0.7)} | options
    problem = Problem(data, widths, rule=rule, **options)
    return NetworkFlow(problem, build_ensemble(problem, 2, seed=1))


def measured(flow, name):
    observed = flow.observe(flow.initial, torch.arange(len(flow)), (OBSERVABLES.get(name),))
    return observed[name].numpy()


def outputs_of(flow, row):
    field = flow.field.select(torch.tensor([row]))
    return lambda flat: field.forward(flat[None]).output[0].T.flatten()


def loss_of(flow, row):
    field = flow.field.select(torch.tensor([row]))
    return lambda flat: field.loss.value(field.forward(flat[None]).output, field.targets).mean()


FLOWS = {
    "two layers": {},
    "three outputs": {"classes": 3},
    "biases": {"bias": "all"},
    "smooth": {"activation": "tanh"},
    "wide data": {"dim": 12},
}


@pytest.mark.parametrize("options", FLOWS.values(), ids=FLOWS)
def test_kernel_is_that_of_autograds_jacobian(options):
    flow = flow_of(**options)
    eigenvalues, alignment = (
        measured(flow, name) for name in ("kernel-eigenvalues", "kernel-alignment")
    )
    for row in range(2):
        jacobian = torch.func.jacrev(outputs_of(flow, row))(flow.initial[row])
        kernel = (jacobian @ jacobian.T).numpy()
        expected = np.linalg.eigvalsh(kernel)[::-1][:6]
        np.testing.assert_allclose(eigenvalues[row], expected, rtol=1e-9, atol=1e-12)
        y = flow.field.targets.T.flatten().numpy()
        np.testing.assert_allclose(
            alignment[row], y @ kernel @ y / np.linalg.norm(kernel) / (y @ y), rtol=1e-11
        )


@pytest.mark.parametrize("options", FLOWS.values(), ids=FLOWS)
def test_sharpness_is_the_curvature_along_the_steepest_direction(options):
    flow = flow_of(**options)
    found = measured(flow, "sharpness")
    for row in range(2):
        hessian = torch.func.jacrev(torch.func.jacrev(loss_of(flow, row)))(
            flow.initial[row]
        ).numpy()
        np.testing.assert_allclose(found[row], np.linalg.eigvalsh(hessian)[-1], rtol=1e-9)
        # Second differences of the loss itself along the eigenvector.
        vector = torch.tensor(np.linalg.eigh(hessian)[1][:, -1])
        loss, at, h = loss_of(flow, row), flow.initial[row], 1e-4
        second = (loss(at + h * vector) - 2.0 * loss(at) + loss(at - h * vector)) / h**2
        assert float(second) == pytest.approx(found[row], rel=1e-4)


@pytest.mark.parametrize("rule", ["gd", "fa"])
def test_layer_cosine_is_between_the_velocity_and_autograds_gradient(rule):
    flow = flow_of(rule, bias="hidden")
    found = measured(flow, "layer-cosine")
    for row in range(2):
        state = flow.initial[row].clone().requires_grad_()
        gradient = torch.autograd.grad(loss_of(flow, row)(state), state)[0]
        field = flow.field.select(torch.tensor([row]))
        velocity = field(torch.zeros(1), flow.initial[row : row + 1])
        left, right = (flow.layout.views(v) for v in (velocity, -gradient[None]))
        for layer in (1, 2, 3):
            names = [n for n in (f"W{layer}", f"c{layer}") if n in left]
            u, v = (np.concatenate([s[n].flatten().numpy() for n in names]) for s in (left, right))
            expected = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
            np.testing.assert_allclose(found[row, layer - 1], expected, rtol=1e-11)
    assert (abs(found - 1.0).max() < 1e-12) == (rule == "gd")


def test_singular_values_and_effective_rank_are_numpys():
    flow = flow_of()
    values, ranks = measured(flow, "singular-values"), measured(flow, "effective-rank")
    views = flow.layout.views(flow.initial)
    for row in range(2):
        of_layers = [np.linalg.svd(views[f"W{i}"][row].numpy())[1] for i in (1, 2, 3)]
        expected = np.full(8, np.nan)
        expected[:4], expected[5:] = of_layers[0], of_layers[1]
        np.testing.assert_allclose(values[row], expected, rtol=1e-12)
        shares = [singular / singular.sum() for singular in of_layers]
        entropies = np.array([-(share * np.log(share)).sum() for share in shares])
        np.testing.assert_allclose(ranks[row], np.exp(entropies), rtol=1e-12)


def test_effective_rank_of_equal_singular_values_is_their_number():
    start = given_start({"W1": np.eye(4) * 3.0, "W2": np.ones((1, 4))})
    flow = flow_of(samples=4, widths=None, initial=start)
    np.testing.assert_allclose(measured(flow, "effective-rank")[0], [4.0, 1.0], rtol=1e-14)


def test_direct_alignment_is_that_of_the_kept_feedback():
    flow = flow_of("dfa", classes=3)
    found = measured(flow, "direct-alignment")
    kept, views = flow.field.groups[0].kept, flow.layout.views(flow.initial)
    for row in range(2):
        first, second = (kept[name][row].numpy() for name in ("D1", "D2"))
        for layer, target in ((2, second @ first.T), (3, second.T)):
            W = views[f"W{layer}"][row].numpy()
            expected = (W * target).sum() / np.linalg.norm(W) / np.linalg.norm(target)
            np.testing.assert_allclose(found[row, layer - 1], expected, rtol=1e-12)
    assert np.isnan(found[:, 0]).all()
    assert np.isnan(measured(flow_of("fa"), "direct-alignment")).all()


def test_dead_neurons_are_counted():
    W1 = np.array([[1.0, 1.0], [-1.0, -1.0], [-2.0, 0.5], [0.0, 0.0]])
    data = flowfa.Dataset(np.array([[1.0, 0.1], [0.2, 1.0]]), np.array([1.0, -1.0]))
    problem = Problem(
        data, rule="gd", leak=0.0, initial=given_start({"W1": W1, "W2": np.ones((1, 4))})
    )
    flow = NetworkFlow(problem, build_ensemble(problem, 1, 0))
    found = measured(flow, "dead-neurons")[0]
    assert found[0] == 2 and np.isnan(found[1])


def test_sliding_neurons_are_those_that_the_event_solver_holds():
    data = flowfa.datasets.gaussian(samples=8, dim=6, seed=2)
    problem = Problem(data, (6,), rule="fa", initial=NormalStart(0.3))
    run = flowfa.simulate(problem, 3, t_end=4.0, solver="event", observe=("sliding-neurons",))
    solver = run.tree["solver"].to_dataset()
    assert (solver["slidings"].values > 0).any()
    counts = run.tree["trajectory"]["sliding-neurons"].values[:, :, 0]
    assert (counts[:, 0] == 0).all() and counts.max() >= 1
    none = solver["slidings"].values == 0
    assert (counts[none] == 0).all()
    smooth = flow_of("fa", widths=(5,), activation="tanh")
    assert np.isnan(measured(smooth, "sliding-neurons")).all()


@pytest.mark.parametrize("label", [1.0, -1.0])
@pytest.mark.parametrize("deep", [False, True])
def test_a_pair_at_zero_that_is_pushed_one_way_does_not_slide(label, deep):
    """Samples at right angles: only its own sample moves a preactivation, off zero."""
    data = flowfa.Dataset(np.eye(2), np.array([label, 1.0]))
    weights = {"W1": np.array([[0.0, 1.0]]), "W2": np.ones((1, 1))}
    weights |= {"W3": np.ones((1, 1))} if deep else {}
    problem = Problem(data, rule="gd", leak=0.1, initial=given_start(weights))
    flow = NetworkFlow(problem, build_ensemble(problem, 1, 0))
    assert (measured(flow, "sliding-pairs")[0, :-1] == 0.0).all()


def test_pairs_that_slide_in_a_deep_network_are_those_that_slid_and_did_not_leave():
    data = flowfa.datasets.gaussian(samples=6, dim=4, seed=1)
    problem = Problem(data, (8, 6), rule=("gd", "fa"), initial="xavier")
    names = ("sliding-pairs", "sliding-neurons")
    run = flowfa.simulate(problem, 3, t_end=10.0, save=5, solver="event", observe=names)
    solver = run.tree["solver"].to_dataset()
    assert (solver["repelling"].values == 0).all()
    pairs, neurons = (run.tree["trajectory"][name].values[:, :, :2] for name in names)
    assert (pairs[:, 0] == 0).all() and (pairs[:, -1] > 0).any(0).all()
    expected = solver["slidings"].values - solver["exits"].values
    np.testing.assert_array_equal(pairs[:, -1].sum(1), expected)
    assert ((neurons > 0) == (pairs > 0)).all() and (neurons <= pairs).all()


@pytest.mark.parametrize("dim", [4, 12])
def test_distance_and_cosine_are_those_of_the_weights_in_the_file(dim):
    flow_data = flowfa.datasets.gaussian(samples=6, dim=dim, seed=0)
    problem = Problem(flow_data, (5, 3), rule=("gd", "fa"), bias="hidden", activation="tanh")
    direction = np.arange(1.0, dim + 1.0)
    cosine = flowfa.flow.layer_observables.neuron_cosine(direction)
    own = {"toward": cosine, "distance": OBSERVABLES.get("distance-to-start")}
    for make, length in ((flowfa.simulate, {"t_end": 2.0}), (flowfa.train, {"steps": 2})):
        run = make(problem, 2, save=3, snapshots=3, observe=own, **length)
        weights = run.tree["weights"].to_dataset()
        W1 = weights["W1"].values
        expected = W1 @ direction / np.linalg.norm(W1, axis=3) / np.linalg.norm(direction)
        found = run.tree["neurons"]["toward"].values
        np.testing.assert_allclose(found[:, :, :5], expected, rtol=1e-10, atol=1e-13)
        assert np.isnan(found[:, :, 5:]).all()
        distance = run.tree["trajectory"]["distance"].values
        for layer in (1, 2, 3):
            names = [name for name in (f"W{layer}", f"c{layer}") if name in weights]
            moved = [weights[n].values - weights[n].values[:, :1] for n in names]
            square = sum((m**2).reshape(4, 3, -1).sum(2) for m in moved)
            np.testing.assert_allclose(distance[:, :, layer - 1], square**0.5, rtol=1e-9)


def test_a_direction_must_be_one_of_the_features():
    neuron_cosine = flowfa.flow.layer_observables.neuron_cosine
    for wrong in ([[1.0]], [0.0, 0.0], [np.nan, 1.0]):
        with pytest.raises(InputError, match="expected a vector"):
            neuron_cosine(wrong)
    data = flowfa.datasets.gaussian(samples=6, dim=4, seed=0)
    with pytest.raises(InputError, match="has 2 entries and the data 4"):
        flowfa.simulate(
            Problem(data, (3,), rule="gd"), 1, t_end=1.0, observe={"to": neuron_cosine([1.0, 2.0])}
        )


def test_sample_margins_are_those_of_the_normalised_one():
    flow = flow_of()
    margins = measured(flow, "sample-margin")
    norms = np.prod(
        [w.flatten(1).norm(dim=1).numpy() for w in flow.layout.views(flow.initial).values()], axis=0
    )
    np.testing.assert_allclose(margins.min(1) / norms, measured(flow, "normalised-margin"))
    for row in range(2):
        expected = outputs_of(flow, row)(flow.initial[row]) * flow.field.targets.flatten()
        np.testing.assert_allclose(margins[row], expected.numpy(), rtol=1e-13)


def test_they_are_recorded_drawn_and_checked(tmp_path):
    data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, lambda_=0.1, seed=0)
    problem = Problem(data, (3, 3), rule=("gd", "dfa"))
    run = flowfa.simulate(problem, 1, t_end=2.0, save=4, observe=STOCK, path=tmp_path / "run.nc")
    trajectory = run.tree["trajectory"].to_dataset()
    assert trajectory["sample-margin"].dims == ("trajectory", "time", "sample")
    assert trajectory["kernel-alignment"].attrs["units"] == "1"
    assert trajectory["sharpness"].attrs["source"] == "flowfa.flow.curvature.sharpness"
    for name in STOCK:
        assert flowfa.plots.panel_of(run, name).axes
    record = theory_checks.check(run, only=("record",)).findings[0]
    assert record.verdict.value == "holds"
    changed = run.tree.copy(deep=True)
    changed["trajectory"]["sample-margin"].values[:, 2] += 1e-3
    del changed["trajectory"].attrs["checksums"]
    assert theory_checks.check(changed, only=("record",)).findings[0].verdict.value == "violated"


# --- functions of one's own -----------------------------------------------------------------------


def test_a_function_is_recorded_under_the_name_that_it_is_given(tmp_path):
    def largest_output(measured):
        """Return the largest output."""
        return measured.output.amax((1, 2))

    data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, lambda_=0.1, seed=0)
    problem = Problem(data, (3,), rule="gd")
    own = {"largest": largest_output, "margin": OBSERVABLES.get("sample-margin")}
    for make, length in ((flowfa.simulate, {"t_end": 2.0}), (flowfa.train, {"steps": 3})):
        run = make(problem, 1, save=3, observe=own, **length)
        trajectory = run.tree["trajectory"].to_dataset()
        assert trajectory["largest"].attrs["long_name"] == "the largest output"
        assert trajectory["margin"].dims == ("trajectory", "time", "sample")
        assert '"observe": ["largest", "margin"]' in run.tree.attrs["config"]


@pytest.mark.parametrize(
    ("observe", "fault"),
    [
        ({"a b": len}, "letters, digits"),
        ({"margin": 3.0}, "expected a function"),
        ({"loss": lambda measured: measured.output[:, 0, 0]}, "cannot be called 'loss'"),
        ({"wide": lambda measured: measured.output}, "one value for each trajectory"),
    ],
)
def test_what_cannot_be_observed_is_refused(observe, fault):
    data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, lambda_=0.1, seed=0)
    with pytest.raises(InputError, match=fault):
        flowfa.simulate(Problem(data, (3,), rule="gd"), 1, t_end=1.0, observe=observe)
