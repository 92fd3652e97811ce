"""What tests of feedback layers share: rules, tolerances, numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from flowfa.seeds import generator

LAYERWISE = ("gd", "fa", "adafa", "signfa", "frsf", "brsf")
EXACT = {"rtol": 1e-12, "atol": 1e-14}


def normal(*shape: int, key: str = "tensor") -> Tensor:
    """Return Gaussian numbers, the same for the same key."""
    return torch.tensor(generator(0, "feedback layers", key).standard_normal(shape))
