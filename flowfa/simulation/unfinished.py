"""A run that is not finished, read from its checkpoint as if it were a result.

Beside the checkpoint lies the outline: what is known before the run (shapes, data, feedback). The
rest is in the checkpoint itself and in the chunks of the record. Nothing is changed, so that a run
can be looked at while it goes on.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowfa.errors import InputError
from flowfa.records import Checkpoint, Recorder, RecordLayout, build_tree, checkpoint_folder, load
from flowfa.records.arrays import DamagedError, read_arrays, write_arrays
from flowfa.records.checkpoint import OUTLINE
from flowfa.records.layout import Observed, TrainingAxes

if TYPE_CHECKING:
    from xarray import DataTree

    from flowfa.solvers.stepping.integration import Integration

UNFINISHED = "unfinished"
"""The root attribute ``status`` of a run that is not finished."""
_META = "meta.json"
_PLAIN = ("trajectories", "snapshot_columns", "layers", "weights", "feedback", "rules", "samples")
_ARRAYS = ("save_times", "neuron_layer", "neuron_index", "starts")
_AXES = tuple(entry.name for entry in dataclasses.fields(TrainingAxes))


def write_outline(
    folder: Path,
    layout: RecordLayout,
    *,
    attributes: Mapping[str, Any],
    feedback: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
) -> None:
    """Write what is known before a run into the folder of its checkpoint.

    Parameters
    ----------
    folder : Path
        There already.
    layout : RecordLayout
    attributes, feedback, data : dict
        As `flowfa.records.write_run`.

    Raises
    ------
    InputError
        If the file system refuses.
    """
    meta = {name: getattr(layout, name) for name in _PLAIN} | {"attributes": attributes}
    meta["observed"] = [dataclasses.asdict(observed) for observed in layout.observed]
    arrays = {name: getattr(layout, name) for name in _ARRAYS}
    if layout.training is not None:
        arrays |= {f"training/{name}": getattr(layout.training, name) for name in _AXES}
    arrays |= {f"feedback/{name}": np.asarray(matrix) for name, matrix in feedback.items()}
    arrays |= {f"data/{name}": np.asarray(array) for name, array in data.items()}
    arrays[_META] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    write_arrays(folder / OUTLINE, arrays)


def find_unfinished(path: str | Path) -> Path | None:
    """Return the checkpoint folder that a path names, or that of a result not yet written."""
    path = Path(path)
    folder = path if path.is_dir() else checkpoint_folder(path)
    return None if path.is_file() or not Checkpoint(folder).exists() else folder


def load_run(path: str | Path) -> DataTree:
    """Read a result, or what is recorded of a run that is not finished.

    Parameters
    ----------
    path : str or Path
        Of the result, or the folder of its checkpoint.

    Raises
    ------
    InputError
        As `flowfa.records.load`; or if the checkpoint is damaged.
    """
    folder = find_unfinished(path)
    return load(path) if folder is None else load_unfinished(folder)


def load_unfinished(folder: Path) -> DataTree:
    """Return what a checkpoint holds, laid out as a result; its ``status`` is `UNFINISHED`.

    Raises
    ------
    InputError
        If a part is missing or damaged.
    """
    # Most files that are looked at are finished, and need no torch.
    import torch

    from flowfa.solvers.stepping.integration import Integration

    arrays, meta = Checkpoint(folder).read()
    try:
        outline_arrays = read_arrays(folder / OUTLINE)
        outline = json.loads(outline_arrays.pop(_META).tobytes())
        layout = _layout(outline, outline_arrays)
        run = Integration.from_arrays(arrays, torch.device("cpu"))
        recorder = Recorder.opened(layout, folder, meta["manifest"])
        return build_tree(
            layout,
            recorder,
            attributes={
                **outline["attributes"],
                "solve_seconds": meta["seconds"],
                "status": UNFINISHED,
            },
            feedback=_with_prefix("feedback/", outline_arrays),
            data=_with_prefix("data/", outline_arrays),
            solver=_solver(run, layout),
        )
    except (DamagedError, KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"{folder} cannot be read as an unfinished run ({type(error).__name__}: {error}): "
            "finish it with `resume=True`, and give the result"
        ) from error


def _layout(outline: dict[str, Any], outline_arrays: dict[str, np.ndarray]) -> RecordLayout:
    axes = _with_prefix("training/", outline_arrays)
    return RecordLayout(
        trajectories=outline["trajectories"],
        snapshot_columns=tuple(outline["snapshot_columns"]),
        layers=outline["layers"],
        weights={name: tuple(shape) for name, shape in outline["weights"].items()},
        feedback={name: tuple(shape) for name, shape in outline["feedback"].items()},
        rules=tuple(outline["rules"]),
        samples=outline.get("samples", 0),
        training=TrainingAxes(**axes) if axes else None,
        observed=tuple(Observed(**observed) for observed in outline.get("observed", ())),
        **{name: outline_arrays[name] for name in _ARRAYS},
    )


def _with_prefix(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _solver(run: Integration, layout: RecordLayout) -> dict[str, np.ndarray]:
    """Return /solver; running trajectories have reached the last save that is recorded."""
    from flowfa.solvers.stepping.status import Status

    rows = np.arange(layout.trajectories)
    last_saved = layout.times_of_trajectories[rows, np.maximum(run.next_save - 1, 0)]
    running = np.array([status is Status.RUNNING for status in run.status])
    return {
        "status": np.array([status.label for status in run.status], dtype=object),
        "message": np.array([run.message(row) for row in range(len(rows))], dtype=object),
        **run.counters,
        "t_reached": np.where(running, last_saved, run.time.numpy().astype(np.float64)),
    }
