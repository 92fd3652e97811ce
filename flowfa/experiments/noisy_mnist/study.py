"""The whole experiment: width after width, checkpoints, progress, and the result file."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from flowfa.errors import InputError, Interrupted
from flowfa.experiments.findings import duration
from flowfa.experiments.noisy_mnist.flows import Flows, flow_times, integrate
from flowfa.experiments.noisy_mnist.images import RunImages, draw_images
from flowfa.experiments.noisy_mnist.measures import OF_EACH_FLOW, RECORDED, RECORDED_OF_FLOW
from flowfa.experiments.noisy_mnist.memory import explain_memory
from flowfa.experiments.noisy_mnist.runs import (
    Standing,
    WidthJob,
    first,
    restored,
    train,
    width_job,
)
from flowfa.experiments.noisy_mnist.settings import NoisyMnistSettings
from flowfa.experiments.output import open_output, remove_checkpoints
from flowfa.files.atomic import replacing
from flowfa.machine.device import find_device
from flowfa.records.checkpoint import Checkpoint, checkpoint_folder, compare_configurations
from flowfa.simulation.provenance import attributes
from flowfa.solvers.stepping.integration import Integration
from flowfa.studies.interruption import StopRequest

RESULT = "noisy-mnist.nc"
CHECKPOINT_EPOCHS = 100
CHECKPOINT_SECONDS = 60.0
"""Between two checkpoints of a flow."""

Tell = Callable[[str, float], None]
"""Told what is being done and which share of this call's work is done."""


def run_study(
    protocol: NoisyMnistSettings,
    out: str | Path,
    *,
    data_dir: str | Path | None = None,
    device: str = "cpu",
    checkpoint_every: int = CHECKPOINT_EPOCHS,
    resume: bool = False,
    overwrite: bool = False,
    argv: Sequence[str] = (),
    tell: Tell = lambda what, share: None,
    width_done: Callable[[str], None] = lambda line: None,
) -> xr.Dataset:
    """Train all widths and write ``noisy-mnist.nc``.

    Parameters
    ----------
    protocol : NoisyMnistSettings
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
    tell, width_done : callables
        Told of progress, and of each finished width in a line.

    Raises
    ------
    InputError
        If images are missing, there is output already that may not be replaced, or the device has
        too little memory.
    Interrupted
        After a signal, when the checkpoint has been written.
    """
    place = find_device(device)
    path = Path(out) / RESULT
    folder = checkpoint_folder(path)
    if checkpoint_every < 1:
        raise InputError(f"--checkpoint-every is {checkpoint_every}: expected at least 1 epoch")
    images = draw_images(protocol, data_dir)
    open_output(path, folder, resume, overwrite)
    clock = _Clock(protocol, tell)
    records, seconds, flows, flow_seconds = [], [], {}, {}
    with StopRequest() as stop:
        for width in protocol.widths:
            keep = Checkpoint(folder / f"width-{width}")
            trained = None
            # Nothing is done in the handler: until it is left, the traceback keeps all networks.
            with contextlib.suppress(torch.OutOfMemoryError):
                trained = _train_width(
                    protocol, width, images, place, keep, checkpoint_every, resume, stop, clock
                )
            if trained is None:
                raise explain_memory(protocol, width, images, place)
            standing, spent = trained
            records.append(standing.records)
            seconds.append(spent)
            width_done(clock.line(f"width {width}: {protocol.epochs} epochs", spent))
            if width in protocol.flow_widths:
                keep = Checkpoint(folder / f"width-{width}-flows")
                flows[width], flow_seconds[width] = _integrate_width(
                    protocol, width, images, standing.state.cpu(), keep, resume, stop, clock
                )
                count = protocol.runs * len(protocol.rules)
                width_done(clock.line(f"width {width}: {count} flows", flow_seconds[width]))
    data = assemble(protocol, records, seconds, flows)
    spent = [flow_seconds.get(width, 0.0) for width in protocol.widths]
    data["flow_seconds"] = (("width",), np.array(spent), {"units": "s"})
    data.attrs.update(attributes(list(argv), place))
    with replacing(path) as partial:
        data.to_netcdf(partial, engine="h5netcdf")
    remove_checkpoints(folder)
    return data


def assemble(
    protocol: NoisyMnistSettings,
    records: Sequence[dict[str, np.ndarray]],
    seconds: Sequence[float],
    flows: Mapping[int, Flows],
) -> xr.Dataset:
    """Return the result of all widths, each variable (width, rule, run, epoch).

    Where a width was not integrated as flows, theirs are NaN.
    """
    shape = (len(protocol.rules), protocol.runs, len(protocol.tracked))
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {
        name: (
            ("width", "rule", "run", "epoch"),
            np.stack([each[name].reshape(shape) for each in records]),
            {"long_name": meaning},
        )
        for name, meaning in RECORDED.items()
    }
    variables["solve_seconds"] = (("width",), np.array(seconds), {"units": "s"})
    rows = shape[0] * shape[1]
    each = [flows.get(width, Flows.begin(rows, shape[2])) for width in protocol.widths]
    for name, source in RECORDED_OF_FLOW.items():
        variables[name] = (
            ("width", "rule", "run", "epoch"),
            np.stack([own.records[name].reshape(shape) for own in each]),
            {"long_name": f"of the flow: {RECORDED[source]}"},
        )
    for name, meaning in OF_EACH_FLOW.items():
        values = [getattr(own, name.removeprefix("flow_")).reshape(shape[:2]) for own in each]
        variables[name] = (("width", "rule", "run"), np.stack(values), {"long_name": meaning})
    return xr.Dataset(
        variables,
        coords={
            "width": list(protocol.widths),
            "rule": list(protocol.rules),
            "run": np.arange(protocol.runs),
            "epoch": protocol.tracked,
            "time": ("epoch", flow_times(protocol)),
        },
        attrs={
            "title": protocol.title,
            "scale": protocol.scale,
            "protocol": json.dumps(protocol.to_json_dict()),
            "departures": json.dumps(protocol.departures),
            "dtype": protocol.dtype,
            "seed": protocol.seed,
        },
    )


def _train_width(
    protocol: NoisyMnistSettings,
    width: int,
    images: RunImages,
    device: torch.device,
    keep: Checkpoint,
    checkpoint_every: int,
    resume: bool,
    stop: StopRequest,
    clock: _Clock,
) -> tuple[Standing, float]:
    """Train one width to its end, and return it with the seconds that it took."""
    job = width_job(protocol, width, images, device)
    standing, before = _begin(job, keep, resume)
    clock.start(width, standing.epoch)
    began, kept = time.perf_counter(), standing.epoch

    def save(standing: Standing) -> None:
        nonlocal kept
        spent = before + time.perf_counter() - began
        keep.write(
            standing.to_arrays(), {"protocol": protocol.to_json_dict(), "solve_seconds": spent}
        )
        kept = standing.epoch

    def pause(standing: Standing) -> bool:
        clock.at(width, standing.epoch)
        if stop.received is not None:
            save(standing)
            raise Interrupted(
                f"stopped at width {width}, epoch {standing.epoch}; go on with the same command "
                "and --resume",
                stop.received,
            )
        if standing.epoch - kept >= checkpoint_every:
            save(standing)
        return False

    standing = train(job, standing, pause)
    clock.at(width, standing.epoch)
    save(standing)
    return standing, before + time.perf_counter() - began


def _integrate_width(
    protocol: NoisyMnistSettings,
    width: int,
    images: RunImages,
    ends: torch.Tensor,
    keep: Checkpoint,
    resume: bool,
    stop: StopRequest,
    clock: _Clock,
) -> tuple[Flows, float]:
    """Integrate the flows of one width, and return them with the seconds that they took."""
    job = width_job(protocol, width, images, computed=torch.float64)
    flows, before = Flows.begin(len(job.initial), len(protocol.tracked)), 0.0
    if resume and keep.exists():
        arrays, meta = keep.read()
        compare_configurations(meta["protocol"], protocol.to_json_dict(), set())
        flows, before = Flows.from_arrays(arrays), float(meta["solve_seconds"])
    began = kept = time.perf_counter()
    end = float(flow_times(protocol)[-1])

    def save() -> None:
        nonlocal kept
        kept = time.perf_counter()
        spent = before + kept - began
        keep.write(flows.to_arrays(), {"protocol": protocol.to_json_dict(), "solve_seconds": spent})

    def tell(flows: Flows, run: Integration) -> None:
        here = float(run.memory["time"][0]) if len(run.working) else end
        which = f"width {width}, flow {flows.done + 1} of {len(job.initial)}, t = {here:.3g}"
        clock.at_flow(width, which, (flows.done + here / end) / len(job.initial))
        if stop.received is not None:
            save()
            raise Interrupted(
                f"stopped at {which}; go on with the same command and --resume", stop.received
            )
        if time.perf_counter() - kept >= CHECKPOINT_SECONDS:
            save()

    clock.start_flows(width, flows.done / len(job.initial))
    flows = integrate(job, ends, flows, tell)
    save()
    return flows, before + time.perf_counter() - began


def _begin(job: WidthJob, keep: Checkpoint, resume: bool) -> tuple[Standing, float]:
    if not (resume and keep.exists()):
        return first(job), 0.0
    arrays, meta = keep.read()
    compare_configurations(meta["protocol"], job.protocol.to_json_dict(), set())
    return restored(job, arrays), float(meta["solve_seconds"])


class _Clock:
    """Counts the work of one call and guesses what is left.

    The unit is an epoch of all runs of a width of one neuron; from neuron to neuron the work grows
    by a thirtieth of it, and all flows of a width take about as long as its steps do.
    """

    def __init__(self, protocol: NoisyMnistSettings, tell: Tell) -> None:
        self._protocol = protocol
        self._tell = tell
        self._done = 0.0
        every = (*protocol.widths, *protocol.flow_widths)
        self._left = float(sum(_effort(width) for width in every)) * protocol.epochs
        self._began = time.perf_counter()
        self._epoch = 0.0

    def start(self, width: int, epoch: float) -> None:
        """Begin a width at an epoch; what an earlier call did is no work of this one."""
        self._left -= _effort(width) * epoch
        self._epoch = epoch

    def at(self, width: int, epoch: int) -> None:
        """Note that the steps of a width have reached an epoch."""
        self._move(width, epoch)
        self._show(f"width {width}, epoch {epoch} of {self._protocol.epochs}")

    def start_flows(self, width: int, share: float) -> None:
        """Begin the flows of a width, a share of which is done."""
        self.start(width, share * self._protocol.epochs)

    def at_flow(self, width: int, which: str, share: float) -> None:
        """Note which share of the flows of a width is done."""
        self._move(width, share * self._protocol.epochs)
        self._show(which)

    def line(self, what: str, spent: float) -> str:
        """Say how long something took, and how long the rest will."""
        text = f"{what} in {duration(spent)}"
        if self._left > 0.5 and self._done > 0:
            elapsed = time.perf_counter() - self._began
            text += f"; about {duration(elapsed * self._left / self._done)} left"
        return text

    def _move(self, width: int, epoch: float) -> None:
        moved = _effort(width) * (epoch - self._epoch)
        self._epoch, self._done, self._left = epoch, self._done + moved, self._left - moved

    def _show(self, what: str) -> None:
        self._tell(what, self._done / max(self._done + self._left, 1.0))


def _effort(width: int) -> float:
    return 1.0 + width / 30.0
