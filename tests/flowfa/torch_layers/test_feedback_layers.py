"""Feedback layers against autograd and the flow's field."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from flowfa.datasets import Dataset
from flowfa.errors import InputError
from flowfa.experiments.models import lenet, resnet18
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble
from flowfa.problems.rules import Rule, SignFeedbackAlignment
from flowfa.torch_layers import (
    DirectFeedbackSequential,
    FeedbackConv2d,
    FeedbackLinear,
    conserved_by_channel,
    convert,
    layer_alignment,
)
from tests.support.layers import EXACT, LAYERWISE, normal


@pytest.fixture(autouse=True)
def _seed_of_torch():
    torch.manual_seed(0)


def gradients(model, inputs, labels=None):
    """Return the updates that a loss leaves in .grad, and the signal into the inputs."""
    model.zero_grad()
    inputs = inputs.clone().requires_grad_()
    output = model(inputs)
    if labels is None:
        output.square().sum().backward()
    else:
        nn.functional.cross_entropy(output, labels).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}, inputs.grad


def images(model_name):
    if model_name == "lenet":
        return lenet(5, padding=1).double(), normal(4, 3, 8, 8), torch.arange(4)
    return resnet18(5, stem="small").double(), normal(4, 3, 8, 8), torch.arange(4)


LAYERS = {
    "linear": (nn.Linear(5, 4), (3, 5)),
    "linear without bias": (nn.Linear(5, 4, bias=False), (3, 5)),
    "linear on sequences": (nn.Linear(5, 4), (3, 2, 5)),
    "linear on one sample": (nn.Linear(5, 4), (5,)),
    "convolution": (nn.Conv2d(4, 6, 3), (3, 4, 7, 8)),
    "groups, stride, padding": (nn.Conv2d(4, 6, 3, 2, (1, 2), groups=2), (3, 4, 7, 8)),
    "dilation, no bias": (nn.Conv2d(4, 6, (3, 2), dilation=2, bias=False), (3, 4, 7, 8)),
    "depthwise": (nn.Conv2d(4, 8, 3, padding=1, groups=4), (3, 4, 7, 8)),
    "same padding": (nn.Conv2d(4, 6, (2, 4), padding="same", dilation=(1, 2)), (3, 4, 7, 8)),
    "valid padding": (nn.Conv2d(4, 6, 3, padding="valid"), (3, 4, 7, 8)),
    "circular padding": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), (3, 4, 7, 8)),
    "one image": (nn.Conv2d(4, 6, 3), (4, 7, 8)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kind", LAYERS)
def test_signal_is_that_of_a_layer_with_the_feedback_for_its_weight(kind):
    """Into the inputs goes autograd's signal of B; into the weight, autograd's gradient."""
    layer, shape = LAYERS[kind]
    layer = copy.deepcopy(layer).double()
    inputs = normal(*shape)
    own, _ = gradients(layer, inputs)
    converted = convert(layer, "fa")
    assert isinstance(converted, FeedbackLinear | FeedbackConv2d)
    torch.testing.assert_close(converted(inputs), layer(inputs), rtol=0.0, atol=0.0)
    with_b = copy.deepcopy(layer)
    with torch.no_grad():
        with_b.weight.copy_(converted.feedback_weight)
    # The same delta comes from the output of the layer itself: 2 z.
    through = inputs.clone().requires_grad_()
    with_b(through).backward(2.0 * layer(inputs).detach())
    found, into = gradients(converted, inputs)
    torch.testing.assert_close(found, own, **EXACT)
    torch.testing.assert_close(into, through.grad, **EXACT)
    _, backpropagated = gradients(layer, inputs)
    assert not torch.allclose(into, backpropagated, rtol=0.1)


@pytest.mark.parametrize("name", ["lenet", "resnet18"])
def test_gd_is_autograd(name):
    model, inputs, labels = images(name)
    expected, into = gradients(model, inputs, labels)
    found, found_into = gradients(convert(model, "gd"), inputs, labels)
    assert found.keys() == expected.keys()
    torch.testing.assert_close(found, expected, **EXACT)
    torch.testing.assert_close(found_into, into, **EXACT)


@pytest.mark.parametrize("rule", [*LAYERWISE[:-1], "dfa"])
@pytest.mark.parametrize("biased", [False, True])
def test_updates_are_those_of_the_flow_for_every_rule(rule, biased):
    """The field of a net with two hidden layers, cross-entropy, from the same weights and B."""
    X, y = normal(7, 6, key="X").numpy(), np.arange(7) % 3
    problem = Problem(
        Dataset(X, y), (5, 4), 0.1, rule, "cross-entropy", "all" if biased else "none", "xavier"
    )
    flow = NetworkFlow(problem, build_ensemble(problem, 1, seed=2))
    state = flow.initial + 0.2 * normal(*flow.initial.shape, key="shake")
    velocity = flow.layout.views(flow.field(torch.zeros(1), state))
    weights, kept = flow.layout.views(state), flow.field.groups[0].kept
    assert flow.layout.sizes == (6, 5, 4, 3)
    model = nn.Sequential(
        *(nn.Linear(6, 5, biased), nn.LeakyReLU(0.1), nn.Linear(5, 4, biased), nn.LeakyReLU(0.1)),
        nn.Linear(4, 3, biased),
    ).double()
    model = convert(model, rule)
    layers = [model[0], model[2], model[4]]
    with torch.no_grad():
        for number, layer in enumerate(layers, start=1):
            layer.weight.copy_(weights[f"W{number}"][0])
            if biased:
                layer.bias.copy_(weights[f"c{number}"][0])
            for letter in "BM":
                if f"{letter}{number}" in kept:
                    layer.feedback_weight.copy_(kept[f"{letter}{number}"][0].T)
            if f"D{number}" in kept:
                getattr(model, f"feedback_{number}").copy_(kept[f"D{number}"][0])
    loss = nn.functional.cross_entropy(model(torch.tensor(X)), torch.tensor(y))
    loss.backward()
    for number, layer in enumerate(layers, start=1):
        torch.testing.assert_close(layer.weight.grad, -velocity[f"W{number}"][0], **EXACT)
        if biased:
            torch.testing.assert_close(layer.bias.grad, -velocity[f"c{number}"][0], **EXACT)


def test_feedback_is_what_each_rule_says():
    model = lenet(4, padding=1).double()
    of = {rule: convert(model, rule) for rule in LAYERWISE}
    weight = model.conv2.weight.detach()
    torch.testing.assert_close(of["adafa"].conv2.feedback_weight, weight, rtol=0.0, atol=0.0)
    fixed = of["fa"].conv2.feedback_weight
    deviation = (2.0 / (9 * (32 + 64))) ** 0.5
    assert fixed.std() == pytest.approx(deviation, rel=0.02)
    assert abs(fixed.flatten().dot(weight.flatten()) / fixed.norm() / weight.norm()) < 0.03
    assert (of["frsf"].conv2.feedback_weight >= 0.0).all()
    for rule, magnitude in (("signfa", 1.0), ("frsf", of["frsf"].conv2.feedback_weight)):
        layer = of[rule].conv2
        found = layer.feedback.matrix(layer.weight, layer.feedback_weight)
        torch.testing.assert_close(found, magnitude * weight.sign(), **EXACT)
    scaled = convert(model, SignFeedbackAlignment("xavier")).conv2
    found = scaled.feedback.matrix(scaled.weight, None)
    torch.testing.assert_close(found, deviation * weight.sign(), **EXACT)


def test_feedback_stays_when_the_weights_move_and_adafa_keeps_the_start():
    model = convert(nn.Linear(3, 2).double(), "adafa")
    start = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.mul_(-3.0)
    torch.testing.assert_close(model.feedback_weight, start, rtol=0.0, atol=0.0)
    assert layer_alignment(model)[""] == pytest.approx(-1.0, abs=1e-12)


def test_brsf_draws_magnitudes_at_each_training_pass_and_repeats_them_after_loading():
    model = convert(lenet(3, padding=1).double(), "brsf")
    inputs = normal(2, 3, 4, 4)
    first, _ = gradients(model, inputs)
    stored = copy.deepcopy(model.state_dict())
    second, _ = gradients(model, inputs)
    assert not torch.allclose(first["conv1.weight"], second["conv1.weight"])
    torch.testing.assert_close(first["fc2.weight"], second["fc2.weight"], **EXACT)
    model.eval()
    gradients(model, inputs)
    assert int(model.fc1.draws) == 2
    again = convert(lenet(3, padding=1, seed=9).double(), "brsf")
    again.load_state_dict(stored)
    found, _ = gradients(again, inputs)
    torch.testing.assert_close(found, second, rtol=0.0, atol=0.0)


def test_a_graph_keeps_the_feedback_of_its_own_pass():
    """A second pass draws anew between the first one and its backward()."""
    original = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).double()
    inputs = normal(2, 3)
    alone, between = convert(original, "brsf"), convert(original, "brsf")
    alone(inputs).sum().backward()
    early = between(inputs)
    between(inputs)
    early.sum().backward()
    assert torch.equal(between[0].weight.grad, alone[0].weight.grad)
    assert not torch.equal(between[1].feedback_weight, alone[1].feedback_weight)


def test_a_rule_of_ones_own_works_in_any_model():
    class HalfFA(Rule):
        keeps = "B"

        def draw_feedback(self, weights, draw):
            return {"B2": draw("B", 2, weights[1].T.shape)}

        def feedback(self, layer, weight, kept):
            return 0.5 * (weight.transpose(-1, -2) + kept["B2"])

        def conserved(self, layer, incoming, out_weight, kept):
            out = out_weight.transpose(-1, -2)
            return 0.5 * incoming - 0.25 * (out * out).sum(-1) - 0.5 * (out * kept["B2"]).sum(-1)

    model = lenet(3, padding=1).double()
    half = convert(model, HalfFA())
    found = half.conv2.feedback.matrix(half.conv2.weight, half.conv2.feedback_weight)
    expected = 0.5 * (model.conv2.weight + convert(model, "fa").conv2.feedback_weight)
    torch.testing.assert_close(found, expected.detach(), **EXACT)
    assert conserved_by_channel(half)["conv1"].shape == (32,)


def test_converting_leaves_the_model_alone_and_keeps_parameter_names_and_training():
    model = resnet18(4, stem="small")
    before = copy.deepcopy(model.state_dict())
    converted = convert(model, "fa")
    with torch.no_grad():
        converted.fc.weight.zero_()
    torch.testing.assert_close(model.state_dict(), before, rtol=0.0, atol=0.0)
    names = [name for name, _ in converted.named_parameters()]
    assert names == [name for name, _ in model.named_parameters()]
    assert not [m for m in converted.modules() if type(m) in (nn.Linear, nn.Conv2d)]
    assert not convert(model.eval(), "gd").layer1[0].conv1.training


def test_seeds_and_names_draw_the_feedback():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    first, again, other = (convert(model, "fa", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first[0].feedback_weight, again[0].feedback_weight)
    assert not torch.equal(first[0].feedback_weight, other[0].feedback_weight)
    assert not torch.equal(first[0].feedback_weight, first[1].feedback_weight)


def test_a_layer_used_twice_stays_one_layer():
    shared = nn.Linear(3, 3)
    model = convert(nn.Sequential(shared, nn.ReLU(), shared).double(), "gd")
    assert model[0] is model[2]
    original = nn.Sequential(copy.deepcopy(shared).double(), nn.ReLU())
    original.append(original[0])
    inputs = normal(2, 3)
    torch.testing.assert_close(gradients(model, inputs)[0], gradients(original, inputs)[0], **EXACT)


def tied():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    return model


def tied_to_another():
    model = nn.Sequential(nn.Embedding(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    return model


class OwnLinear(nn.Linear):
    pass


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (nn.ReLU, "ReLU has no layer to convert"),
        (tied, r"1 \(Linear\) shares its weight with 0 \(Linear\)"),
        (tied_to_another, "uses the weight of 1"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), "Parametrized|other para"),
        (lambda: nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 3))), "from other parameters"),
        (lambda: nn.Sequential(OwnLinear(3, 3)), r"0 \(OwnLinear\) is a subclass"),
        (lambda: nn.MultiheadAttention(4, 2), "MultiheadAttention|NonDynamically"),
        (
            lambda: nn.Sequential(nn.Conv1d(2, 2, 1), nn.Linear(2, 2)),
            r"0 \(Conv1d\) has the weight",
        ),
        (lambda: nn.LazyLinear(3), "LazyLinear"),
        (lambda: convert(nn.Linear(2, 2), "fa"), "has feedback already"),
    ],
)
def test_models_that_would_not_learn_by_the_rule_are_refused_in_one_line(model, told):
    with pytest.raises(InputError, match=told) as caught:
        convert(model(), "fa")
    assert "\n" not in str(caught.value)


def test_unknown_rules_are_refused():
    with pytest.raises(InputError, match="did you mean 'adafa'"):
        convert(nn.Linear(2, 2), "adfa")


# --- direct feedback ------------------------------------------------------------------------------


def test_dfa_sends_the_output_signal_to_every_hidden_layer_of_lenet():
    model, inputs, labels = images("lenet")
    converted = convert(model, "dfa", example=inputs[:1])
    assert isinstance(converted, DirectFeedbackSequential)
    torch.testing.assert_close(converted(inputs), model(inputs), rtol=0.0, atol=0.0)
    found, _ = gradients(converted, inputs, labels)
    # By hand: what conv2 gets is D_1 delta_L, and conv1 learns from it by autograd.
    output = model(inputs).detach().requires_grad_()
    (delta,) = torch.autograd.grad(nn.functional.cross_entropy(output, labels), output)
    hidden = model[:3](inputs)
    signal = (delta @ converted.feedback_1.T).reshape(hidden.shape)
    expected = torch.autograd.grad(hidden, [*model.conv1.parameters()], signal)
    torch.testing.assert_close(found["conv1.weight"], expected[0], **EXACT)
    torch.testing.assert_close(found["conv1.bias"], expected[1], **EXACT)
    true, _ = gradients(model, inputs, labels)
    torch.testing.assert_close(found["fc2.weight"], true["fc2.weight"], **EXACT)
    assert converted.state_dict().keys() >= model.state_dict().keys()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: resnet18(3), "is for torch.nn.Sequential, not for ResNet18"),
        (lambda: lenet(3), "give an example of the inputs"),
        (lambda: nn.Sequential(nn.Conv2d(3, 3, 1)), "needs torch.nn.Linear"),
        (lambda: nn.Sequential(resnet18(3), nn.Linear(3, 3)), "has layers inside"),
    ],
)
def test_dfa_refuses_what_has_no_order_or_no_size(model, told):
    with pytest.raises(InputError, match=told):
        convert(model(), "dfa")


def test_dfa_refuses_inputs_of_another_size_than_the_example():
    converted = convert(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)), "dfa")
    with pytest.raises(InputError, match="hidden layer 1 has 12 activations"):
        converted(torch.ones(2, 4, 3))


def test_alignment_of_each_layer():
    model = lenet(3, padding=1).double()
    assert layer_alignment(convert(model, "gd"))["conv2"] == pytest.approx(1.0, abs=1e-12)
    weight = model.fc1.weight.detach()
    # P-1: cos(W, sign W) = ||W||_1 / (sqrt(entries) ||W||_F).
    expected = float(weight.abs().sum() / weight.norm() / weight.numel() ** 0.5)
    assert layer_alignment(convert(model, "signfa"))["fc1"] == pytest.approx(expected, rel=1e-12)
    direct = convert(model, "dfa", example=normal(1, 3, 8, 8))
    assert list(layer_alignment(direct)) == ["fc2"]


def test_layers_run_on_every_device(device):
    model, inputs, labels = images("lenet")
    here, _ = gradients(convert(model, "fa"), inputs, labels)
    there, _ = gradients(convert(model.to(device), "fa"), inputs.to(device), labels.to(device))
    found = {name: gradient.cpu() for name, gradient in there.items()}
    torch.testing.assert_close(found, here, rtol=1e-11, atol=1e-13)


def test_the_layers_need_nothing_of_flows_solvers_and_training():
    code = (
        "import sys, flowfa.torch_layers; "
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('flowfa.')}; "
        "assert not rooms & {'flow', 'solvers', 'training', 'simulation', 'records'}, rooms"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
