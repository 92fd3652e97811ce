"""Torch modules as people write them, with inputs: what `convert` has to follow or refuse."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tests.support.layers import normal

CHAIN = "direct feedback is defined for chains"
SEQUENTIAL = "is for torch.nn.Sequential"


@dataclass(frozen=True)
class Specimen:
    """A module, inputs for it, and what is said where a rule cannot be followed.

    Attributes
    ----------
    build : callable
    inputs : Tensor
    refused : str or None
        By `convert` under every rule, or at the first pass.
    direct : str or None
        The same under dfa only.
    """

    build: Callable[[], nn.Module]
    inputs: Tensor = field(default_factory=lambda: normal(4, 5))
    refused: str | None = None
    direct: str | None = None


class Residual(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:
        return input + super().forward(input)


class Doubled(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(2.0 * input)


class Block(nn.Module):
    """Two layers with functions between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 6), nn.Linear(6, 3)

    def forward(self, input: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(input)) * 1.5)


class Held(nn.Module):
    """Layers that the forward pass finds elsewhere than among its modules."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.fc, self.out = nn.Linear(5, 6), nn.Linear(6, 3)
        self.held: Any = {
            "list": [self.fc, self.out],
            "dict": {0: self.fc, 1: self.out},
            "method": [self.fc.forward, self.out.forward],
            "partial": [functools.partial(self.fc), functools.partial(self.out.__call__)],
        }[how]

    def forward(self, input: Tensor) -> Tensor:
        return self.held[1](torch.relu(self.held[0](input)))


class Modules(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(5, 5) for _ in range(3)])
        self.heads = nn.ModuleDict({"a": nn.Linear(5, 2), "b": nn.Linear(5, 2)})

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        for layer in self.layers:
            input = torch.relu(layer(input)) + input
        return {name: head(input) for name, head in self.heads.items()}


class Outside(nn.Module):
    """Uses a weight without its layer, as tied decoders do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 6)

    def forward(self, input: Tensor) -> Tensor:
        return torch.relu(self.fc(input)) @ self.fc.weight


def closure() -> nn.Module:
    model = Block()
    first = model.first

    def forward(self: nn.Module, input: Tensor) -> Tensor:
        return self.second(first(input))

    model.forward = types.MethodType(forward, model)
    return model


def bound() -> nn.Module:
    model = Block()

    def forward(self: nn.Module, input: Tensor) -> Tensor:
        return self.second(self.first(input))

    model.forward = types.MethodType(forward, model)
    return model


def patched() -> nn.Module:
    model = mlp()
    model[0].forward = types.MethodType(nn.Linear.forward, model[0])
    return model


def mlp(*more: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 6), nn.LeakyReLU(0.2), *more, nn.Linear(6, 3))


def with_shared_activation() -> nn.Module:
    act = nn.Tanh()
    return nn.Sequential(nn.Linear(5, 6), act, nn.Linear(6, 6), act, nn.Linear(6, 3), act)


def with_shared_layer() -> nn.Module:
    layer = nn.Linear(5, 5)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(5, 3))


def with_complex_weights() -> nn.Module:
    dtype = torch.complex128
    return nn.Sequential(nn.Linear(5, 6, dtype=dtype), nn.Linear(6, 3, dtype=dtype))


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 5))
    model[2].weight = model[0].weight
    return model


def hooked() -> nn.Module:
    model = mlp()
    model[0].register_forward_pre_hook(lambda module, inputs: (2.0 * inputs[0],))
    model[0].register_forward_hook(lambda module, inputs, output: output + 1.0)
    model[1].register_forward_hook(lambda module, inputs, output: output * 3.0)
    model[2].register_forward_hook(lambda module, inputs, output: output - 0.5)
    return model


def frozen() -> nn.Module:
    model = nn.Sequential(*mlp(), nn.ReLU(), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    model[2].requires_grad_(False)
    model[4].bias.requires_grad_(False)
    return model


def convolutions() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), nn.ReLU(inplace=True)),
        *(nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding="same", groups=2), nn.BatchNorm2d(4)),
        *(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(36, 3)),
    )


ZOO: dict[str, Specimen] = {
    "an activation used three times": Specimen(with_shared_activation),
    "a layer used twice": Specimen(with_shared_layer, direct="stands in the places 0, 2"),
    "a residual block in a sequence": Specimen(
        lambda: nn.Sequential(nn.Linear(5, 6), nn.ReLU(), Residual(nn.Linear(6, 6)), mlp()[2]),
        direct=CHAIN,
    ),
    "a residual block of two layers": Specimen(
        lambda: nn.Sequential(nn.Linear(5, 6), Residual(nn.Linear(6, 6), nn.Linear(6, 6))),
        direct=CHAIN,
    ),
    "a nested sequence with a forward of its own": Specimen(
        lambda: nn.Sequential(nn.Linear(5, 6), Doubled(nn.ReLU(), nn.Linear(6, 4)), nn.ReLU(),
                              nn.Linear(4, 3))
    ),
    "nested sequences": Specimen(lambda: nn.Sequential(mlp(), nn.Sequential(nn.ReLU(),
                                                       nn.Sequential(nn.Linear(3, 2))))),
    "a layer behind a norm": Specimen(lambda: nn.Sequential(nn.LayerNorm(5), nn.Linear(5, 3))),
    "a layer behind a flattening": Specimen(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), normal(4, 2, 3)
    ),
    "a single layer": Specimen(lambda: nn.Sequential(nn.Linear(5, 3))),
    "norms and dropout": Specimen(lambda: mlp(nn.LayerNorm(6), nn.Dropout(0.0))),
    "weights that are tied": Specimen(tied, refused="shares its weight with"),
    "hooks": Specimen(hooked),
    "complex weights": Specimen(
        with_complex_weights, normal(4, 5).to(torch.complex128), "complex weights"
    ),
    "no sample": Specimen(mlp, normal(0, 5)),
    "one sample without a dimension for it": Specimen(mlp, normal(5)),
    "sequences of samples": Specimen(mlp, normal(4, 2, 5), direct="convert with an example"),
    "frozen layers": Specimen(frozen),
    "functions between layers": Specimen(Block, direct=SEQUENTIAL),
    "layers in a list": Specimen(lambda: Held("list"), direct=SEQUENTIAL),
    "layers in a dictionary": Specimen(lambda: Held("dict"), direct=SEQUENTIAL),
    "bound methods of layers": Specimen(
        lambda: Held("method"), refused="holds the method forward of Linear"
    ),
    "layers in partial functions": Specimen(lambda: Held("partial"), direct=SEQUENTIAL),
    "a list and a dictionary of modules": Specimen(Modules, direct=SEQUENTIAL),
    "a forward pass that is a closure": Specimen(
        closure, refused="holds the function forward, which refers to first itself"
    ),
    "a forward pass bound to its model": Specimen(
        bound, direct="another forward pass than its class"
    ),
    "a layer with another forward pass": Specimen(
        patched, refused="another forward pass than its class"
    ),
    "a weight used outside of its layer": Specimen(
        Outside, refused="uses the weight of fc .*outside|" + SEQUENTIAL
    ),
    "the meta device": Specimen(lambda: mlp().to("meta"), refused="meta device"),
    "convolutions": Specimen(convolutions, normal(4, 2, 6, 6)),
    "one image": Specimen(
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(0), nn.Linear(64, 3)),
        normal(2, 6, 6),
    ),
    "no image": Specimen(convolutions, normal(0, 2, 6, 6)),
}  # fmt: skip
