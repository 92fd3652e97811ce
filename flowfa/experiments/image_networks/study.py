"""The whole experiment: N after N, checkpoints, progress, and the result file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from flowfa.datasets.images import ImageSet
from flowfa.errors import InputError
from flowfa.experiments.image_networks.images import load_splits
from flowfa.experiments.image_networks.memory import fitting_repeats, shortage
from flowfa.experiments.image_networks.networks import (
    OF_HIDDEN,
    OF_LAYER,
    OF_NETWORK,
    Network,
    layer_names,
)
from flowfa.experiments.image_networks.settings import ImageNetworkSettings
from flowfa.experiments.image_networks.training import make_networks, steps_per_epoch, train
from flowfa.machine.device import find_device
from flowfa.machine.device_memory import within_memory
from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.records.checkpoint import Checkpoint, checkpoint_folder
from flowfa.records.dataset_file import write_dataset
from flowfa.simulation.provenance import attributes
from flowfa.studies.beginning import open_output
from flowfa.studies.parts import remove_checkpoints
from flowfa.studies.progress import Progress, ProgressState
from flowfa.studies.study import Kept, Session, Study

CHECKPOINT_EPOCHS = 5


@in_chosen_threads
def run_study(
    settings: ImageNetworkSettings,
    out: str | Path,
    *,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    checkpoint_every: int = CHECKPOINT_EPOCHS,
    resume: bool = False,
    overwrite: bool = False,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    unit_done: Callable[[str], None] | None = None,
) -> xr.Dataset:
    """Train all networks and write ``cifar100.nc`` or ``tiny-imagenet.nc``.

    Parameters
    ----------
    settings : ImageNetworkSettings
    out : path
        Folder of the result; made unless it is there.
    data_dir : path, optional
        The folder of image sets; by default that in FLOWFA_DATA.
    device : str
        Where to compute.
    checkpoint_every : int
        Epochs between two checkpoints.
    resume : bool
        Go on from the checkpoint in `out`: to the same result, bit for bit.
    overwrite : bool
        Replace a result, or drop a checkpoint, that is there.
    argv : sequence of str
        The command line, for the record.
    progress : Progress, optional
    unit_done : callable, optional
        Called with a line of text when an N is done.

    Raises
    ------
    InputError
        If images are missing or too few, there is output already that may not be replaced, or
        the device has too little memory.
    Interrupted
        After a signal, when the checkpoint has been written.
    """
    torch_device = find_device(device)
    path = Path(out) / settings.result
    folder = checkpoint_folder(path)
    if checkpoint_every < 1:
        raise InputError(f"`checkpoint_every` is {checkpoint_every}: expected at least 1 epoch")
    splits = load_splits(settings, data_dir)
    with open_output(path, folder, resume, overwrite) as go_on:
        # The time of a step is proportional to the number of images, thus to that of classes.
        efforts = {_unit(classes): float(classes) for classes in settings.classes}
        study = Study(efforts, result=path, kept=folder, progress=progress, unit_done=unit_done)
        by_classes: list[xr.Dataset] = []
        with study:
            for classes in settings.classes:
                session = study.session(
                    _unit(classes),
                    checkpoint=Checkpoint(folder / _unit(classes)),
                    configuration=settings.to_json_dict(),
                    every=checkpoint_every,
                    resume=go_on,
                )
                records = within_memory(
                    partial(_train_part, settings, classes, splits, torch_device, session),
                    shortage(settings, classes, torch_device),
                    partial(fitting_repeats, settings, classes, splits, torch_device),
                )
                by_classes.append(records)
                session.finish(f"{classes} classes: {settings.epochs} epochs")
        data: xr.Dataset = xr.concat(by_classes, dim="classes")
        data.attrs.update(_attributes_of(settings))
        data.attrs.update(attributes(list(argv), torch_device))
        write_dataset(data, path)
        remove_checkpoints(folder)
        return data


def _attributes_of(settings: ImageNetworkSettings) -> dict[str, Any]:
    return {
        "title": settings.title,
        "scale": settings.scale,
        "model": settings.model,
        "dataset": settings.dataset,
        "protocol": json.dumps(settings.to_json_dict()),
        "departures": json.dumps(settings.departures),
        "dtype": settings.dtype,
        "seed": settings.seed,
    }


def _train_part(
    settings: ImageNetworkSettings,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device,
    session: Session,
) -> xr.Dataset:
    """Train the networks of one N to their end, and return their records."""
    networks = make_networks(settings, classes, splits, device)
    kept = session.restore()
    if kept is not None:
        _restore(networks, kept[0])

    def share() -> float:
        """Return the mean share of their epochs that the networks have behind them."""
        steps = settings.epochs * steps_per_epoch(networks[0], settings)
        return float(np.mean([network.step for network in networks])) / steps

    def keep() -> Kept:
        arrays = {
            f"{index} {name}": value
            for index, network in enumerate(networks)
            for name, value in network.state().items()
        }
        return arrays, {}

    def pause(epoch: int, index: int, done: int) -> None:
        doing = f"{classes} classes, epoch {epoch} of {settings.epochs}"
        session.pause(lambda: ProgressState(share(), doing), keep, at=epoch)

    session.begin(share(), at=networks[0].step // steps_per_epoch(networks[0], settings))
    train(settings, classes, networks, pause)
    session.keep(*keep())
    return assemble(settings, classes, networks, session.seconds)


def assemble(
    settings: ImageNetworkSettings, classes: int, networks: Sequence[Network], seconds: float
) -> xr.Dataset:
    """Return the records of one N, variables over (classes, rule, run, [layer,] epoch)."""
    shape = (len(settings.rules), settings.repeats)
    by_rule = sorted(networks, key=lambda network: settings.rules.index(network.rule))
    coords: dict[str, Any] = {
        "classes": [classes],
        "rule": list(settings.rules),
        "run": np.arange(settings.repeats),
        "epoch": settings.tracked,
        "layer": layer_names(networks[0].model),
    }
    groups = [(OF_NETWORK, ()), (OF_LAYER, ("layer",))]
    if networks[0].law is not None:
        coords["hidden"] = list(networks[0].start)
        groups.append((OF_HIDDEN, ("hidden",)))
    variables: dict[str, Any] = {}
    for meanings, inner in groups:
        for name, meaning in meanings.items():
            values = np.stack([network.records[name] for network in by_rule])
            variables[name] = (
                ("classes", "rule", "run", *inner, "epoch"),
                values.reshape(1, *shape, *values.shape[1:]),
                {"long_name": meaning},
            )
    diverged = np.array([network.diverged for network in by_rule]).reshape(1, *shape)
    meaning = "epoch in which the loss was not finite, -1 if it always was"
    variables["diverged"] = (("classes", "rule", "run"), diverged, {"long_name": meaning})
    count = len(networks[0].images.train)
    variables["train_images"] = (("classes",), [count])
    variables["test_images"] = (("classes",), [len(networks[0].images.test)])
    variables["solve_seconds"] = (("classes",), [seconds], {"units": "s"})
    return xr.Dataset(variables, coords)


def _restore(networks: Sequence[Network], arrays: Mapping[str, np.ndarray]) -> None:
    for index, network in enumerate(networks):
        opening = f"{index} "
        network.restore(
            {n.removeprefix(opening): a for n, a in arrays.items() if n.startswith(opening)}
        )


def _unit(classes: int) -> str:
    return f"classes-{classes}"
