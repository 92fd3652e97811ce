"""A finished run: its record and short answers about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowfa.documents.display import html_table, one_line
from flowfa.errors import InputError
from flowfa.files.paths import as_path
from flowfa.records import load, save_tree, series_labels, weights_decay
from flowfa.records.names import CONDITION_LABELS
from flowfa.solvers.stepping.status import Status

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

    from flowfa.problems import Problem

_SHOWN = {
    "loss": "loss",
    "accuracy": "accuracy",
    "alignment": "alignment",
    "conservation_drift": "C-1 drift",
    "steps": "steps",
}
_NOTE = "Medians over trajectories at the end; C-1 drift: the worst of all times and neurons."


class Run:
    """The record of an integration.

    Parameters
    ----------
    tree : xarray.DataTree
        Laid out as docs/reference/file-format.md says.
    path : Path, optional
        The file it is stored in.
    problem : Problem, optional
        What was integrated, as long as it is at hand.

    Attributes
    ----------
    tree : xarray.DataTree
    path : Path or None
    problem : Problem or None
        With the rules and the loss of the run themselves, which need not be registered for a check
        of it; None for a run that was read from a file.
    """

    def __init__(
        self, tree: xarray.DataTree, path: Path | None = None, problem: Problem | None = None
    ) -> None:
        self.tree = tree
        self.path = path
        self.problem = problem

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a result file; values are read when they are asked for."""
        return cls(load(path, lazy=True), as_path(path))

    @property
    def statuses(self) -> list[str]:
        """How each trajectory ended: ``ok``, ``chattering``, ..."""
        return [str(label) for label in self._group("solver")["status"].values]

    @property
    def threads(self) -> int:
        """The number of CPU threads that the run was computed with."""
        return int(self.tree.attrs["threads"])

    def _group(self, name: str) -> xarray.Dataset:
        return self.tree.children[name].to_dataset()

    def __repr__(self) -> str:
        """Return in a line what was run, how the trajectories ended, and where the file is."""
        facts = {
            "trajectories": _counted(series_labels(self._group("trajectory")).tolist(), " x "),
            "statuses": _counted(self.statuses, " "),
            "end": f"to t = {self._group('solver')['t_reached'].values.max():g}",
            "threads": f"{self.threads} thread{'s' if self.threads > 1 else ''}",
            "file": "in memory" if self.path is None else str(self.path),
        }
        return one_line("Run", facts)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the main numbers of the summary, by rule."""
        header = ("rule", "ended", *_SHOWN.values())
        summary = self.summary()
        rows = [
            (
                rule,
                ", ".join(f"{count} {status}" for status, count in entry["statuses"].items()),
                *("-" if entry[name] is None else f"{entry[name]:.4g}" for name in _SHOWN),
            )
            for rule, entry in summary["rules"].items()
        ]
        messages = dict.fromkeys(
            failure["message"] for failure in (*summary["failures"], *summary["stopped"])
        )
        return html_table(repr(self), header, rows, " ".join([*messages, _NOTE]))

    def plot(
        self,
        *names: str,
        panels: Sequence[str] | None = None,
        ax: Any = None,
        style: str = "screen",
    ) -> Figure:
        """Draw the run: the default figure, parts of it, or variables over time.

        Parameters
        ----------
        *names : str
            Variables, as `flowfa.plots.panel_of` draws them.
        panels, ax, style
            As `flowfa.plots.overview`.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it; `flowfa.plots.save` writes it to a file.

        Raises
        ------
        InputError
            If the run lacks what is drawn, or both variables and parts are named.
        """
        from flowfa import plots

        if names and panels is not None:
            raise InputError("variables and `panels` are both given: name one of them")
        if names:
            return plots.panel_of(self, *names, ax=ax, style=style)
        return plots.overview(self, panels=panels, ax=ax, style=style)

    @property
    def failed(self) -> bool:
        """Whether a solver got neither to the end nor to a condition; divergence is a result."""
        results = ("ok", Status.DIVERGED.label, *CONDITION_LABELS)
        return any(label not in results for label in self.statuses)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the record to a file, atomically.

        Raises
        ------
        InputError
            If there is a file already and `overwrite` is False, or it cannot be written.
        """
        path = as_path(path)
        save_tree(self.tree, path, overwrite)
        self.path = path

    def summary(self) -> dict[str, Any]:
        """Return the main numbers by rule, JSON-ready: medians over trajectories at the end.

        Returns
        -------
        dict
            ``rules``: for each rule (with rate and momentum, where there are several) the number
            of trajectories, their statuses, the medians of the last finite ``loss``,
            ``accuracy``, ``alignment`` (output layer), and the factors of Eq. (1), the worst
            ``conservation_drift`` (C-1; None with weight decay), and the medians of the counters.
            ``failures``: message and trajectories, for each message; ``stopped``: the same of
            trajectories that a condition stopped.
        """
        trajectory, solver = self._group("trajectory"), self._group("solver")
        rules = series_labels(trajectory)
        result: dict[str, Any] = {"rules": {}, "failures": [], "stopped": []}
        for rule in dict.fromkeys(rules.tolist()):
            rows = np.flatnonzero(rules == rule)
            statuses = [self.statuses[i] for i in rows]
            entry: dict[str, Any] = {
                "trajectories": len(rows),
                "statuses": {label: statuses.count(label) for label in dict.fromkeys(statuses)},
            }
            for name in ("loss", "accuracy", "cosine", "gradient_norm", "update_norm"):
                entry[name] = _median(_last_finite(trajectory[name].values[rows]))
            entry["alignment"] = _median(_last_finite(trajectory["alignment"].values[rows, :, -1]))
            drift = trajectory["conservation_drift"].values[rows]
            # With weight decay it is no drift from a law.
            lawful = _any(drift) and not weights_decay(self.tree)
            entry["conservation_drift"] = _number(np.nanmax(drift)) if lawful else None
            for name in ("steps", "rejected", "evaluations"):
                counts = solver[name].values[rows].astype(float)
                # Solvers that do not count record -1.
                entry[name] = _median(np.where(counts < 0, np.nan, counts))
            result["rules"][rule] = entry
        messages = [str(message) for message in solver["message"].values]
        for row, message in enumerate(messages):
            if self.statuses[row] != "ok":
                stopped = self.statuses[row] in CONDITION_LABELS
                result["stopped" if stopped else "failures"].append(
                    {
                        "trajectory": row,
                        "rule": str(rules[row]),
                        "status": self.statuses[row],
                        "t_reached": float(solver["t_reached"].values[row]),
                        "message": message,
                    }
                )
        return result


def _counted(labels: list[str], separator: str) -> str:
    """Return how often each label is there, such as ``"15 ok, 1 chattering"``."""
    return ", ".join(f"{labels.count(label)}{separator}{label}" for label in dict.fromkeys(labels))


def _last_finite(values: np.ndarray) -> np.ndarray:
    """Return the last finite value of each row, NaN if there is none."""
    last_values = np.full(len(values), np.nan)
    for row, series in enumerate(values):
        finite = series[np.isfinite(series)]
        if len(finite):
            last_values[row] = finite[-1]
    return last_values


def _any(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).any())


def _median(values: np.ndarray) -> float | None:
    return _number(np.nanmedian(values)) if _any(values) else None


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
