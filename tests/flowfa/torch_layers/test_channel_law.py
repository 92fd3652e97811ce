"""C-4: what each channel of a network of layers conserves, and what breaks it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flowfa.errors import InputError
from flowfa.experiments.models import lenet, resnet18, xavier_start
from flowfa.problems.rules import SignFeedbackAlignment
from flowfa.torch_layers import (
    ChannelLaw,
    conserved_by_channel,
    convert,
    expected_channel_change,
)
from tests.support.layers import normal
from tests.support.rules import Doubled, Mixed


@pytest.fixture(autouse=True)
def _seed_of_torch():
    torch.manual_seed(0)


def positions():
    """Groups, stride and a flattening of several positions a channel, with average pooling."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 5),
        nn.ReLU(),
        nn.Linear(5, 3),
    )
    xavier_start(model, 1)
    return model


NETS = {"lenet": lambda: lenet(5, padding=1), "positions": positions}


def train(model, steps, decay=0.0, unchecked=False, rate=0.05):
    """Take SGD steps; return the first and last conserved quantities and the predicted change."""
    inputs, labels = normal(6, 3, 8, 8), torch.arange(6) % 3
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, weight_decay=decay)
    first = conserved_by_channel(model, unchecked=unchecked)
    total = {name: torch.zeros_like(value) for name, value in first.items()}
    for step in range(steps):
        rows = [step % 6, (step + 1) % 6, (step + 3) % 6]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), labels[rows]).backward()
        for name, change in expected_channel_change(
            model, rate, decay, unchecked=unchecked
        ).items():
            total[name] += change
        optimizer.step()
    last = conserved_by_channel(model, unchecked=unchecked)
    return first, last, total


@pytest.mark.parametrize(
    "rule",
    ["gd", "fa", "adafa", "signfa", "frsf", "dfa", "kolen-pollack", Mixed()],
)
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_each_channel_changes_by_the_sum_of_c_11_and_weight_decay_exactly(rule, net, decay):
    """Minibatch steps; the global average pool brings no factor."""
    model = convert(NETS[net]().double(), rule, example=normal(1, 3, 8, 8))
    first, last, total = train(model, 4, decay)
    assert len(first) == (1 if rule == "dfa" else 4 if net == "lenet" else 3)
    for name, value in first.items():
        torch.testing.assert_close(last[name] - value, total[name], rtol=1e-10, atol=1e-13)
        # Negative control: the change that is predicted is far above the tolerance.
        assert total[name].abs().max() > 1e-6
        if rule in ("fa", "adafa", "dfa") and not decay:
            assert (total[name] >= 0.0).all()


def test_what_a_step_adds_under_feedback_without_a_form_is_not_told():
    """Fault: a subclass with feedback of its own had the law of its parent."""
    model = convert(NETS["positions"](), Doubled())
    model(normal(2, 3, 8, 8).float()).sum().backward()
    with pytest.raises(InputError, match="'doubled' is not known"):
        expected_channel_change(model, 0.1)
    with pytest.raises(InputError, match="'doubled' is not known"):
        ChannelLaw(model, 0.0, 0.0)


def test_weight_decay_breaks_the_law_in_first_order_of_the_rate():
    """E-2: dC/dt = -lambda (||w_in||^2 - <w_out, b>), by a small step."""
    model = convert(lenet(5, padding=1).double(), "fa")
    first, last, _ = train(model, 1, decay=0.1, rate=1e-6)
    layer, following = model.conv1, model.conv2
    norms = layer.weight.square().sum((1, 2, 3)) + layer.bias.square()
    products = (following.weight * following.feedback_weight).sum((0, 2, 3))
    expected = -0.1 * (norms - products).detach()
    found = (last["conv1"] - first["conv1"]) / 1e-6
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_batch_norm_breaks_the_law():
    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(4, 3)),
    ).double()
    xavier_start(model, 0)
    model = convert(model, "fa")
    with pytest.raises(InputError, match=r"1 \(BatchNorm2d\) stands between 0 and 5"):
        conserved_by_channel(model)
    first, last, total = train(model, 1, unchecked=True, rate=1e-4)
    drift, predicted = last["0"] - first["0"], total["0"]
    assert (drift - predicted).abs().max() > 100.0 * predicted.abs().max()


def lenet_with_batch_norm():
    parts = []
    for module in lenet(5, padding=1):
        parts.append(module)
        if isinstance(module, nn.Conv2d):
            parts.append(nn.BatchNorm2d(module.out_channels, eps=1e-12))
    return nn.Sequential(*parts).double()


@pytest.mark.parametrize("rule", ["gd", "fa", "adafa", "signfa", "frsf"])
def test_batch_norm_breaks_the_law_by_what_its_own_scale_and_shift_gain(rule):
    """Its outputs do not change with ||w_in||, and its gamma and beta take the place of w_in."""
    scaled = SignFeedbackAlignment("xavier") if rule == "signfa" else rule
    model = convert(lenet_with_batch_norm(), scaled)
    norms = {"0": model[1], "4": model[5], "8": model[9]}
    with torch.no_grad():
        for number, norm in enumerate(norms.values()):
            norm.weight.copy_(1.0 + 0.3 * normal(len(norm.weight), key=f"gamma {number}"))
            norm.bias.copy_(0.3 * normal(len(norm.bias), key=f"beta {number}"))

    def size(norm):
        half = norm.weight.detach().square() + norm.bias.detach().square()
        return half if rule == "gd" else 0.5 * half

    before = {name: size(norm) for name, norm in norms.items()}
    first, last, _ = train(model, 1, unchecked=True, rate=1e-7)
    for name, norm in norms.items():
        drift = (last[name] - first[name]) / 1e-7
        gain = (size(norm) - before[name]) / 1e-7
        assert gain.abs().max() > 1e-3
        torch.testing.assert_close(drift, -gain, rtol=1e-3, atol=1e-6)


def test_channels_of_other_models_are_refused():
    with pytest.raises(InputError, match=r"expected torch\.nn\.Sequential"):
        conserved_by_channel(convert(resnet18(3), "fa"))
    with pytest.raises(InputError, match="convert the model first"):
        conserved_by_channel(lenet(3))
    with pytest.raises(InputError, match=r"call backward\(\)"):
        expected_channel_change(convert(lenet(3), "fa"), 0.1)
    assert conserved_by_channel(convert(lenet(3), "brsf")) == {}


class Residual(nn.Sequential):
    def forward(self, input):
        return input + super().forward(input)


class Shifted(nn.ReLU):
    def forward(self, input):
        return super().forward(input) + 1.0


def reused():
    """Return a Linear, twice in a sequence."""
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(4, 2))


def patched():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    model[1].forward = torch.tanh
    return model


UNDESCRIBED = {
    "a residual block": (
        lambda: nn.Sequential(nn.Linear(4, 4), Residual(nn.Linear(4, 4)), nn.Linear(4, 2)),
        r"1 \(Residual\) has a forward pass of its own",
    ),
    "a residual model": (
        lambda: Residual(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), "the model .*forward pass",
    ),
    "a layer used twice": (reused, "0 and 2 are one layer, used twice"),
    "another forward pass": (patched, r"1 \(ReLU\) has a forward pass of its own"),
    "an activation that breaks the law where it is used again": (
        lambda: nn.Sequential(*_behind(nn.Tanh())), r"2 \(Tanh\) stands between 1 and 3",
    ),
    "a subclass with another forward pass": (
        lambda: nn.Sequential(nn.Linear(4, 4), Shifted(), nn.Linear(4, 2)),
        r"1 \(Shifted\) stands between",
    ),
    "Linear on the width after Conv2d": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Linear(8, 3)),
        r"2 \(Linear\) is not known to read the channels of 0 \(Conv2d\)",
    ),
    "Flatten(2)": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(2), nn.Linear(64, 3)),
        r"2 \(Linear\) is not known to read",
    ),
    "a flattening of sequences": (
        lambda: nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)),
        r"3 \(Linear\) is not known to read",
    ),
    "pooling over sequences": (
        lambda: nn.Sequential(nn.Linear(8, 4), nn.MaxPool2d((1, 1)), nn.Linear(4, 3)),
        r"2 \(Linear\) is not known to read",
    ),
    "a pooling after the flattening": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.AvgPool2d(1), nn.Linear(36, 3)),
        r"3 \(Linear\) is not known to read",
    ),
}  # fmt: skip


def _behind(module):
    """Return layers with a module that stands before the first of them, too."""
    return [module, nn.Linear(4, 4), module, nn.Linear(4, 2)]


@pytest.mark.parametrize("kind", UNDESCRIBED)
def test_models_that_c_4_does_not_describe_are_refused_in_one_line(kind):
    build, told = UNDESCRIBED[kind]
    model = convert(build(), "gd")
    for ask in (conserved_by_channel, lambda model: expected_channel_change(model, 0.1)):
        with pytest.raises(InputError, match=told) as caught:
            ask(model)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=told):
        ChannelLaw(model, 0.0, 0.0)


def test_an_activation_used_twice_keeps_the_law():
    act = nn.LeakyReLU(0.1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), act, nn.Linear(5, 4), act)
    model = convert(model.append(nn.Linear(4, 3)).double(), "fa")
    first, last, total = train(model, 3)
    assert list(first) == ["1", "3"]
    for name, value in first.items():
        torch.testing.assert_close(last[name] - value, total[name], rtol=1e-10, atol=1e-13)
