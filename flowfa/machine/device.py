"""The device and the floating point type that settings name."""

from __future__ import annotations

import torch

from flowfa.errors import InputError

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def name_of(value: object) -> object:
    """Return the name of a `torch.device` or a `torch.dtype`, and anything else as it is."""
    # Callers may give objects of torch, but records hold names.
    if isinstance(value, torch.device | torch.dtype):
        return str(value).removeprefix("torch.")
    return value


def find_device(name: str) -> torch.device:
    """Return the device called `name`.

    Raises
    ------
    InputError
        If it is unknown, or this machine has no such device.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"unknown device {name!r}: expected cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"the device {name!r} has no float64: expected cpu, cuda or cuda:N")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(
            f'the device {name!r} is not there (CUDA devices found: {count}): use `device="cpu"`'
        )
    return device
