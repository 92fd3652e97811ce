"""The networks of E-2 and E-3."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from flowfa.errors import InputError
from flowfa.experiments.models import lenet, resnet18, xavier_start


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def sizes_along(model, image):
    """Return the shape after each module of a sequential model."""
    shapes = {}
    for name, module in model.named_children():
        image = module(image)
        shapes[name] = tuple(image.shape[1:])
    return shapes


@pytest.mark.parametrize(("padding", "conv1", "conv3"), [(0, 30, 4), (1, 32, 8)])
def test_lenet_is_that_of_e_2(padding, conv1, conv3):
    model = lenet(10, padding=padding)
    found = sizes_along(model, torch.zeros(1, 3, 32, 32))
    assert found["conv1"] == (32, conv1, conv1)
    assert found["conv3"] == (128, conv3, conv3)
    assert found["pool3"] == (128, 1, 1)
    assert found["fc1"] == (256,)
    assert found["fc2"] == (10,)
    # Kernels and biases of the six lines of E-2.
    convolutions = (9 * 3 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 128 + 128)
    assert parameters(model) == convolutions + (128 * 256 + 256) + (256 * 10 + 10)
    assert [type(m) for m in model].count(nn.ReLU) == 4
    assert [type(m) for m in model].count(nn.MaxPool2d) == 2


@pytest.mark.parametrize("smallest", [(0, 18), (1, 4)])
def test_lenet_takes_the_smallest_images_it_says(smallest):
    padding, side = smallest
    model = lenet(2, channels=1, padding=padding)
    assert model(torch.zeros(2, 1, side, side)).shape == (2, 2)
    with pytest.raises(RuntimeError):
        model(torch.zeros(2, 1, side - 1, side - 1))


def test_resnet_18_has_the_published_number_of_parameters_and_layers():
    """11.69 million for 1000 classes (He et al. 2016, table 1: 18 layers with weights)."""
    model = resnet18(1000)
    assert parameters(model) == 11_689_512
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    shortcuts = [m for m in layers if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1)]
    assert len(layers) - len(shortcuts) == 18
    assert len(shortcuts) == 3


@pytest.mark.parametrize(("stem", "before_pooling"), [("imagenet", 2), ("small", 8)])
def test_stems_of_resnet_keep_or_reduce_the_size(stem, before_pooling):
    model = resnet18(10, stem=stem).eval()
    seen = {}
    model.layer4.register_forward_hook(lambda *call: seen.update(shape=call[2].shape))
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 10)
    assert seen["shape"] == (1, 512, before_pooling, before_pooling)


def test_a_block_adds_its_input():
    """With the second batch norm at zero a block of equal shapes is ReLU of its input."""
    block = resnet18(2).layer1[0].eval()
    nn.init.zeros_(block.bn2.weight)
    inputs = torch.randn(1, 64, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(inputs), inputs.relu(), rtol=0.0, atol=0.0)


def test_start_is_xaviers_and_a_function_of_the_seed():
    model, again, other = lenet(10, seed=1), lenet(10, seed=1), lenet(10, seed=2)
    assert torch.equal(model.conv3.weight, again.conv3.weight)
    assert not torch.equal(model.conv3.weight, other.conv3.weight)
    for layer, fans in ((model.conv3, 9 * (64 + 128)), (model.fc1, 128 + 256)):
        weight = layer.weight.detach()
        assert weight.std() == pytest.approx(math.sqrt(2.0 / fans), rel=0.02)
        assert abs(weight.mean()) < 0.02 * weight.std()
        assert not layer.bias.any()


def test_start_of_a_layer_does_not_depend_on_the_others():
    assert torch.equal(lenet(10).conv1.weight, lenet(50).conv1.weight)
    exact = lenet(10).double()
    xavier_start(exact, 0)
    torch.testing.assert_close(exact.conv1.weight.float(), lenet(10).conv1.weight)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: lenet(0), "classes is 0"),
        (lambda: lenet(2, padding=-1), "padding -1"),
        (lambda: resnet18(0), "classes is 0"),
        (lambda: resnet18(2, stem="smal"), "did you mean 'small'"),
    ],
)
def test_impossible_networks_are_refused(make, told):
    with pytest.raises(InputError, match=told):
        make()
