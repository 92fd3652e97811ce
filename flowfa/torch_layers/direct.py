"""Direct feedback alignment for sequential models."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from flowfa.errors import InputError
from flowfa.problems.rules import Rule
from flowfa.seeds import generator
from flowfa.torch_layers.layers import FEEDBACK_CLASSES
from flowfa.torch_layers.signal import DirectSignal


class DirectFeedbackSequential(nn.Sequential):
    """A sequential model whose hidden layers see D_l delta_L: the output's signal, directly.

    h_l, into which the signal goes, is what layer l + 1 gets: activations and pooling between are
    passed by their true derivative.

    Attributes
    ----------
    rule : Rule
    feedback_1, feedback_2, ... : Tensor
        Buffers: D_l, (n_l, n_L), n_l the size of h_l of one sample, flat.
    """

    rule: Rule

    @property
    def matrices(self) -> list[Tensor]:
        """D_1, ..., D_{L-1}."""
        count = len([name for name in self._buffers if name.startswith("feedback_")])
        return [cast(Tensor, self._buffers[f"feedback_{layer}"]) for layer in range(1, count + 1)]

    def forward(self, input: Tensor) -> Tensor:
        """Return the model's output."""
        *hidden_blocks, last = blocks(self)
        hidden = []
        signal = input
        for block in hidden_blocks:
            for module in block:
                signal = module(signal)
            hidden.append(signal)
            # Nothing comes back this way: the block learns from its own direct signal.
            signal = signal.detach()
        signal = last[0](signal)
        matrices = self.matrices
        for layer, (h, matrix) in enumerate(zip(hidden, matrices, strict=True), start=1):
            if h[0].numel() != matrix.shape[0] or signal.shape[1:] != matrix.shape[1:]:
                raise InputError(
                    f"hidden layer {layer} has {h[0].numel()} activations a sample and the output "
                    f"shape {tuple(signal.shape[1:])}, but feedback_{layer} is "
                    f"{tuple(matrix.shape)}: convert with an example of the inputs"
                )
        signal = cast(Tensor, DirectSignal.apply(signal, len(hidden), *hidden, *matrices))
        for module in last[1:]:
            signal = module(signal)
        return signal


def direct_feedback(
    model: nn.Sequential, rule: Rule, seed: int, example: Tensor | None
) -> DirectFeedbackSequential:
    """Turn a sequential model into its direct-feedback version; `model` is used up.

    Raises
    ------
    InputError
        If a layer is inside a module that is not sequential, or a size is not known.
    """
    parts = blocks(model)
    outputs = parts[-1][0]
    if not isinstance(outputs, nn.Linear):
        raise InputError(
            f"the last layer is {type(outputs).__name__}: direct feedback needs torch.nn.Linear, "
            "whose outputs are the delta that it sends"
        )
    sizes = _sizes(parts) if example is None else _measured_sizes(model, parts, example)
    made = DirectFeedbackSequential.__new__(DirectFeedbackSequential)
    made.__dict__.update(model.__dict__)
    made.rule = rule
    classes, weight = outputs.out_features, outputs.weight
    for layer, size in enumerate(sizes, start=1):
        stream = generator(seed, "feedback layer", "D", layer)
        matrix = math.sqrt(2.0 / (size + classes)) * stream.standard_normal((size, classes))
        made.register_buffer(f"feedback_{layer}", torch.from_numpy(matrix).to(weight))
    return made


def blocks(model: nn.Sequential) -> list[list[nn.Module]]:
    """Return the modules in order, a block for each layer with weights: the layer comes first.

    What stands before the first layer belongs to its block, at its front.

    Raises
    ------
    InputError
        If a layer is inside a module that is not sequential.
    """
    flat = in_order(model)
    places = [place for place, (_, module) in enumerate(flat) if is_layer(module)]
    if not places:
        raise InputError("the model has no torch.nn.Linear or torch.nn.Conv2d")
    starts = [*([0] if len(places) > 1 else places), *places[1:]]
    ends = [*starts[1:], len(flat)]
    return [
        [module for _, module in flat[start:end]] for start, end in zip(starts, ends, strict=True)
    ]


def in_order(model: nn.Sequential, prefix: str = "") -> list[tuple[str, nn.Module]]:
    """Return names and modules in the order in which they are applied.

    Raises
    ------
    InputError
        If a layer is inside a module that is not sequential.
    """
    flat: list[tuple[str, nn.Module]] = []
    for key, module in model.named_children():
        name = f"{prefix}{key}"
        if isinstance(module, nn.Sequential):
            flat += in_order(module, f"{name}.")
            continue
        inside = [each for each in module.modules() if each is not module and is_layer(each)]
        if inside:
            raise InputError(
                f"{name} ({type(module).__name__}) has layers inside, in an order that is not "
                "known: expected torch.nn.Sequential of plain layers"
            )
        flat.append((name, module))
    return flat


def is_layer(module: nn.Module) -> bool:
    """Return whether a module is a layer with weights, with feedback or without."""
    return isinstance(module, tuple(FEEDBACK_CLASSES))


def _sizes(parts: list[list[nn.Module]]) -> list[int]:
    sizes = []
    for block in parts[1:]:
        if not isinstance(block[0], nn.Linear):
            raise InputError(
                "direct feedback into convolutions depends on the size of the images: give an "
                "example of the inputs, convert(model, 'dfa', example=images[:1])"
            )
        sizes.append(block[0].in_features)
    return sizes


def _measured_sizes(
    model: nn.Sequential, parts: list[list[nn.Module]], example: Tensor
) -> list[int]:
    """Run the model on an example, without changing statistics of normalisation layers."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    sizes = []
    with torch.no_grad():
        signal = example
        for block in parts[:-1]:
            for module in block:
                signal = module(signal)
            sizes.append(signal[0].numel())
    for module, training in modes.items():
        module.training = training
    return sizes
