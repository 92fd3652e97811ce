"""Xavier's start for torch models, by keyed random streams."""

from __future__ import annotations

import math

import torch
from torch import nn

from flowfa.seeds import generator


def xavier_start(model: nn.Module, seed: int) -> None:
    """Draw the weights of all linear layers and convolutions anew; biases become zero.

    Entries are N(0, 2 / (fan_in + fan_out)) (Glorot & Bengio 2010), a kernel's positions counting
    in both. Each layer draws by its name, so that a layer's weights do not depend on the others.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place. Normalisation layers keep their ones and zeros.
    seed : int
    """
    with torch.no_grad():
        for name, layer in model.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                weight = layer.weight
                positions = math.prod(weight.shape[2:])
                deviation = math.sqrt(2.0 / ((weight.shape[0] + weight.shape[1]) * positions))
                stream = generator(seed, "weights", name)
                drawn = torch.from_numpy(deviation * stream.standard_normal(tuple(weight.shape)))
                weight.copy_(drawn.to(weight))
                if layer.bias is not None:
                    layer.bias.zero_()
