"""A complete run continued to a later end, bit for bit as if that had been asked for at first.

The run is turned into an unfinished one with a later end, as a checkpoint beside it, and resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.files.atomic import check_place
from flowfa.files.paths import as_path
from flowfa.flow.network_flow import NetworkFlow
from flowfa.machine.device import DTYPES, find_device
from flowfa.records import Checkpoint, Recorder, checkpoint_folder, load
from flowfa.records.checksums import find_changes
from flowfa.records.layout import RecordLayout
from flowfa.settings import FlowSettings, StorageSettings, declarations, valid, validated
from flowfa.simulation.job import Job
from flowfa.simulation.provenance import attributes
from flowfa.simulation.recording import flow_observer, record_layout
from flowfa.simulation.run import Run
from flowfa.simulation.stepper import flow_stepper
from flowfa.simulation.stored import (
    check_solvers,
    stored_configuration,
    stored_observables,
    stored_problem,
)
from flowfa.simulation.times import continued_times
from flowfa.simulation.unfinished import write_outline
from flowfa.solvers.stepping.continuing import (
    NEXT_SAVE,
    counters_of,
    memory_of,
    part_name,
    prefix,
)
from flowfa.solvers.stepping.integration import Integration, Solver
from flowfa.solvers.stepping.status import Status
from flowfa.studies.notebook import shown_by
from flowfa.studies.progress import Progress

if TYPE_CHECKING:
    import xarray as xr
    from xarray import DataTree


def extend(
    run: str | Path,
    t_end: float,
    *,
    save_at: Sequence[float] | None = None,
    path: str | Path | None = None,
    overwrite: bool = False,
    checkpoint_every: float = StorageSettings.checkpoint_every,
    progress: Progress | bool | None = None,
    argv: Sequence[str] = (),
) -> Run:
    """Continue a complete run to a later end, as if it had been asked for at first.

    The result is that of one run to `t_end` with all the recorded times, bit for bit with the same
    software on the same machine: the last step that the old end cut is taken anew.
    Weights are kept at the old snapshots and at the new end. Verdicts in the file are not carried
    over. An interrupted extension goes on when it is asked for again.

    Parameters
    ----------
    run : str or Path
        Result file of `flowfa.simulate`.
    t_end : float
        The new end.
    save_at : sequence of float, optional
        The recorded times after the old end; by default in the spacing of those before. `t_end` is
        recorded too.
    path : str or Path, optional
        Where the result goes; by default it takes the place of the run.
    overwrite : bool
        Replace another file at `path`.
    checkpoint_every : float
        Seconds between checkpoints.
    progress : Progress or bool, optional
        True shows a bar, in a notebook too.
    argv : sequence of str
        The command line, for the record.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        If the run cannot be continued so, with the reason; nothing has been written then.
    Interrupted
        After SIGINT or SIGTERM; the checkpoint is kept.
    """
    source = as_path(run)
    place = source if path is None else as_path(path)
    if place != source:
        check_place(place, overwrite)
    tree = load(source)
    threads_before = torch.get_num_threads()
    try:
        torch.set_num_threads(int(tree.attrs.get("threads", threads_before)))
        extension = _Extension(tree, str(source), valid(FlowSettings, "t_end", t_end), save_at)
        job = extension.job(list(argv), shown_by(progress))
        checkpoint = Checkpoint(checkpoint_folder(place))
        if not checkpoint.exists():
            extension.write(checkpoint, job)
        return job.on_disk(place, True, True, checkpoint_every)
    finally:
        torch.set_num_threads(threads_before)


class _Extension:
    """A run read from its file, and what its continuation begins with."""

    def __init__(
        self, tree: DataTree, label: str, t_end: float, save_at: Sequence[float] | None
    ) -> None:
        self._tree, self._label = tree, label
        if tree.attrs.get("kind") == "discrete":
            raise InputError(f"{label} is discrete training, which has no flow to continue")
        self._configuration = stored_configuration(tree, label)
        if changed := find_changes(tree):
            raise InputError(f"{label}: {changed[0]}: make the run again, or use a copy")
        self._kept = self._read_kept()
        self._rows = self._kept[NEXT_SAVE].nonzero().flatten()
        known = declarations(FlowSettings)
        settings = {name: v for name, v in self._configuration.items() if name in known}
        old_times = np.asarray(self._group("trajectory")["time"].values, dtype=np.float64)
        self._old_times = old_times
        if not t_end > old_times[-1]:
            raise self._refusal(f"ends at t = {old_times[-1]:g}", "give a later `t_end`")
        self._times = continued_times(
            old_times, t_end, self._configuration["spacing"], save_at, label
        )
        columns = self._old_columns()
        self._columns = (*columns, len(self._times) - 1)
        self._new = {
            "t_end": t_end,
            "save": len(self._times),
            "save_at": self._times.tolist(),
            "spacing": "linear",
            "first_save": None,
            "snapshots": len(self._columns),
        }
        self._settings = validated(FlowSettings(**{**settings, **self._new}))
        self._refuse_what_depends_on_the_end()

    def _group(self, name: str) -> xr.Dataset:
        return self._tree.children[name].to_dataset()

    def _refusal(self, what: str, mend: str) -> InputError:
        return InputError(f"{self._label} cannot be continued as one run: it {what}; {mend}")

    def _read_kept(self) -> dict[str, Tensor]:
        if "continuation" not in self._tree.children and self._none_came_to_the_end():
            raise self._refusal(
                "has no trajectory that came to its end, all were stopped or failed before",
                "make it again with other settings",
            )
        if "continuation" not in self._tree.children:
            raise self._refusal(
                "has not kept what that takes (it was made so, by an older version, or by a solver "
                "that does not tell its steps)",
                "make it again with the later `t_end`",
            )
        group = self._group("continuation")
        kept = {
            str(name): torch.tensor(variable.values.astype(variable.attrs["stored"]))
            for name, variable in group.data_vars.items()
        }
        return kept

    def _none_came_to_the_end(self) -> bool:
        return not (self._group("solver")["status"].values.astype(str) == Status.OK.label).any()

    def _refuse_what_depends_on_the_end(self) -> None:
        """Refuse runs in which a decision took the whole time into account: chattering."""
        statuses = self._group("solver")["status"].values.astype(str)
        remedy = "make it again with the later `t_end`"
        if Status.CHATTERING.label in statuses:
            row = int(np.flatnonzero(statuses == Status.CHATTERING.label)[0])
            raise self._refusal(
                f"gave up trajectory {row} as chattering, judged by its progress through the whole "
                "time",
                remedy,
            )
        for name, values in self._kept.items():
            if name.endswith("_excused") and bool(values.any()):
                row = int(values.nonzero()[0])
                raise self._refusal(
                    f"watched trajectory {row} for chattering and let it go on, judged by its "
                    "progress through the whole time",
                    remedy,
                )

    def _old_columns(self) -> tuple[int, ...]:
        """Return the columns of the snapshots among the recorded times."""
        when = self._group("weights")["snapshot_time"].values
        snapshots = when.shape[1]
        spread = np.linspace(0, len(self._old_times) - 1, snapshots).round().astype(int)
        stored = self._configuration.get("snapshot_columns")
        return tuple(int(column) for column in (spread if stored is None else stored))

    def job(self, argv: list[str], progress: Progress | None) -> Job:
        """Return the integration to the new end; refuse one whose first steps would differ."""
        configuration, settings = self._configuration, self._settings
        problem, ensemble = stored_problem(self._tree, configuration, self._label)
        flow = NetworkFlow(problem, ensemble, find_device(settings.device), DTYPES[settings.dtype])
        observables = stored_observables(configuration, self._label)
        check_solvers(configuration, self._label)
        by_rule = configuration.get("solver_by_rule") or {}
        solver = flow_stepper(settings, configuration["solver"], by_rule)
        self._refuse_other_first_steps(flow, solver)
        return Job(
            flow=flow,
            solver=solver,
            dtype=settings.dtype,
            layout=record_layout(flow, self._times, self._columns, observables=observables),
            configuration={
                **configuration,
                **self._new,
                "snapshot_columns": list(self._columns),
            },
            argv=argv,
            progress=progress,
            observe=flow_observer(flow, observables),
        )

    def _refuse_other_first_steps(self, flow: NetworkFlow, solver: Solver) -> None:
        """Refuse a run so short that its end shortened the first steps, or of another machine."""
        memories = []
        for end in (float(self._old_times[-1]), float(self._times[-1])):
            with torch.no_grad():
                velocity = flow.field(flow.initial.new_zeros(len(flow)), flow.initial)
                sound = velocity.isfinite().all(1).nonzero().flatten()
                run = Integration.begin(flow.initial[sound], flow.initial.new_tensor([0.0, end]))
                run.memory = {"state": run.state.clone(), "time": run.time.clone()}
                run.memory["velocity"] = velocity[sound]
                solver.start(flow.field.select(sound), run)
            memories.append(run.memory)
        short, long = memories
        if any(not torch.equal(value, long[name]) for name, value in short.items()):
            raise self._refusal(
                "is so short that its end shortened the first steps",
                "make it again with the later `t_end`",
            )

    def write(self, checkpoint: Checkpoint, job: Job) -> None:
        """Write the run as an unfinished one with the later end."""
        run = self._integration(job)
        checkpoint.remove()
        recorder = Recorder(job.layout, checkpoint.folder)
        self._record(job.layout, recorder, run)
        recorder.flush()
        origin = attributes(job.argv, job.flow.initial.device)
        write_outline(checkpoint.folder, job.layout, **job.known_before_run(origin))
        notes = {
            "configuration": job.configuration,
            "threads": int(self._tree.attrs["threads"]),
            "seconds": float(self._tree.attrs["solve_seconds"]),
            "manifest": recorder.manifest(),
            "origin": origin,
        }
        checkpoint.write(run.to_arrays(), notes)

    def _integration(self, job: Job) -> Integration:
        """Return all trajectories where the end did not touch them yet."""
        flow, kept = job.flow, self._kept
        device, dtype = flow.initial.device, flow.initial.dtype
        solver = self._group("solver")
        times = torch.tensor(self._times, dtype=dtype, device=device)
        run = Integration.begin(kept["last_state"].to(device), times)
        going_on = torch.zeros(len(run.state), dtype=torch.bool)
        going_on[self._rows] = True
        for name in run.counters:
            run.counters[name] = np.where(
                going_on.numpy(), counters_of(kept, [name])[name], solver[name].values
            )
        reached = torch.tensor(solver["t_reached"].values, dtype=dtype, device=device)
        recorded = torch.searchsorted(times, reached, right=True).cpu().numpy()
        run.next_save = np.where(going_on.numpy(), kept[NEXT_SAVE].numpy(), recorded)
        run.time = torch.where(going_on.to(device), run.time, reached)
        for row in (~going_on).nonzero().flatten().tolist():
            label = str(solver["status"].values[row])
            status = next(entry for entry in Status if entry.label == label)
            message = str(solver["message"].values[row])
            run.status[row] = status
            run.detail[row] = message.removeprefix(f"{status.value} (").removesuffix(")")
            if message == status.value:
                run.detail[row] = ""
        memory = memory_of(kept, self._rows_of_parts(flow))
        run.working = self._rows.to(device)
        run.memory = {name: value.to(device) for name, value in memory.items()}
        return run

    def _rows_of_parts(self, flow: NetworkFlow) -> dict[str, Tensor]:
        """Return the trajectories that go on in each part of the run."""
        by_rule = self._configuration.get("solver_by_rule") or {}
        if not by_rule:
            return {part_name(self._configuration["solver"], flow.field.moves): self._rows}
        part_of = {
            rule.name: part_name(by_rule[rule.name], rule.moves) for rule in flow.problem.rules
        }
        parts = np.array([part_of[rule] for rule in flow.rules])[self._rows.numpy()]
        return {
            name: self._rows[torch.from_numpy(parts == name)]
            for name in dict.fromkeys(part_of.values())
            if f"{prefix(name)}state" in self._kept
        }

    def _record(self, layout: RecordLayout, recorder: Recorder, run: Integration) -> None:
        """Record what the old end had no part in."""
        trajectory, neurons = self._group("trajectory"), self._group("neurons")
        values = {
            name: (trajectory if name in trajectory.data_vars else neurons)[name].values
            for name in layout.row_shapes
        }
        weights = self._group("weights")
        old_when = weights["snapshot_time"].values
        for row in range(layout.trajectories):
            saves = np.arange(min(int(run.next_save[row]), len(self._old_times)))
            rows = np.full(len(saves), row)
            recorder.add_rows(rows, saves, {name: of[row, saves] for name, of in values.items()})
            columns = np.flatnonzero(np.isin(self._columns[:-1], saves))
            # The last snapshot of a trajectory that ended early is of another time.
            planned = self._times[np.array(self._columns)[columns]]
            columns = columns[old_when[row, columns] == planned]
            states = {name: weights[name].values[row, columns] for name in layout.weights}
            recorder.add_snapshots(
                np.full(len(columns), row), columns, states, old_when[row, columns]
            )
