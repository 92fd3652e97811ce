"""Direct feedback alignment for sequential models."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, cast

import torch
from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.problems.rules import Rule
from flowfa.seeds import generator
from flowfa.torch_layers.direct_pass import DirectPass


class DirectFeedbackSequential(nn.Sequential):
    """A sequential model whose hidden layers see D_l delta_L: the output's signal, directly.

    h_l, into which the signal goes, is what layer l + 1 gets: activations and pooling between are
    passed by their true derivative. The forward pass is that of the modules themselves.

    Attributes
    ----------
    rule : Rule
    feedback_1, feedback_2, ... : Tensor
        Buffers: D_l, (n_l, n_L), n_l the size of h_l of one sample, flat.
    """

    rule: Rule
    shared: DirectPass

    @property
    def matrices(self) -> list[Tensor]:
        """D_1, ..., D_{L-1}."""
        count = len([name for name in self._buffers if name.startswith("feedback_")])
        return [cast(Tensor, self._buffers[f"feedback_{layer}"]) for layer in range(1, count + 1)]

    def __getitem__(self, idx: slice | int) -> Any:
        """Return a module, or some in a row as a torch.nn.Sequential without direct feedback.

        The layers of a part run without gradients only: no output tells them a signal.
        """
        if isinstance(idx, slice):
            return nn.Sequential(OrderedDict(list(self._modules.items())[idx]))
        return super().__getitem__(idx)

    def forward(self, input: Tensor) -> Tensor:
        """Return the model's output.

        Raises
        ------
        InputError
            If a size is another than the feedback's, or the layers are not a chain.
        """
        if not torch.is_grad_enabled():
            return super().forward(input)
        with self.shared.begun(self.matrices):
            output = super().forward(input)
            self.shared.check_end(self, output)
        return output


def direct_feedback(
    model: nn.Sequential, rule: Rule, seed: int, example: Tensor | None
) -> DirectFeedbackSequential:
    """Turn a sequential model into its direct-feedback version, in place.

    Raises
    ------
    InputError
        If a layer is inside a module that is not sequential or stands in two places, or a size is
        not known.
    """
    layers = [module for _, module in in_order(model) if is_layer(module)]
    names = [name for name, module in in_order(model) if is_layer(module)]
    if len(set(layers)) < len(layers):
        raise InputError(
            f"one layer stands in the places {', '.join(_twice(names, layers))}: direct feedback "
            "is defined for layers that are used once"
        )
    outputs = layers[-1]
    if not isinstance(outputs, nn.Linear):
        raise InputError(
            f"the last layer is {type(outputs).__name__}: direct feedback needs torch.nn.Linear, "
            "whose outputs are the delta that it sends"
        )
    sizes = _sizes(layers) if example is None else _measured_sizes(model, layers, example)
    model.__class__ = DirectFeedbackSequential
    converted = cast(DirectFeedbackSequential, model)
    converted.rule = rule
    converted.shared = DirectPass(layers)
    for number, layer in enumerate(layers, start=1):
        converted.shared.take(layer, number)
    classes, weight = outputs.out_features, outputs.weight
    for number, size in enumerate(sizes, start=1):
        stream = generator(seed, "feedback layer", "D", number)
        matrix = math.sqrt(2.0 / (size + classes)) * stream.standard_normal((size, classes))
        converted.register_buffer(f"feedback_{number}", torch.from_numpy(matrix).to(weight))
    return converted


def in_order(model: nn.Sequential, prefix: str = "") -> list[tuple[str, nn.Module]]:
    """Return names and modules in the order in which they are applied, each as often as it is.

    Raises
    ------
    InputError
        If a layer is inside a module that is not sequential.
    """
    flat: list[tuple[str, nn.Module]] = []
    for key, module in model._modules.items():
        name = f"{prefix}{key}"
        if module is None:
            continue
        if isinstance(module, nn.Sequential):
            flat += in_order(module, f"{name}.")
            continue
        inside = [child for child in module.modules() if child is not module and is_layer(child)]
        if inside:
            raise InputError(
                f"{name} ({type(module).__name__}) has layers inside, in an order that is not "
                "known: expected torch.nn.Sequential of plain layers"
            )
        flat.append((name, module))
    return flat


def is_layer(module: nn.Module) -> bool:
    """Return whether a module is a layer with weights, with feedback or without."""
    return isinstance(module, nn.Linear | nn.Conv2d)


def _twice(names: list[str], layers: list[nn.Module]) -> list[str]:
    return [name for name, layer in zip(names, layers, strict=True) if layers.count(layer) > 1]


def _sizes(layers: list[nn.Module]) -> list[int]:
    sizes = []
    for layer in layers[1:]:
        if not isinstance(layer, nn.Linear):
            raise InputError(
                "direct feedback into convolutions depends on the size of the images: give an "
                "example of the inputs, convert(model, 'dfa', example=images[:1])"
            )
        sizes.append(layer.in_features)
    return sizes


def _measured_sizes(model: nn.Sequential, layers: list[nn.Module], example: Tensor) -> list[int]:
    """Run the model on an example, without changing statistics of normalisation layers."""
    modes = {module: module.training for module in model.modules()}
    sizes: dict[nn.Module, int] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sizes[layer] = math.prod(inputs[0].shape[1:])

    handles = [layer.register_forward_pre_hook(note) for layer in layers[1:]]
    try:
        model.eval()
        with torch.no_grad():
            model(example)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    missing = [layer for layer in layers[1:] if layer not in sizes]
    if missing:
        raise InputError(
            f"the model does not run {len(missing)} of its layers on the example: direct feedback "
            "needs each layer once, in the order of the model"
        )
    return [sizes[layer] for layer in layers[1:]]
