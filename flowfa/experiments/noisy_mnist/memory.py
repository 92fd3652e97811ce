"""How many runs fit into a device's memory, and what to choose if not all do."""

from __future__ import annotations

import dataclasses

import torch

from flowfa.experiments.noisy_mnist.images import RunImages
from flowfa.experiments.noisy_mnist.runs import first, train, width_job
from flowfa.experiments.noisy_mnist.settings import NoisyMnistSettings
from flowfa.machine.device_memory import Shortage, measure_fitting


def shortage(settings: NoisyMnistSettings, width: int, device: torch.device) -> Shortage:
    """Return what the error says when the runs of a width do not fit."""
    return Shortage(
        f"out of memory on {device} at width {width}, {len(settings.rules)} rules, "
        f"{settings.runs} runs of {settings.images} images",
        settings.runs,
        part="run",
        smaller="choose fewer `images`",
        alone="go on with `resume=True`",
        fewer="start again with `runs={}` and `overwrite=True`",
    )


def fitting_runs(
    settings: NoisyMnistSettings, width: int, images: RunImages, device: torch.device
) -> int:
    """Return how many runs of a width fit, measured on a step of one."""
    # All runs take a step at once, so that everything but the test images grows with their number.
    one = dataclasses.replace(
        images, inputs=images.inputs[:1], labels=images.labels[:1], replaced=images.replaced[:1]
    )
    of_one = dataclasses.replace(settings, runs=1, epochs=1)
    return measure_fitting(
        device,
        lambda: width_job(of_one, width, one, device),
        lambda job: train(job, first(job), lambda standing: False),
        one_by_one=False,
    )
