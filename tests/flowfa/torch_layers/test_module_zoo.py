"""`convert` on modules as people write them: the same outputs to the last bit, or one line."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from flowfa.errors import InputError
from flowfa.torch_layers import convert
from flowfa.torch_layers.graph import tensors_in
from tests.support.layers import EXACT, LAYERWISE, normal
from tests.support.module_zoo import ZOO, Block, Held, mlp

RULES = (*LAYERWISE, "dfa")


@pytest.fixture(autouse=True)
def _seed_of_torch():
    torch.manual_seed(0)


def made(specimen):
    module = specimen.build()
    return module if specimen.refused in ("complex weights", "meta device") else module.double()


def example_of(specimen, rule):
    convolutional = specimen.inputs.ndim == 4
    return normal(2, *specimen.inputs.shape[1:]) if convolutional and rule == "dfa" else None


def gradients(model, inputs):
    model.zero_grad()
    inputs = inputs.clone().requires_grad_()
    outputs = list(tensors_in(model(inputs)))
    sum(output.square().sum() for output in outputs).backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return outputs, {**found, "inputs": inputs.grad}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ZOO)
def test_outputs_are_the_modules_to_the_last_bit_or_one_line_says_why_not(kind, rule):
    specimen = ZOO[kind]
    told = specimen.refused or (specimen.direct if rule == "dfa" else None)
    module = made(specimen)
    if told:
        with pytest.raises(InputError, match=told) as caught:
            converted = convert(module, rule, example=example_of(specimen, rule))
            gradients(converted, specimen.inputs)
        assert "\n" not in str(caught.value)
        return
    converted = convert(module, rule, example=example_of(specimen, rule))
    with torch.no_grad():
        # The statistics of a norm are moved by each pass in training, so by the same number.
        quiet = list(tensors_in(converted(specimen.inputs)))
        for output, expected in zip(quiet, tensors_in(module(specimen.inputs)), strict=True):
            assert torch.equal(output, expected)
    outputs, found = gradients(converted, specimen.inputs)
    expected_outputs, expected = gradients(module, specimen.inputs)
    for output, wanted in zip(outputs, expected_outputs, strict=True):
        assert torch.equal(output, wanted)
    assert found.keys() == expected.keys()
    if rule == "gd":
        torch.testing.assert_close(found, expected, **EXACT)
    elif specimen.inputs.numel():
        # Negative control: a layer that had kept its plain backward pass would show here.
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
        learns_otherwise = len(layers) > 1 or rule not in ("dfa", "adafa")
        if rule != "adafa" and learns_otherwise:
            changed = "inputs" if rule != "dfa" else next(iter(expected))
            assert not torch.allclose(found[changed], expected[changed], rtol=0.05)


@pytest.mark.parametrize("rule", RULES)
def test_a_function_that_finds_the_original_by_a_global_name_is_refused_at_the_first_pass(rule):
    lost = Block().double()
    globals()["_LOST"] = lost
    lost.forward = _through_the_global
    told = r"layers of the model that was converted|another forward pass"
    with pytest.raises(InputError, match=told):
        convert(lost, rule)(normal(4, 5))


def _through_the_global(inputs):
    return globals()["_LOST"].first(inputs)


@pytest.mark.parametrize("how", ["list", "dict", "partial"])
def test_layers_held_elsewhere_have_the_same_feedback_as_those_of_the_plain_model(how):
    held = Held(how).double()
    plain = nn.Sequential(copy.deepcopy(held.fc), nn.ReLU(), copy.deepcopy(held.out))
    model, other = convert(held, "adafa"), convert(plain, "adafa")
    with torch.no_grad():
        for layer in (model.fc, model.out, other[0], other[2]):
            layer.feedback_weight.mul_(-0.5)
    _, found = gradients(model, normal(4, 5))
    _, expected = gradients(other, normal(4, 5))
    torch.testing.assert_close(list(found.values()), list(expected.values()), **EXACT)
    torch.testing.assert_close(list(held.parameters()), list(model.parameters()))
    assert held.fc.weight.grad is None


@pytest.mark.parametrize("rule", RULES)
def test_converted_models_can_be_copied_and_stored_before_and_after_a_pass(rule):
    model, inputs = convert(mlp().double(), rule), normal(4, 5)
    early = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    _, expected = gradients(model, inputs)
    _, found = gradients(early, inputs)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=0.0)
    # brsf draws at each pass, from how often it has drawn.
    late = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    torch.testing.assert_close(gradients(late, inputs)[1], gradients(model, inputs)[1])


def test_parts_of_a_model_with_direct_feedback_run_without_gradients_only():
    module = mlp().double()
    model = convert(module, "dfa")
    inputs = normal(4, 5)
    features = model[:-1]
    with torch.no_grad():
        assert torch.equal(features(inputs), module[:-1](inputs))
        assert torch.equal(model[0](inputs), module[0](inputs))
    for part in (features, model[0], model[1:]):
        with pytest.raises(InputError, match="runs outside of it"):
            part(inputs if part is not model[1:] else normal(4, 6))
    gradients(model, inputs)


def test_layers_put_into_or_taken_from_a_model_with_direct_feedback_are_noticed():
    model = convert(mlp().double(), "dfa")
    model.append(nn.Linear(3, 2).double())
    with pytest.raises(InputError, match=r"3 \(Linear\) came into the model"):
        model(normal(4, 5))
    short = convert(mlp().double(), "dfa")
    del short[2]
    with pytest.raises(InputError, match="ran 1 of its 2 layers"):
        short(normal(4, 5))


@pytest.mark.parametrize("rule", LAYERWISE)
def test_layers_put_into_a_model_after_a_pass_are_noticed(rule):
    model = convert(mlp().double(), rule)
    gradients(model, normal(4, 5))
    model.append(nn.Linear(3, 2).double())
    with pytest.raises(InputError, match=r"3 \(Linear\) came into the model"):
        model(normal(4, 5))


class OtherBranch(nn.Module):
    """Uses its weight outside of the layer in evaluation mode only."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        h = torch.relu(self.first(x))
        return self.last(h) if self.training else h @ self.last.weight.T


def test_the_branch_of_evaluation_is_inspected_too():
    model = convert(OtherBranch().double(), "fa")
    gradients(model, normal(2, 5))
    with pytest.raises(InputError, match="last"):
        gradients(model.eval(), normal(2, 5))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((None, "fa"), "`module` is None: expected a torch.nn.Module"),
        ((nn.Linear, "fa"), "expected a torch.nn.Module"),
        ((nn.Linear(2, 2), None), "`rule` is None: expected a name"),
        ((nn.Linear(2, 2), ["fa"]), "`rule` is"),
    ],
)
def test_arguments_of_another_kind_are_refused(arguments, told):
    with pytest.raises(InputError, match=told):
        convert(*arguments)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InputError, match="`seed` is"):
        convert(nn.Linear(2, 2), "fa", seed=seed)


# --- torch.func, autocast -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_functional_gradients_are_those_of_backward(rule):
    model, inputs = convert(mlp().double(), rule), normal(4, 5)
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(parameters, inputs):
        return torch.func.functional_call(model, parameters, (inputs,)).square().sum()

    if rule == "brsf":
        with pytest.raises(InputError, match=r"cannot be drawn inside torch\.func"):
            torch.func.grad(loss)(parameters, inputs)
        return
    found = torch.func.grad(loss)(parameters, inputs)
    _, expected = gradients(model, inputs)
    del expected["inputs"]
    torch.testing.assert_close(found, expected, **EXACT)
    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, inputs)
    total = {name: value.sum(0) for name, value in each.items()}
    torch.testing.assert_close(total, expected, **EXACT)


def test_functional_gradients_of_convolutions_are_those_of_backward():
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2), nn.Flatten(), nn.Linear(16, 3)
    )
    model, inputs = convert(module.double(), "fa"), normal(3, 2, 6, 6)
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(parameters, image):
        return torch.func.functional_call(model, parameters, (image[None],)).square().sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, inputs)
    _, expected = gradients(model, inputs)
    del expected["inputs"]
    total = {name: value.sum(0) for name, value in each.items()}
    torch.testing.assert_close(total, expected, **EXACT)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
@pytest.mark.parametrize("rule", ["gd", "fa", "dfa"])
@pytest.mark.parametrize("derivative", ["jvp", "second", "functional second"])
def test_derivatives_that_a_rule_does_not_have_are_refused_in_one_line(rule, derivative):
    model, inputs = convert(mlp().double(), rule), normal(4, 5).requires_grad_()
    weight = model[2].weight

    def loss(weight):
        return torch.func.functional_call(model, {"2.weight": weight}, (inputs,)).square().sum()

    def attempt():
        if derivative == "jvp":
            return torch.func.jvp(loss, (weight.detach(),), (torch.ones_like(weight),))
        if derivative == "functional second":
            once = torch.func.grad(loss)
            return torch.func.grad(lambda value: once(value).sum())(weight.detach())
        outputs = model(inputs).square().sum()
        (gradient,) = torch.autograd.grad(outputs, model[0].weight, create_graph=True)
        return gradient.square().sum().backward()

    told = "forward-mode" if derivative == "jvp" else "gradients of gradients"
    with pytest.raises(InputError, match=told) as caught:
        attempt()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rule", RULES)
def test_autocast_gives_the_outputs_and_under_gd_the_gradients_of_the_module(rule):
    module, inputs = mlp(nn.LayerNorm(6)), normal(4, 5).float()
    model = convert(module, rule)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, found = gradients(model, inputs)
        expected_outputs, expected = gradients(module, inputs)
    assert outputs[0].dtype == torch.bfloat16
    assert torch.equal(outputs[0], expected_outputs[0])
    assert all(value.dtype == torch.float32 for value in found.values())
    if rule == "gd":
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)


def test_autocast_leaves_double_precision_alone():
    module, inputs = mlp().double(), normal(4, 5)
    model = convert(module, "fa")
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(inputs), module(inputs))


@pytest.mark.filterwarnings("ignore:Complex modules are a new feature")
def test_weights_made_complex_after_conversion_are_refused():
    model = convert(mlp(), "fa").to(torch.complex64)
    with pytest.raises(InputError, match="complex weights"):
        model(normal(4, 5).to(torch.complex64))
