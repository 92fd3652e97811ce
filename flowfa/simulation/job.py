"""One integration with its record: in memory, or on disk with checkpoints."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flowfa.datasets import Dataset
from flowfa.errors import InputError
from flowfa.files.lock import sole_writer
from flowfa.flow.network_flow import NetworkFlow
from flowfa.records import (
    Checkpoint,
    Recorder,
    RecordLayout,
    build_tree,
    check_memory,
    check_output,
    checkpoint_folder,
    load,
    write_run,
)
from flowfa.records.output import size_notice
from flowfa.simulation.provenance import attributes
from flowfa.simulation.recording import Observe, Recording, kept_feedback
from flowfa.simulation.run import Run
from flowfa.simulation.unfinished import write_outline
from flowfa.solvers.stepping.integration import Integration, Solver
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from flowfa.studies.beginning import goes_on
from flowfa.studies.clock import Clock
from flowfa.studies.progress import Progress, ProgressState, state_of
from flowfa.studies.study import Kept, Session, Study

UNIT = "run"
"""Name of the only unit of work of an integration."""


@dataclass(frozen=True)
class Job:
    """Everything an integration needs.

    Attributes
    ----------
    flow : NetworkFlow
    solver : Solver
    dtype : str
    layout : RecordLayout
    configuration : dict
        The resolved configuration, stored with the run.
    argv : list of str
    progress : Progress or None
    kind : {"flow", "discrete"}
    observe : Observe or None
        As `Recording`.
    """

    flow: NetworkFlow
    solver: Solver
    dtype: str
    layout: RecordLayout
    configuration: dict[str, Any]
    argv: list[str]
    progress: Progress | None
    kind: str = "flow"
    observe: Observe | None = None

    def in_memory(self) -> Run:
        """Integrate; keep the record in memory."""
        check_memory(self.layout)
        recorder = Recorder(self.layout, None)
        run = self._begin()
        clock = Clock()
        try:
            solve(self.flow.field, run, self.solver, self.recording(recorder), self._report)
        finally:
            if self.progress is not None:
                self.progress.close()
        origin = attributes(self.argv, self.flow.initial.device)
        contents = self._finish(run, recorder, origin, clock.seconds)
        tree = build_tree(self.layout, recorder, **contents)
        return Run(tree, problem=self.flow.problem)

    def on_disk(self, path: Path, overwrite: bool, resume: bool, checkpoint_every: float) -> Run:
        """Integrate; stream the record to disk, and keep checkpoints until it is complete."""
        if not checkpoint_every > 0.0:
            raise InputError(
                f"`checkpoint_every` is {checkpoint_every}: expected a positive number of seconds"
            )
        check_output(path, overwrite or resume, None if resume else self.layout)
        if notice := size_notice(path, self.layout):
            warnings.warn(notice, stacklevel=2)
        with sole_writer(path):
            return self._alone_on_disk(path, overwrite, resume, checkpoint_every)

    def _alone_on_disk(
        self, path: Path, overwrite: bool, resume: bool, checkpoint_every: float
    ) -> Run:
        checkpoint = Checkpoint(checkpoint_folder(path))
        goes_on(
            path,
            checkpoint.folder,
            begun=checkpoint.exists(),
            resume=resume,
            overwrite=overwrite,
        )
        study = Study({UNIT: 1.0}, result=path, kept=checkpoint.folder, progress=self.progress)
        with study:
            session = study.session(
                UNIT,
                checkpoint=checkpoint,
                configuration=self.configuration,
                every=checkpoint_every,
                resume=resume,
            )
            earlier = session.restore()
            streamed = (
                self._fresh(checkpoint) if earlier is None else self._resumed(checkpoint, *earlier)
            )
            self._solve(streamed, session)
        contents = self._finish(streamed.run, streamed.recorder, streamed.origin, session.seconds)
        write_run(path, self.layout, streamed.recorder, overwrite=True, **contents)
        checkpoint.remove()
        return Run(load(path, lazy=True), path, self.flow.problem)

    def _solve(self, streamed: _Streamed, session: Session) -> None:
        """Integrate to the end; write checkpoints at intervals, and one before stopping."""

        def state_to_keep() -> Kept:
            streamed.recorder.flush()
            notes = {"manifest": streamed.recorder.manifest(), "origin": streamed.origin}
            return streamed.run.to_arrays(), notes

        def monitor(run: Integration) -> None:
            session.pause(lambda: self._state(run), state_to_keep)

        session.begin()
        if not streamed.run.memory:
            # A first checkpoint is written at once, so that a run killed early can be resumed too.
            session.keep(*state_to_keep())
        recording = self.recording(streamed.recorder)
        solve(self.flow.field, streamed.run, self.solver, recording, monitor)

    def _begin(self) -> Integration:
        times = torch.tensor(
            self.layout.save_times, dtype=self.flow.initial.dtype, device=self.flow.initial.device
        )
        return Integration.begin(self.flow.initial, times)

    def recording(self, recorder: Recorder) -> Recording:
        """Return what measures states and hands them to `recorder`."""
        return Recording(self.flow, recorder, self.layout, self.observe)

    def _state(self, run: Integration) -> ProgressState:
        training = self.layout.training
        return state_of(run, None if training is None else training.times[:, -1])

    def _report(self, run: Integration) -> None:
        """Tell the progress display, if there is one."""
        if self.progress is not None:
            self.progress.update(self._state(run))

    def _fresh(self, checkpoint: Checkpoint) -> _Streamed:
        checkpoint.remove()
        recorder = Recorder(self.layout, checkpoint.folder)
        origin = attributes(self.argv, self.flow.initial.device)
        write_outline(checkpoint.folder, self.layout, **self.known_before_run(origin))
        return _Streamed(self._begin(), recorder, origin)

    def _resumed(
        self, checkpoint: Checkpoint, arrays: dict[str, np.ndarray], notes: dict[str, Any]
    ) -> _Streamed:
        recorder = Recorder.resume(self.layout, checkpoint.folder, notes["manifest"])
        run = Integration.from_arrays(arrays, self.flow.initial.device)
        return _Streamed(run, recorder, notes["origin"])

    def known_before_run(self, origin: dict[str, Any]) -> dict[str, Any]:
        """Return what a result holds that is known before the run."""
        return {
            "attributes": {
                **origin,
                "kind": self.kind,
                "config": json.dumps(self.configuration),
                "dtype": self.dtype,
                "threads": torch.get_num_threads(),
                "seed": self.configuration["seed"],
            },
            "feedback": kept_feedback(self.flow),
            "data": _samples(self.flow.problem.data),
        }

    def _finish(
        self, run: Integration, recorder: Recorder, origin: dict[str, Any], seconds: float
    ) -> dict[str, Any]:
        """Record the last states of early ends, and return everything else a result holds."""
        early = [row for row, status in enumerate(run.status) if status is not Status.OK]
        if early:
            rows = torch.tensor(early, device=run.state.device)
            recording = self.recording(recorder)
            recording.last_states(rows, run.state[rows], run.time[rows].cpu().numpy())
        labels = [status.label for status in run.status]
        solver = {
            "status": np.array(labels, dtype=object),
            "message": np.array([run.message(row) for row in range(len(labels))], dtype=object),
            **run.counters,
            "t_reached": run.time.cpu().numpy(),
        }
        failed = sum(not status.as_asked for status in run.status)
        contents = self.known_before_run(origin)
        contents["attributes"] |= {
            "solve_seconds": seconds,
            "status": "ok" if not failed else f"{failed} of {len(labels)} ended early",
        }
        if run.kept:
            # A trajectory with nothing kept ended before, in a longer run with the same last state.
            kept = {name: value.cpu().numpy() for name, value in run.kept.items()}
            contents["continuation"] = {**kept, "last_state": run.state.cpu().numpy()}
        return {**contents, "solver": solver}


def _samples(data: Dataset) -> dict[str, np.ndarray]:
    """Return what a result holds of the data."""
    samples = {"X": data.X, "y": data.y}
    if data.sample_weights is not None:
        samples["sample_weights"] = data.sample_weights
    return samples


@dataclass(frozen=True)
class _Streamed:
    """An integration whose record goes to disk, and where the result comes from."""

    run: Integration
    recorder: Recorder
    origin: dict[str, Any]
