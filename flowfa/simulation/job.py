"""One integration with its record: in memory, or on disk with checkpoints."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flowfa.errors import InputError, Interrupted
from flowfa.flow.network_flow import NetworkFlow
from flowfa.records import (
    Checkpoint,
    Recorder,
    RecordLayout,
    build_tree,
    check_memory,
    check_output,
    checkpoint_folder,
    compare_configurations,
    write_run,
)
from flowfa.simulation.provenance import attributes
from flowfa.simulation.recording import Observe, Recording, kept_feedback
from flowfa.simulation.run import Run
from flowfa.simulation.unfinished import write_outline
from flowfa.solvers.stepping.integration import Integration, Solver
from flowfa.solvers.stepping.solve import solve
from flowfa.solvers.stepping.status import Status
from flowfa.studies.interruption import StopRequest
from flowfa.studies.progress import Progress, tell


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
        began = time.monotonic()
        try:
            solve(self.flow.field, run, self.solver, self.recording(recorder), self.report)
        finally:
            self._close()
        origin = attributes(self.argv, self.flow.initial.device)
        contents = self._finish(run, recorder, origin, time.monotonic() - began)
        return Run(build_tree(self.layout, recorder, **contents))

    def on_disk(self, path: Path, overwrite: bool, resume: bool, checkpoint_every: float) -> Run:
        """Integrate; stream the record to disk, and keep checkpoints until it is complete."""
        if not checkpoint_every > 0.0:
            raise InputError(
                f"`checkpoint_every` is {checkpoint_every}: expected a positive number of seconds"
            )
        session = self._resumed(path) if resume else self._fresh(path, overwrite)
        try:
            with StopRequest() as stop:
                try:
                    session.solve(self, stop, checkpoint_every)
                except KeyboardInterrupt:
                    raise session.interrupted(path, stop.received or 2) from None
        finally:
            self._close()
        contents = self._finish(
            session.run, session.recorder, session.origin, session.seconds_so_far()
        )
        write_run(path, self.layout, session.recorder, overwrite=True, **contents)
        session.checkpoint.remove()
        return Run.open(path)

    def _begin(self) -> Integration:
        times = torch.tensor(
            self.layout.save_times, dtype=self.flow.initial.dtype, device=self.flow.initial.device
        )
        return Integration.begin(self.flow.initial, times)

    def recording(self, recorder: Recorder) -> Recording:
        """Return what measures states and hands them to `recorder`."""
        return Recording(self.flow, recorder, self.layout, self.observe)

    def report(self, run: Integration) -> None:
        """Tell the progress display, if there is one."""
        if self.progress is not None:
            training = self.layout.training
            tell(run, self.progress, None if training is None else training.times[:, -1])

    def _close(self) -> None:
        if self.progress is not None:
            self.progress.close()

    def _fresh(self, path: Path, overwrite: bool) -> _Session:
        checkpoint = Checkpoint(checkpoint_folder(path))
        check_output(path, overwrite, self.layout)
        if checkpoint.exists():
            if not overwrite:
                raise InputError(
                    f"there is an unfinished run of {path}: continue it with `resume=True`, or "
                    "drop it with `overwrite=True`"
                )
            checkpoint.remove()
        recorder = Recorder(self.layout, checkpoint.folder)
        origin = attributes(self.argv, self.flow.initial.device)
        write_outline(checkpoint.folder, self.layout, **self._known(origin))
        return _Session(self._begin(), recorder, checkpoint, self.configuration, origin, 0.0)

    def _resumed(self, path: Path) -> _Session:
        checkpoint = Checkpoint(checkpoint_folder(path))
        if not checkpoint.exists():
            state = "is complete" if path.exists() else "was never begun"
            raise InputError(
                f"there is nothing to resume: {path} {state} (no {checkpoint.folder}); leave out "
                "`resume`"
            )
        arrays, meta = checkpoint.read()
        compare_configurations(meta["configuration"], self.configuration, ignore=set())
        # The same number of threads, for the same rounding in every matrix product.
        torch.set_num_threads(meta["threads"])
        recorder = Recorder.resume(self.layout, checkpoint.folder, meta["manifest"])
        run = Integration.from_arrays(arrays, self.flow.initial.device)
        return _Session(
            run, recorder, checkpoint, self.configuration, meta["origin"], meta["seconds"]
        )

    def _known(self, origin: dict[str, str]) -> dict[str, Any]:
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
            "data": {"X": self.flow.problem.data.X, "y": self.flow.problem.data.y},
        }

    def _finish(
        self, run: Integration, recorder: Recorder, origin: dict[str, str], seconds: float
    ) -> dict[str, Any]:
        """Record the last states of failures, and return everything else a result holds."""
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
        failed = len(early)
        known = self._known(origin)
        known["attributes"] |= {
            "solve_seconds": seconds,
            "status": "ok" if not failed else f"{failed} of {len(labels)} ended early",
        }
        return {**known, "solver": solver}


class _Session:
    """A run on disk between two interruptions: the integration and what its checkpoint needs."""

    def __init__(
        self,
        run: Integration,
        recorder: Recorder,
        checkpoint: Checkpoint,
        configuration: dict[str, Any],
        origin: dict[str, str],
        seconds: float,
    ) -> None:
        self.run = run
        self.recorder = recorder
        self.checkpoint = checkpoint
        self.configuration = configuration
        self.origin = origin
        self._earlier = seconds
        self._began = time.monotonic()

    def seconds_so_far(self) -> float:
        """Return the seconds of solving, interruptions left out."""
        return self._earlier + time.monotonic() - self._began

    def solve(self, job: Job, stop: StopRequest, checkpoint_every: float) -> None:
        """Integrate to the end, writing a checkpoint now and then and before stopping."""
        written = time.monotonic()
        if not self.run.memory:
            # From the very first moment there is something to resume from.
            self._write()

        def monitor(run: Integration) -> None:
            nonlocal written
            job.report(run)
            if stop.received is not None:
                self._write()
                raise KeyboardInterrupt
            if time.monotonic() - written >= checkpoint_every:
                self._write()
                written = time.monotonic()

        solve(job.flow.field, self.run, job.solver, job.recording(self.recorder), monitor)

    def interrupted(self, path: Path, signal_number: int) -> Interrupted:
        """Return the error that says what was kept."""
        return Interrupted(
            f"stopped; {self.checkpoint.folder} is kept: give the same settings with "
            f"`resume=True` to continue {path}",
            signal_number,
        )

    def _write(self) -> None:
        self.recorder.flush()
        self.checkpoint.write(
            self.run.to_arrays(),
            {
                "configuration": self.configuration,
                "manifest": self.recorder.manifest(),
                "threads": torch.get_num_threads(),
                "origin": self.origin,
                "seconds": self.seconds_so_far(),
            },
        )
