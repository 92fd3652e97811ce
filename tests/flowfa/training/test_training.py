"""Discrete training against torch.optim.SGD, autograd, the flow, and itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import flowfa
from flowfa.errors import InputError, Interrupted
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import build_ensemble
from flowfa.settings import TrainingSettings
from flowfa.simulation.training_run import step_rule
from flowfa.training import Minibatches, Schedule, StepRule, plan_saves, strides

RULES = ("gd", "fa", "adafa", "signfa", "dfa", "frsf", "brsf")


def problem(rule="fa", dim=7, samples=12, widths=(6, 4), **more):
    data = flowfa.datasets.gaussian(samples=samples, dim=dim, seed=1)
    options = {"loss": "logistic", "bias": "all", "initial": "xavier", "leak": 0.2} | more
    return flowfa.Problem(data, widths, rule=rule, **options)


class FeedbackLinear(torch.autograd.Function):
    """x W^T + c whose backward signal goes through B instead of W^T."""

    @staticmethod
    def forward(ctx, x, weight, bias, feedback):
        ctx.save_for_backward(x, feedback)
        return x @ weight.T + bias

    @staticmethod
    def backward(ctx, grad):
        x, feedback = ctx.saved_tensors
        return grad @ feedback.T, grad.T @ x, grad.sum(0), None


def by_autograd(flow, row, steps, optimiser, scheduler=None, batches=None):
    """Train one row of a flow by torch's autograd and optimiser; return W_l and c_l by name."""
    task, ensemble_row = flow.problem, torch.tensor([row])
    parameters = flow.parameters(flow.initial[row : row + 1], ensemble_row)
    leaves = {name: value[0].clone().requires_grad_() for name, value in parameters.items()}
    kept = {}
    for group in flow.field.groups:
        if group.start <= row < group.stop:
            kept = {name: value[row - group.start] for name, value in group.kept.items()}
    inputs, labels = torch.tensor(task.data.X), torch.tensor(task.data.y, dtype=torch.float64)
    descent = optimiser(list(leaves.values()))
    schedule = None if scheduler is None else scheduler(descent)
    for step in range(steps):
        chosen = slice(None) if batches is None else batches.of_step(step)[int(flow.starts[row])]
        h = inputs[chosen]
        for layer in range(1, task.layers + 1):
            weight, bias = leaves[f"W{layer}"], leaves[f"c{layer}"]
            feedback = kept.get(f"B{layer}", weight.detach().T)
            h = FeedbackLinear.apply(h, weight, bias, feedback)
            if layer < task.layers:
                h = torch.nn.functional.leaky_relu(h, task.leak)
        loss = torch.nn.functional.softplus(-labels[chosen] * h[:, 0]).mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
        if schedule is not None:
            schedule.step()
    return {name: value.detach().numpy() for name, value in leaves.items()}


def last_weights(run):
    weights = run.tree["weights"].to_dataset()
    return {
        str(name): array.values[:, -1]
        for name, array in weights.data_vars.items()
        if "snapshot" in array.dims
    }


@pytest.mark.parametrize("rule", ("gd", "fa"))
@pytest.mark.parametrize("dim", (7, 30))
def test_steps_are_those_of_torch_sgd_with_momentum_decay_schedule_and_minibatches(rule, dim):
    """FA by a hand-written autograd function; dim 30 > 12 samples needs all of W_1 to decay."""
    task = problem(rule, dim).moving(weight_decay=0.01)
    run = flowfa.train(
        task,
        2,
        rate=(0.3, 0.1),
        momentum=0.9,
        schedule="2@20,50",
        batch_size=5,
        steps=80,
    )
    flow = NetworkFlow(task, build_ensemble(task, 2, 0), repeats=2)
    batches = Minibatches(12, 5, starts=2, seed=0)
    found = last_weights(run)
    for row, rate in enumerate((0.3, 0.1, 0.3, 0.1)):
        expected = by_autograd(
            flow,
            row,
            80,
            lambda leaves, rate=rate: torch.optim.SGD(
                leaves, lr=rate, momentum=0.9, weight_decay=0.01
            ),
            lambda descent: torch.optim.lr_scheduler.MultiStepLR(descent, [20, 50], gamma=0.5),
            batches,
        )
        for name, value in expected.items():
            assert np.allclose(found[name][row], value, rtol=1e-9, atol=1e-11), name


def test_plain_steps_are_those_of_torch_sgd():
    task = problem("gd")
    run = flowfa.train(task, 1, rate=0.2, steps=100)
    flow = NetworkFlow(task, build_ensemble(task, 1, 0))
    expected = by_autograd(flow, 0, 100, lambda leaves: torch.optim.SGD(leaves, lr=0.2))
    for name, value in expected.items():
        assert np.allclose(last_weights(run)[name][0], value, rtol=1e-10, atol=1e-12), name


def states(run):
    return {name: run.tree["weights"][name].values for name in ("W1", "W2", "c1")}


def test_batch_of_rules_rates_and_momenta_equals_loop_bit_for_bit():
    settings = {"steps": 40, "batch_size": 5, "save": 9, "schedule": "2@10", "seed": 3}
    together = flowfa.train(problem(RULES), 3, rate=(0.2, 0.1), momentum=(0.0, 0.5), **settings)
    coordinates = together.tree["trajectory"].to_dataset()
    for rule in RULES:
        for rate in (0.2, 0.1):
            for momentum in (0.0, 0.5):
                alone = flowfa.train(problem(rule), 2, rate=rate, momentum=momentum, **settings)
                chosen = (
                    (coordinates["rule"].values == rule)
                    & (coordinates["rate"].values == rate)
                    & (coordinates["momentum"].values == momentum)
                    & (coordinates["start"].values < 2)
                )
                for name, values in states(alone).items():
                    assert np.array_equal(states(together)[name][chosen], values), (rule, name)
                loss = together.tree["trajectory"]["loss"].values[chosen]
                assert np.array_equal(loss, alone.tree["trajectory"]["loss"].values)


def test_one_that_diverges_neither_stops_nor_changes_the_others():
    task = problem("fa", loss="squared")
    run = flowfa.train(task, 2, rate=(0.05, 1e3, 0.02), steps=200, save=21)
    assert run.statuses == ["ok", "diverged", "ok"] * 2 and not run.failed
    failure = run.summary()["failures"][0]
    assert failure["trajectory"] == 1 and "step " in failure["message"]
    steps = run.tree["solver"]["steps"].values
    assert (steps[[0, 2]] == 200).all() and 0 < steps[1] < 200
    assert all(np.isfinite(value).all() for value in last_weights(run).values())
    alone = flowfa.train(task, 2, rate=(0.05, 0.02), steps=200, save=21)
    for name, values in states(alone).items():
        assert np.array_equal(states(run)[name][[0, 2, 3, 5]], values)


class StopsAfter:
    """A progress display that sends SIGINT after some updates."""

    def __init__(self, updates):
        self.left = updates
        self.fractions = []

    def update(self, state):
        import signal

        self.fractions.append(state.share)
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGINT)

    def close(self):
        pass


def test_interrupted_training_resumes_bit_for_bit(tmp_path):
    task = problem(("fa", "brsf"))
    settings = {
        "rate": (0.2, 0.1),
        "momentum": 0.7,
        "batch_size": 5,
        "steps": 300,
        "save": 31,
        "schedule": "2@every:90",
    }
    whole = flowfa.train(task, 2, **settings)
    path = tmp_path / "run.nc"
    stopper = StopsAfter(13)
    with pytest.raises(Interrupted):
        flowfa.train(task, 2, path=path, progress=stopper, **settings)
    assert 0.0 < stopper.fractions[-1] < 1.0 and not path.exists()
    with pytest.raises(InputError, match="schedule"):
        flowfa.train(task, 2, path=path, resume=True, **(settings | {"schedule": "constant"}))
    resumed = flowfa.train(task, 2, path=path, resume=True, **settings)
    for name, values in states(whole).items():
        assert np.array_equal(states(resumed)[name], values)
    for name in ("loss", "alignment", "training_time"):
        one, other = (run.tree["trajectory"][name].values for run in (whole, resumed))
        assert np.array_equal(one, other, equal_nan=True)


def test_steps_tend_to_the_flow_at_first_order():
    """Without kinks the deviation at rate eta is twice that at eta / 2."""
    task = problem(("gd", "fa", "adafa", "dfa"), leak=1.0)
    rates = (0.08, 0.04, 0.02)
    run = flowfa.train(task, 2, rate=rates, t_end=8.0, save=5)
    flow = flowfa.simulate(task, 2, t_end=8.0, save=5, solver="dopri5", rtol=1e-10)
    exact = last_weights(flow)
    found = last_weights(run)
    for name in ("W1", "W3"):
        deviation = np.array(
            [
                np.linalg.norm((found[name][i :: len(rates)] - exact[name]).reshape(8, -1), axis=1)
                for i in range(len(rates))
            ]
        )
        assert np.allclose(deviation[:-1] / deviation[1:], 2.0, rtol=0.04)
    assert np.array_equal(run.tree["trajectory"]["time"].values, [0.0, 2.0, 4.0, 6.0, 8.0])


def test_minibatches_are_epochs_of_a_start_whatever_its_company():
    few, many = (Minibatches(samples=7, size=3, starts=count, seed=5) for count in (1, 4))
    seen = [few.of_step(step)[0] for step in range(3 * 700)]
    for step in range(0, len(seen), 3):
        assert sorted(torch.cat(seen[step : step + 3]).tolist()) == list(range(7))
    assert all(torch.equal(many.of_step(step)[0], batch) for step, batch in enumerate(seen))
    assert not torch.equal(many.of_step(0)[0], many.of_step(0)[1])
    other = Minibatches(samples=7, size=3, starts=1, seed=6)
    assert not all(torch.equal(other.of_step(step)[0], seen[step]) for step in range(9))


def test_minibatches_of_data_of_each_start_are_of_its_own_data():
    data = flowfa.datasets.per_trajectory("gaussian", 3, seed=0, samples=6, dim=4)
    task = flowfa.Problem(data, (5,), rule=("gd", "fa"), loss="logistic")
    together = flowfa.train(task, rate=(0.2, 0.1), steps=20, batch_size=4)
    single = flowfa.Dataset(data.X[1], data.y[1], "second")
    flow = NetworkFlow(task, build_ensemble(task, 3, 0))
    alone = NetworkFlow(
        flowfa.Problem(single, (5,), rule="gd", loss="logistic"),
        build_ensemble(flowfa.Problem(single, (5,), rule="gd", loss="logistic"), 2, 0),
    )
    chosen = Minibatches(6, 4, 3, 0).of_step(0)[torch.tensor(flow.starts)]
    velocity = flow.field.on_samples(chosen)(torch.zeros(6), flow.initial)
    expected = alone.field.on_samples(chosen[:2][[1, 1]])(torch.zeros(2), alone.initial)
    one = flow.layout.views(velocity)["W2"][1]
    assert torch.allclose(one, alone.layout.views(expected)["W2"][1], rtol=1e-12)
    assert together.statuses == ["ok"] * 12


def test_magnitudes_of_brsf_are_new_at_every_step_and_signs_are_those_of_the_weights():
    task = problem("brsf")
    ensemble = build_ensemble(task, 2, 0)
    flow = NetworkFlow(task, ensemble, repeats=2)
    from flowfa.training import Redraws

    rule = step_rule(flow, TrainingSettings(rate=(0.1, 0.2)), 2, 0, Redraws(task, ensemble, 0))
    kept = [rule.redrawn(flow.field, step).groups[0].kept["M2"] for step in (0, 1, 2, 1)]
    assert torch.equal(kept[1], kept[3]) and (torch.stack(kept) >= 0.0).all()
    assert not torch.equal(kept[0], kept[1]) and not torch.equal(kept[1], kept[2])
    assert torch.equal(kept[2][0], kept[2][1]), "rates of a start see the same magnitudes"
    assert not torch.equal(kept[2][0], kept[2][2])
    with pytest.raises(InputError, match="a flow has no steps"):
        flowfa.simulate(task)


def test_states_of_every_step_are_kept_on_request():
    task = problem("fa", bias="none")
    run = flowfa.train(task, 2, rate=(0.2, 0.1), steps=30, keep_every_step=True)
    weights = torch.tensor(run.tree["weights"]["W2"].values)
    assert weights.shape[1] == 31
    flow = NetworkFlow(task, build_ensemble(task, 2, 0), repeats=2)
    rates = torch.tensor([0.2, 0.1, 0.2, 0.1], dtype=torch.float64)
    rule = StepRule(rates, torch.zeros_like(rates), torch.tensor(flow.starts))
    for stride in strides(rule, flow.field, flow.initial, 30):
        own: Tensor = flow.layout.views(stride.after)["W2"]
        assert torch.equal(weights[:, stride.step + 1], own)
    trajectory = run.tree["trajectory"].to_dataset()
    assert np.array_equal(trajectory["time"].values, np.arange(31.0))
    assert trajectory["training_time"].values[:, -1] == pytest.approx([6.0, 3.0, 6.0, 3.0])
    assert np.array_equal(
        run.tree["weights"]["snapshot_time"].values, trajectory["training_time"].values
    )


def test_rates_are_saved_at_times_that_all_of_them_meet():
    plan = plan_saves([0.1, 0.03, 0.06], Schedule(), steps=None, t_end=3.0, save=200)
    assert plan.common_times and np.allclose(plan.axis, np.arange(11) * 0.3)
    assert plan.steps[1].tolist() == list(range(0, 101, 10))
    halved = Schedule(2.0, at=(10,))
    plan = plan_saves([0.1, 0.2], halved, steps=None, t_end=2.5, save=200)
    for rate, steps, times in zip((0.1, 0.2), plan.steps, plan.times, strict=True):
        summed = np.cumsum([0.0] + [rate * halved.scale(k) for k in range(int(steps[-1]))])
        assert np.allclose(summed[steps], times, rtol=1e-12)
    with pytest.raises(InputError, match=r"choose 0\.99 or 1\.02"):
        plan_saves([0.1, 0.03], Schedule(), steps=None, t_end=1.0, save=5)
    with pytest.raises(InputError, match="never gets to"):
        plan_saves([0.1], Schedule(10.0, every=3), steps=None, t_end=1.0, save=5)


@pytest.mark.parametrize(
    ("settings", "words"),
    (
        ({"rate": 0.0}, "`rate` is 0.0"),
        ({"rate": (0.1, 0.1)}, "`rate` has 0.1 twice"),
        ({"momentum": 1.0}, "`momentum` is 1.0"),
        ({"batch_size": 13}, "`batch_size` is 13 but there are 12 samples"),
        ({"steps": 5, "t_end": 1.0}, "give one of them"),
        ({"steps": 0}, "at least 1"),
        ({"schedule": "0@10"}, "divides by 0"),
        ({"schedule": "ten"}, "unknown schedule 'ten'"),
        ({"schedule": "0.1@every:10", "steps": 4000}, "grows beyond all numbers before step"),
        ({"schedule": "1e-200@2,4", "steps": 8}, "grows beyond all numbers before step"),
        ({"schedule": "2@10,5"}, "increasing"),
        ({"t_end": 1.0, "keep_every_step": True, "rate": (0.1, 0.05)}, "give `steps` instead"),
        ({"steps": 10**11, "keep_every_step": True}, "are free: save fewer states"),
        ({"save": 1}, "`save` is 1"),
    ),
)
def test_bad_input_is_refused_in_one_line(settings, words):
    with pytest.raises(InputError, match=words) as refusal:
        flowfa.train(problem(), 2, **settings)
    assert "\n" not in str(refusal.value)


def test_schedule_that_rises_has_the_times_of_its_rates():
    schedule = Schedule.parse("0.1@every:10")
    steps = np.array([0, 5, 10, 25, 30])
    rates = 0.5 * 10.0 ** (np.arange(30) // 10)
    expected = [rates[:count].sum() for count in steps]
    np.testing.assert_allclose(schedule.times(0.5, steps), expected, rtol=1e-14)
    # Beyond the largest number, 10^308, and not an OverflowError.
    assert schedule.scale(4000) == np.inf
    assert schedule.times(0.5, np.array([10, 4000])).tolist() == [5.0, np.inf]


def test_schedule_that_rises_meets_a_time_long_before_it_overflows():
    plan = plan_saves([1e-4], Schedule.parse("0.1@every:10"), steps=None, t_end=0.011, save=3)
    assert plan.steps[0, -1] == 20
