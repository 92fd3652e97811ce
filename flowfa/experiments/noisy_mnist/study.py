"""The whole experiment: width after width, checkpoints, progress, and the result file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from flowfa.errors import InputError
from flowfa.experiments.noisy_mnist.flows import Flows, flow_times, integrate
from flowfa.experiments.noisy_mnist.images import RunImages, draw_images
from flowfa.experiments.noisy_mnist.measures import OF_EACH_FLOW, RECORDED, RECORDED_OF_FLOW
from flowfa.experiments.noisy_mnist.memory import fitting_runs, shortage
from flowfa.experiments.noisy_mnist.runs import (
    Standing,
    first,
    restored,
    train,
    width_job,
)
from flowfa.experiments.noisy_mnist.settings import NoisyMnistSettings
from flowfa.machine.device import find_device
from flowfa.machine.device_memory import within_memory
from flowfa.machine.thread_scope import in_chosen_threads
from flowfa.records.checkpoint import Checkpoint, checkpoint_folder
from flowfa.records.dataset_file import write_dataset
from flowfa.simulation.provenance import attributes
from flowfa.solvers.stepping.integration import Integration
from flowfa.studies.beginning import open_output
from flowfa.studies.parts import remove_checkpoints
from flowfa.studies.progress import Progress, ProgressState
from flowfa.studies.study import Session, Study

RESULT = "noisy-mnist.nc"
CHECKPOINT_EPOCHS = 100
CHECKPOINT_SECONDS = 60.0
"""Between two checkpoints of a flow."""


@in_chosen_threads
def run_study(
    settings: NoisyMnistSettings,
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
    """Train all widths and write ``noisy-mnist.nc``.

    Parameters
    ----------
    settings : NoisyMnistSettings
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
        Called with a line of text when the steps or the flows of a width are done.

    Raises
    ------
    InputError
        If images are missing, there is output already that may not be replaced, or the device has
        too little memory.
    Interrupted
        After a signal, when the checkpoint has been written.
    """
    torch_device = find_device(device)
    path = Path(out) / RESULT
    folder = checkpoint_folder(path)
    if checkpoint_every < 1:
        raise InputError(f"`checkpoint_every` is {checkpoint_every}: expected at least 1 epoch")
    images = draw_images(settings, data_dir)
    with open_output(path, folder, resume, overwrite) as go_on:
        study = Study(
            _efforts(settings), result=path, kept=folder, progress=progress, unit_done=unit_done
        )
        records, seconds, flows, flow_seconds = [], [], {}, {}

        def session_of(unit: str, every: float) -> Session:
            return study.session(
                unit,
                checkpoint=Checkpoint(folder / unit),
                configuration=settings.to_json_dict(),
                every=every,
                resume=go_on,
            )

        with study:
            for width in settings.widths:
                session = session_of(_steps(width), checkpoint_every)
                standing = within_memory(
                    partial(_train_width, settings, width, images, torch_device, session),
                    shortage(settings, width, torch_device),
                    partial(fitting_runs, settings, width, images, torch_device),
                )
                records.append(standing.records)
                seconds.append(session.seconds)
                session.finish(f"width {width}: {settings.epochs} epochs")
                if width in settings.flow_widths:
                    session = session_of(_flows(width), CHECKPOINT_SECONDS)
                    ends = standing.state.cpu()
                    flows[width] = _integrate_width(settings, width, images, ends, session)
                    flow_seconds[width] = session.seconds
                    count = settings.runs * len(settings.rules)
                    session.finish(f"width {width}: {count} flows")
        data = assemble(settings, records, seconds, flows)
        spent = [flow_seconds.get(width, 0.0) for width in settings.widths]
        data["flow_seconds"] = (("width",), np.array(spent), {"units": "s"})
        data.attrs.update(attributes(list(argv), torch_device))
        write_dataset(data, path)
        remove_checkpoints(folder)
        return data


def assemble(
    settings: NoisyMnistSettings,
    records: Sequence[dict[str, np.ndarray]],
    seconds: Sequence[float],
    flows: Mapping[int, Flows],
) -> xr.Dataset:
    """Return the result of all widths, each variable (width, rule, run, epoch).

    Where a width was not integrated as flows, theirs are NaN.
    """
    shape = (len(settings.rules), settings.runs, len(settings.tracked))
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {
        name: (
            ("width", "rule", "run", "epoch"),
            np.stack([of_width[name].reshape(shape) for of_width in records]),
            {"long_name": meaning},
        )
        for name, meaning in RECORDED.items()
    }
    variables["solve_seconds"] = (("width",), np.array(seconds), {"units": "s"})
    rows = shape[0] * shape[1]
    flows_by_width = [flows.get(width, Flows.begin(rows, shape[2])) for width in settings.widths]
    for name, source in RECORDED_OF_FLOW.items():
        variables[name] = (
            ("width", "rule", "run", "epoch"),
            np.stack([of_width.records[name].reshape(shape) for of_width in flows_by_width]),
            {"long_name": f"of the flow: {RECORDED[source]}"},
        )
    for name, meaning in OF_EACH_FLOW.items():
        values = [
            getattr(of_width, name.removeprefix("flow_")).reshape(shape[:2])
            for of_width in flows_by_width
        ]
        variables[name] = (("width", "rule", "run"), np.stack(values), {"long_name": meaning})
    return xr.Dataset(
        variables,
        coords={
            "width": list(settings.widths),
            "rule": list(settings.rules),
            "run": np.arange(settings.runs),
            "epoch": settings.tracked,
            "time": ("epoch", flow_times(settings)),
        },
        attrs={
            "title": settings.title,
            "scale": settings.scale,
            "protocol": json.dumps(settings.to_json_dict()),
            "departures": json.dumps(settings.departures),
            "dtype": settings.dtype,
            "seed": settings.seed,
        },
    )


def _train_width(
    settings: NoisyMnistSettings,
    width: int,
    images: RunImages,
    device: torch.device,
    session: Session,
) -> Standing:
    """Train one width to its end."""
    job = width_job(settings, width, images, device)
    kept = session.restore()
    standing = first(job) if kept is None else restored(job, kept[0])
    session.begin(standing.epoch / settings.epochs, at=standing.epoch)

    def pause(standing: Standing) -> bool:
        epoch = standing.epoch
        doing = f"width {width}, epoch {epoch} of {settings.epochs}"
        session.pause(
            lambda: ProgressState(epoch / settings.epochs, doing),
            lambda: (standing.to_arrays(), {}),
            at=epoch,
        )
        return False

    standing = train(job, standing, pause)
    session.keep(standing.to_arrays())
    return standing


def _integrate_width(
    settings: NoisyMnistSettings,
    width: int,
    images: RunImages,
    ends: torch.Tensor,
    session: Session,
) -> Flows:
    """Integrate the flows of one width."""
    job = width_job(settings, width, images, computed=torch.float64)
    kept, count = session.restore(), len(job.initial)
    if kept is None:
        flows = Flows.begin(count, len(settings.tracked))
    else:
        flows = Flows.from_arrays(kept[0])
    end = float(flow_times(settings)[-1])

    def tell(flows: Flows, run: Integration) -> None:
        def state() -> ProgressState:
            time = float(run.memory["time"][0]) if len(run.working) else end
            doing = f"width {width}, flow {flows.done + 1} of {count}, t = {time:.3g}"
            return ProgressState((flows.done + time / end) / count, doing)

        session.pause(state, lambda: (flows.to_arrays(), {}))

    session.begin(flows.done / count)
    flows = integrate(job, ends, flows, tell)
    session.keep(flows.to_arrays())
    return flows


def _efforts(settings: NoisyMnistSettings) -> dict[str, float]:
    """Return the work of all units: the steps of each width, and the flows of some.

    The work of a width is 1 + width / 30 units; all flows of a width take about as long as its
    steps do.
    """
    steps = {_steps(width): 1.0 + width / 30.0 for width in settings.widths}
    return steps | {_flows(width): 1.0 + width / 30.0 for width in settings.flow_widths}


def _steps(width: int) -> str:
    return f"width-{width}"


def _flows(width: int) -> str:
    return f"width-{width}-flows"
