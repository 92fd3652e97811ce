"""The folder of a sweep: its plan, and a file for each cell that is done or has failed.

Files are there whole or not at all, and say everything: any process, on any machine that sees the
folder, knows from them what is left to do.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from flowfa.errors import InputError
from flowfa.files.atomic import make_folder, reason, replacing
from flowfa.files.lock import BusyError, lock_path, sole_writer
from flowfa.sweeps.inputs import refuse_changed
from flowfa.sweeps.plan import Cell, Plan, code_digest

PLAN = "plan.json"
SOLVER, ERROR, MEMORY = "solver", "error", "memory"
"""Kinds of failures: trajectories that did not reach the end, and cells without a result."""


@dataclass(frozen=True)
class Counts:
    """How many cells of a sweep are in which state.

    Attributes
    ----------
    done, running, failed, missing : int
        A cell whose solver failed has a file and counts as failed; one whose file is damaged is
        missing, since it is computed again.
    damaged : tuple of Cell
        Cells whose file is damaged, among the missing or running.
    """

    done: int
    running: int
    failed: int
    missing: int
    damaged: tuple[Cell, ...] = ()

    @property
    def cells(self) -> int:
        """All cells."""
        return self.done + self.running + self.failed + self.missing


class SweepFolder:
    """Where a sweep is kept.

    Parameters
    ----------
    path : str or Path
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.cells, self.failed = self.path / "cells", self.path / "failed"

    def begin(self, plan: Plan) -> None:
        """Make the folder, and store the plan; cells that are there stay.

        Raises
        ------
        InputError
            If something else is in its place, or the file system refuses.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is no folder: choose another `out`")
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / PLAN).exists():
            raise InputError(
                f"{self.path} has files in it and is no folder of a sweep: choose another `out`"
            )
        if not self.path.absolute().parent.is_dir():
            raise InputError(
                f"there is no folder {self.path.parent}: create it, or choose another `out`"
            )
        for folder in (self.path, self.cells, self.failed):
            make_folder(folder)
        with replacing(self.path / PLAN) as partial:
            partial.write_text(json.dumps(plan.to_json_dict()), encoding="utf-8")

    def plan(self, same_code: bool = False) -> Plan:
        """Return the plan.

        Parameters
        ----------
        same_code : bool
            Refuse a plan that was made for another version of the code, or for files of data,
            starts and own code that have changed since.

        Raises
        ------
        InputError
            If there is none, or it is damaged.
        """
        file = self.path / PLAN
        if not file.is_file():
            raise InputError(
                f"{self.path} is no folder of a sweep (no {PLAN}): give one that flowfa sweep made"
            )
        try:
            plan = Plan.from_json_dict(json.loads(file.read_text(encoding="utf-8")))
        except (
            *(OSError, ValueError, KeyError),
            *(TypeError, AttributeError, RecursionError),
        ) as error:
            raise InputError(
                f"{file} is damaged ({reason(error)}): give the sweep file again, with this folder"
            ) from error
        if same_code and plan.code != code_digest(plan.check):
            raise InputError(
                f"{self.path} was begun by another version of flowfa or of a library: begin again "
                "with the sweep file, which keeps the old cells and makes new ones"
            )
        if same_code:
            refuse_changed(map(Path, plan.files), plan.files)
        return plan

    def file(self, cell: Cell) -> Path:
        """Return where the result of a cell is, or will be."""
        return self.cells / f"{cell.digest}.nc"

    def has(self, cell: Cell) -> bool:
        """Return whether a cell has a result."""
        return self.file(cell).exists()

    def fail(self, cell: Cell, kind: str, message: str) -> None:
        """Note that a cell failed, and why."""
        with replacing(self._failure_file(cell)) as partial:
            document = {"kind": kind, "message": message, "cell": cell.title}
            partial.write_text(json.dumps(document), encoding="utf-8")

    def failure(self, cell: Cell) -> dict[str, Any] | None:
        """Return the kind and the message of the failure of a cell; None if it has not failed."""
        try:
            document = json.loads(self._failure_file(cell).read_text(encoding="utf-8"))
            return {"kind": str(document["kind"]), "message": str(document["message"])}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            return {"kind": ERROR, "message": f"its message is damaged ({reason(error)})"}

    def forget_failures(self, plan: Plan, kinds: tuple[str, ...] = (ERROR, MEMORY)) -> int:
        """Let cells without a result be tried again; return how many."""
        forgotten = 0
        for cell in self.failed_cells(plan):
            failure = self.failure(cell)
            if failure is not None and failure["kind"] in kinds:
                self._failure_file(cell).unlink(missing_ok=True)
                forgotten += 1
        return forgotten

    def damaged(self, plan: Plan) -> list[Cell]:
        """Return the cells whose file is no whole HDF5 file, as after a copy that was cut off.

        What is damaged within a whole file shows only when it is read, by its checksums.
        """
        names = self._names(self.cells)
        return [
            cell
            for cell in plan.cells
            if f"{cell.digest}.nc" in names and _is_cut_off(self.file(cell))
        ]

    def forget_damaged(self, plan: Plan) -> list[Path]:
        """Let cells be computed again whose file is damaged; return the files, which are removed.

        Raises
        ------
        InputError
            If they may not be removed.
        """
        files = []
        for cell in self.damaged(plan):
            file = self.file(cell)
            try:
                file.unlink(missing_ok=True)
                # Of a cell whose solver failed, so that it is tried again.
                self._failure_file(cell).unlink(missing_ok=True)
            except OSError as error:
                raise InputError(
                    f"{file} is damaged and cannot be removed ({reason(error)}): give permission"
                ) from error
            files.append(file)
        return files

    def failed_cells(self, plan: Plan) -> list[Cell]:
        """Return the cells that have failed, in the order of the plan."""
        names = self._names(self.failed)
        return [cell for cell in plan.cells if f"{cell.digest}.json" in names]

    def left(self, plan: Plan) -> list[Cell]:
        """Return the cells that are neither done nor failed, in the order of the plan."""
        done, failed = self._names(self.cells), self._names(self.failed)
        return [
            cell
            for cell in plan.cells
            if f"{cell.digest}.nc" not in done and f"{cell.digest}.json" not in failed
        ]

    def being_computed(self, plan: Plan) -> list[Cell]:
        """Return the cells that some process holds the lock of."""
        locks = self._names(self.cells)
        held = []
        for cell in plan.cells:
            if lock_path(self.file(cell)).name not in locks:
                continue
            try:
                with sole_writer(self.file(cell)):
                    pass
            # Who may not write there cannot ask the lock, and believes that its file is held.
            except (BusyError, OSError):
                held.append(cell)
        return held

    def counts(self, plan: Plan) -> Counts:
        """Return how many cells are in which state."""
        found = tuple(self.damaged(plan))
        damaged = {cell.digest for cell in found}
        left = {cell.digest for cell in self.left(plan)} | damaged
        running = len([cell for cell in self.being_computed(plan) if cell.digest in left])
        failed = len([cell for cell in self.failed_cells(plan) if cell.digest not in damaged])
        done = len(plan.cells) - len(left) - failed
        return Counts(done, running, failed, len(left) - running, found)

    def seconds_left(self, plan: Plan) -> float | None:
        """Return how long the rest will take, from when the last cells were done."""
        times = []
        for cell in plan.cells:
            with contextlib.suppress(OSError):
                times.append(self.file(cell).stat().st_mtime)
        times = sorted(times)[-100:]
        left = len(self.left(plan))
        if len(times) < 2 or not left:
            return None
        return left * (times[-1] - times[0]) / (len(times) - 1)

    def _failure_file(self, cell: Cell) -> Path:
        return self.failed / f"{cell.digest}.json"

    @staticmethod
    def _names(folder: Path) -> set[str]:
        return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


def _is_cut_off(file: Path) -> bool:
    """Return whether a file can be read but is no whole HDF5 file; takes 0.3 ms."""
    try:
        with file.open("rb") as stream:
            stream.read(1)
    except OSError:
        # It is gone, or the file system refuses, which says nothing of what is in it.
        return False
    try:
        # Below the usual interface of h5py, because that takes several times as long.
        h5py.h5f.open(str(file).encode(), h5py.h5f.ACC_RDONLY).close()
    except (OSError, RuntimeError):
        return True
    return False
