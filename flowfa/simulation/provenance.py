"""Where a result came from: versions, revision, device and threads."""

from __future__ import annotations

import datetime
import functools
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from flowfa.records.attributes import SCHEMA

PACKAGES = ("flowfa", "torch", "torchdiffeq", "numpy", "scipy", "xarray", "h5netcdf")


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on.

    Looked up once, because the code that is loaded stays the same.
    """
    installed = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            installed[package] = "not installed"
    return installed


@functools.cache
def git_revision() -> str:
    """Return the commit flowfa runs from, with ``-dirty`` if changed; empty if not a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        result = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()


def device_name(device: torch.device) -> str:
    """Return the device in words, such as ``cpu`` or ``cuda:0 (NVIDIA H200)``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def attributes(argv: list[str], device: torch.device) -> dict[str, Any]:
    """Return the root attributes of a result file that say how it was made."""
    return {
        "argv": json.dumps(argv),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": json.dumps(versions()),
        "device": device_name(device),
        "git_revision": git_revision(),
        "schema": SCHEMA,
    }
