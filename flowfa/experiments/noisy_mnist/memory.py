"""What to tell when the device has too little memory: how many runs would fit."""

from __future__ import annotations

import dataclasses

import torch

from flowfa.errors import InputError
from flowfa.experiments.noisy_mnist.images import RunImages
from flowfa.experiments.noisy_mnist.runs import first, train, width_job
from flowfa.experiments.noisy_mnist.settings import NoisyMnistSettings
from flowfa.machine.device_memory import begin_measuring, too_little_memory


def explain_memory(
    protocol: NoisyMnistSettings, width: int, images: RunImages, device: torch.device
) -> InputError:
    """Return the error that says how many runs would fit, measured on a step of one run."""
    opening = (
        f"out of memory on {device} at width {width}, {len(protocol.rules)} rules, "
        f"{protocol.runs} runs of {protocol.images} images"
    )
    return too_little_memory(
        opening,
        lambda: _measured(protocol, width, images, device),
        protocol.runs,
        part="run",
        smaller="choose fewer --images",
        alone="go on with --resume",
        fewer="start again with --runs {} --overwrite",
    )


def _measured(
    protocol: NoisyMnistSettings, width: int, images: RunImages, device: torch.device
) -> int:
    free, before = begin_measuring(device)
    # All runs take a step at once, so that everything but the test images grows with their number.
    one = dataclasses.replace(
        images, inputs=images.inputs[:1], labels=images.labels[:1], replaced=images.replaced[:1]
    )
    job = width_job(dataclasses.replace(protocol, runs=1, epochs=1), width, one, device)
    train(job, first(job), lambda standing: False)
    return int(free // (torch.cuda.max_memory_allocated(device) - before))
