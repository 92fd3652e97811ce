"""The whole experiment: N after N, checkpoints, progress, and the result file."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from flowfa.datasets.images import ImageSet
from flowfa.errors import InputError, Interrupted
from flowfa.experiments.findings import duration
from flowfa.experiments.image_networks.images import load_splits
from flowfa.experiments.image_networks.memory import explain_memory
from flowfa.experiments.image_networks.networks import (
    OF_HIDDEN,
    OF_LAYER,
    OF_NETWORK,
    Network,
    layer_names,
)
from flowfa.experiments.image_networks.settings import ImageNetworkSettings
from flowfa.experiments.image_networks.training import make_networks, steps_per_epoch, train
from flowfa.experiments.output import open_output, remove_checkpoints
from flowfa.files.atomic import replacing
from flowfa.machine.device import find_device
from flowfa.records.checkpoint import Checkpoint, checkpoint_folder, compare_configurations
from flowfa.simulation.provenance import attributes
from flowfa.studies.interruption import StopRequest

CHECKPOINT_EPOCHS = 5

Tell = Callable[[str, float], None]
"""Told what is being done and which share of this call's work is done."""


def run_study(
    protocol: ImageNetworkSettings,
    out: str | Path,
    *,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    checkpoint_every: int = CHECKPOINT_EPOCHS,
    resume: bool = False,
    overwrite: bool = False,
    argv: Sequence[str] = (),
    tell: Tell = lambda what, share: None,
    part_done: Callable[[str], None] = lambda line: None,
) -> xr.Dataset:
    """Train all networks and write ``cifar100.nc`` or ``tiny-imagenet.nc``.

    Parameters
    ----------
    protocol : ImageNetworkSettings
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
    tell, part_done : callables
        Told of progress, and of each finished N in a line.

    Raises
    ------
    InputError
        If images are missing or too few, there is output already that may not be replaced, or
        the device has too little memory.
    Interrupted
        After a signal, when the checkpoint has been written.
    """
    place = find_device(device)
    path = Path(out) / protocol.result
    folder = checkpoint_folder(path)
    if checkpoint_every < 1:
        raise InputError(f"--checkpoint-every is {checkpoint_every}: expected at least 1 epoch")
    splits = load_splits(protocol, data_dir)
    open_output(path, folder, resume, overwrite)
    clock = _Clock(protocol, splits, tell)
    parts: list[xr.Dataset] = []
    with StopRequest() as stop:
        for classes in protocol.classes:
            keep = Checkpoint(folder / f"classes-{classes}")
            trained = None
            # Nothing is done in the handler: until it is left, the traceback keeps all networks.
            with contextlib.suppress(torch.OutOfMemoryError):
                trained = _train_part(
                    protocol, classes, splits, place, keep, checkpoint_every, resume, stop, clock
                )
            if trained is None:
                raise explain_memory(protocol, classes, splits, place)
            part, spent = trained
            parts.append(part)
            part_done(clock.line(classes, spent))
    data: xr.Dataset = xr.concat(parts, dim="classes")
    data.attrs.update(_own_attributes(protocol))
    data.attrs.update(attributes(list(argv), place))
    with replacing(path) as partial:
        data.to_netcdf(partial, engine="h5netcdf")
    remove_checkpoints(folder)
    return data


def _own_attributes(protocol: ImageNetworkSettings) -> dict[str, Any]:
    return {
        "title": protocol.title,
        "scale": protocol.scale,
        "model": protocol.model,
        "dataset": protocol.dataset,
        "protocol": json.dumps(protocol.to_json_dict()),
        "departures": json.dumps(protocol.departures),
        "dtype": protocol.dtype,
        "seed": protocol.seed,
    }


def _train_part(
    protocol: ImageNetworkSettings,
    classes: int,
    splits: tuple[ImageSet, ImageSet],
    device: torch.device,
    keep: Checkpoint,
    checkpoint_every: int,
    resume: bool,
    stop: StopRequest,
    clock: _Clock,
) -> tuple[xr.Dataset, float]:
    """Train the networks of one N to their end, and return records and seconds."""
    networks = make_networks(protocol, classes, splits, device)
    before = _begin(protocol, networks, keep, resume)
    clock.start(classes, networks)
    began, kept = time.perf_counter(), networks[0].step // steps_per_epoch(networks[0], protocol)

    def save() -> None:
        arrays = {
            f"{place} {name}": value
            for place, network in enumerate(networks)
            for name, value in network.state().items()
        }
        spent = before + time.perf_counter() - began
        keep.write(arrays, {"protocol": protocol.to_json_dict(), "solve_seconds": spent})

    def pause(epoch: int, place: int, done: int) -> None:
        nonlocal kept
        clock.at(classes, epoch, networks)
        if stop.received is not None:
            save()
            raise Interrupted(
                f"stopped at {classes} classes, epoch {epoch}; go on with the same command and "
                "--resume",
                stop.received,
            )
        if place == 0 and done == 0 and epoch - kept >= checkpoint_every:
            save()
            kept = epoch

    train(protocol, classes, networks, pause)
    save()
    spent = before + time.perf_counter() - began
    return assemble(protocol, classes, networks, spent), spent


def assemble(
    protocol: ImageNetworkSettings, classes: int, networks: Sequence[Network], seconds: float
) -> xr.Dataset:
    """Return the records of one N, variables over (classes, rule, run, [layer,] epoch)."""
    shape = (len(protocol.rules), protocol.repeats)
    by_rule = sorted(networks, key=lambda each: protocol.rules.index(each.rule))
    coords: dict[str, Any] = {
        "classes": [classes],
        "rule": list(protocol.rules),
        "run": np.arange(protocol.repeats),
        "epoch": protocol.tracked,
        "layer": layer_names(networks[0].model),
    }
    groups = [(OF_NETWORK, ()), (OF_LAYER, ("layer",))]
    if networks[0].law is not None:
        coords["hidden"] = list(networks[0].start)
        groups.append((OF_HIDDEN, ("hidden",)))
    variables: dict[str, Any] = {}
    for meanings, inner in groups:
        for name, meaning in meanings.items():
            values = np.stack([each.records[name] for each in by_rule])
            variables[name] = (
                ("classes", "rule", "run", *inner, "epoch"),
                values.reshape(1, *shape, *values.shape[1:]),
                {"long_name": meaning},
            )
    diverged = np.array([each.diverged for each in by_rule]).reshape(1, *shape)
    meaning = "epoch in which the loss was not finite, -1 if it always was"
    variables["diverged"] = (("classes", "rule", "run"), diverged, {"long_name": meaning})
    count = len(networks[0].images.train)
    variables["train_images"] = (("classes",), [count])
    variables["test_images"] = (("classes",), [len(networks[0].images.test)])
    variables["solve_seconds"] = (("classes",), [seconds], {"units": "s"})
    return xr.Dataset(variables, coords)


def _begin(
    protocol: ImageNetworkSettings, networks: Sequence[Network], keep: Checkpoint, resume: bool
) -> float:
    """Restore the networks if there is a checkpoint; return the seconds spent before."""
    if not (resume and keep.exists()):
        return 0.0
    arrays, meta = keep.read()
    compare_configurations(meta["protocol"], protocol.to_json_dict(), set())
    for place, network in enumerate(networks):
        opening = f"{place} "
        network.restore(
            {n.removeprefix(opening): a for n, a in arrays.items() if n.startswith(opening)}
        )
    return float(meta["solve_seconds"])


class _Clock:
    """Counts the work of one call, in images seen, and guesses what is left."""

    def __init__(
        self, protocol: ImageNetworkSettings, splits: tuple[ImageSet, ImageSet], tell: Tell
    ) -> None:
        self._protocol, self._tell = protocol, tell
        each = protocol.images or len(splits[0]) / splits[0].classes
        networks = len(protocol.rules) * protocol.repeats
        # In images: the time of a step goes by them.
        self._of_epoch = {n: n * each * networks for n in protocol.classes}
        self._left = protocol.epochs * sum(self._of_epoch.values())
        self._done, self._began, self._place = 0.0, time.perf_counter(), 0.0

    def start(self, classes: int, networks: Sequence[Network]) -> None:
        """Begin an N; what an earlier call did is no work of this one."""
        self._place = self._epochs(networks)
        self._left -= self._place * self._of_epoch[classes]

    def at(self, classes: int, epoch: int, networks: Sequence[Network]) -> None:
        """Note that the networks of an N have come so far."""
        here = self._epochs(networks)
        moved = (here - self._place) * self._of_epoch[classes]
        self._place, self._done, self._left = here, self._done + moved, self._left - moved
        share = self._done / max(self._done + self._left, 1.0)
        self._tell(f"{classes} classes, epoch {epoch} of {self._protocol.epochs}", share)

    def line(self, classes: int, spent: float) -> str:
        """Say how long an N took, and how long the others will."""
        rest = (self._protocol.epochs - self._place) * self._of_epoch[classes]
        self._done, self._left = self._done + rest, self._left - rest
        line = f"{classes} classes: {self._protocol.epochs} epochs in {duration(spent)}"
        if self._left > 1.0 and self._done > 0.0:
            elapsed = time.perf_counter() - self._began
            line += f"; about {duration(elapsed * self._left / self._done)} left"
        return line

    def _epochs(self, networks: Sequence[Network]) -> float:
        """Return the mean number of epochs that the networks have behind them."""
        steps = steps_per_epoch(networks[0], self._protocol)
        return float(np.mean([network.step for network in networks])) / steps
