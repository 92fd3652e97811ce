"""Random problems as arrays: many networks with a data set each, integrated together."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

import flowfa
from flowfa.datasets import Dataset
from flowfa.files.archives import write_npz
from flowfa.flow.network_flow import NetworkFlow
from flowfa.problems import Problem, build_ensemble, rules
from flowfa.problems.rules import Rule
from flowfa.problems.starts import given_start
from flowfa.solvers.choice import choose
from theory_checks.controls import BREAKS
from theory_checks.evidence.evidence import Evidence
from theory_checks.evidence.from_flow import evidence_of_flow
from theory_checks.evidence.from_run import evidence_of_run
from theory_checks.random_problems.starting import Arrays
from theory_checks.statements.eq1_loss_rate import mean_loss

RTOL = 1e-6
SAVES = 17
DENSITY = 2.0
"""The first of 16 intervals is a 256th of the run, the last an eighth."""
GROWTH = 100.0
"""Factor by which a loss may grow, from its start or from one, before its network is given up."""
MAX_STEPS = 600
"""Trial steps; a network that takes more is checked as far as it got."""


@dataclass(frozen=True, eq=False)
class RandomProblems:
    """Networks of one architecture, rule and loss, each with its own data set and start.

    Attributes
    ----------
    X, y : numpy.ndarray
        (trajectory, sample, feature), and labels or targets as `flowfa.datasets.Dataset`.
    start : dict of numpy.ndarray
        W1.., c1.., and the feedback that the rule accepts, each (trajectory, ...).
    rule : Rule
    leak : float
    loss : str
    smooth_kinks : float or None
        As `flowfa.Problem`.
    t_end : float
    data_kinds, start_kinds : tuple of str
        The kinds of data and of start of each trajectory.
    origin : str
        The call that gives these problems again.
    layer_rates, weight_decay : tuple of float
        As `flowfa.Problem`.
    """

    X: np.ndarray
    y: np.ndarray
    start: Arrays
    rule: Rule
    leak: float
    loss: str
    smooth_kinks: float | None
    t_end: float
    data_kinds: tuple[str, ...]
    start_kinds: tuple[str, ...]
    origin: str = ""
    layer_rates: tuple[float, ...] = (1.0,)
    weight_decay: tuple[float, ...] = (0.0,)

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.X)

    def __repr__(self) -> str:
        """Return the call that gives these problems again."""
        return self.origin or f"RandomProblems({len(self)} networks of sizes {self.sizes})"

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layer sizes n_0, ..., n_L."""
        depth = sum(name[0] == "W" for name in self.start)
        widths = tuple(self.start[f"W{layer}"].shape[1] for layer in range(1, depth + 1))
        return (self.X.shape[2], *widths)

    @property
    def classes(self) -> int:
        """The number of classes, of which some may have no sample; 0 without class numbers."""
        return self.sizes[-1] if self.sizes[-1] > 1 and self.y.ndim < self.X.ndim else 0

    @property
    def hidden_layers(self) -> int:
        """The number of hidden layers."""
        return len(self.sizes) - 2

    def select(self, index: int) -> RandomProblems:
        """Return one of the networks."""
        chosen = slice(index, index + 1)
        return replace(
            self,
            X=self.X[chosen],
            y=self.y[chosen],
            start={name: array[chosen] for name, array in self.start.items()},
            data_kinds=self.data_kinds[chosen],
            start_kinds=self.start_kinds[chosen],
            origin=f"{self.origin}.select({index})" if self.origin else "",
        )

    def problem(self) -> Problem:
        """Return them as a problem of flowfa.

        Raises
        ------
        InputError
            If the parts do not fit together; problems that strategies draw do.
        """
        return Problem(
            Dataset(self.X, self.y, "random data", classes=self.classes),
            leak=self.leak,
            rule=self.rule,
            loss=self.loss,
            initial=given_start(self.start, "random start"),
            smooth_kinks=self.smooth_kinks,
            layer_rates=self.layer_rates,
            weight_decay=self.weight_decay,
        )

    def flow(self) -> NetworkFlow:
        """Return their training flow."""
        problem = self.problem()
        return NetworkFlow(problem, build_ensemble(problem, len(self), 0))

    def evidence(
        self,
        t_end: float | None = None,
        rtol: float = RTOL,
        saves: int = SAVES,
        way: str | None = None,
        max_steps: int = MAX_STEPS,
    ) -> Evidence:
        """Return evidence on their flow, each as far as all solvers of the ladder got.

        A network whose loss grows by the factor `GROWTH` is looked at up to then only: it
        is about to blow up or to overflow, and its last instants would take most of the work.

        Parameters
        ----------
        t_end : float, optional
            `self.t_end` by default.
        rtol : float
        saves : int
            Times, both ends included.
        way : str, optional
            A name in `theory_checks.controls.BREAKS`: moves them by a broken flow.
        max_steps : int
            Trial steps of a network on a rung.
        """
        flow = self.flow()
        to_the_end = evidence_of_flow(
            flow,
            t_end=self.t_end if t_end is None else t_end,
            motion=None if way is None else BREAKS[way](flow.field),
            rtol=rtol,
            solver=self.solver(rtol) if way is None else "dopri5",
            saves=saves,
            max_steps=max_steps,
            as_reached=True,
            density=DENSITY,
        )
        loss = to_the_end.values(mean_loss).squeeze(2)
        grown = loss > GROWTH * loss[:, :1].clamp_min(1.0)
        first = torch.where(grown, to_the_end.times, torch.inf).amin(1)
        # The last time of the mesh before the loss had grown; 0 if there is none.
        before = torch.searchsorted(to_the_end.times, first) - 1
        reached = torch.minimum(to_the_end.reached, to_the_end.times[before.clamp_min(0)])
        shortened = replace(
            to_the_end, reached=torch.where(grown.any(1), reached, to_the_end.reached)
        )
        shortened.__dict__["paths"] = to_the_end.paths
        return shortened

    def recorded(self, rtol: float = RTOL, saves: int = SAVES) -> Evidence:
        """Return evidence on a run of `flowfa.simulate` with its record, kept in memory."""
        run = flowfa.simulate(
            self.problem(),
            len(self),
            t_end=self.t_end,
            save=saves,
            rtol=rtol,
            solver=self.solver(rtol),
            max_steps=MAX_STEPS,
        )
        return evidence_of_run(run)

    def solver(self, rtol: float = RTOL) -> str:
        """Return the solver that ``auto`` takes."""
        return choose("auto", self.problem(), rtol=rtol / 10.0).name

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write data and start into one file, for ``--dataset FILE --init FILE``.

        A single network is written without trajectory dimension.

        Raises
        ------
        InputError
            If there is something at `path` and `overwrite` is False, or it cannot be written.
        """
        arrays = self._arrays()
        if self.classes:
            arrays["classes"] = np.array(self.classes)
        write_npz(Path(path), arrays, overwrite)

    def command(self, path: str | Path) -> str:
        """Return the command that simulates what `save` wrote to `path`."""
        words = f"flowfa simulate --dataset {path} --init {path} --rule {self.rule.name}"
        words += f" --loss {self.loss} --leak {self.leak!r} --t-end {self.t_end!r} --rtol {RTOL!r}"
        words += f" --solver {self.solver()}"
        if self.smooth_kinks is not None:
            words += f" --smooth-kinks {self.smooth_kinks}"
        for flag, numbers in self._motion().items():
            words += f" --{flag.replace('_', '-')} {' '.join(map(repr, numbers))}"
        return words

    def _motion(self) -> dict[str, tuple[float, ...]]:
        """Return rates and decay of layers, where there are any."""
        both = {"layer_rates": self.layer_rates, "weight_decay": self.weight_decay}
        plain = {"layer_rates": {1.0}, "weight_decay": {0.0}}
        return {name: numbers for name, numbers in both.items() if set(numbers) != plain[name]}

    def snippet(
        self,
        statement: str,
        rtol: float = RTOL,
        saves: int = SAVES,
        way: str | None = None,
    ) -> str:
        """Return a program that builds these problems from numbers and checks a statement.

        Parameters
        ----------
        statement : str
            The ID of the statement.
        rtol, saves, way
            As `evidence`.
        """
        arrays = self._arrays(keep_dimension=True)
        shown = {name: f"np.array({array.tolist()!r})" for name, array in arrays.items()}
        start = "".join(f"        {n!r}: {t},\n" for n, t in shown.items() if n not in "Xy")
        return SNIPPET.format(
            X=shown["X"],
            y=shown["y"],
            start=start,
            rule=_call(self.rule),
            problems=self,
            kinds=f"{self.data_kinds!r}, {self.start_kinds!r}",
            motion="".join(f"    {name}={tuple(n)!r},\n" for name, n in self._motion().items()),
            statement=statement,
            arguments=f"rtol={rtol!r}, saves={saves}" + (f", way={way!r}" if way else ""),
        )

    def _arrays(self, keep_dimension: bool = False) -> Arrays:
        arrays = {"X": self.X, "y": self.y, **self.start}
        if keep_dimension or len(self) > 1:
            return arrays
        return {name: array[0] for name, array in arrays.items()}


SNIPPET = """\
import numpy as np
import theory_checks
from flowfa.problems import rules
from theory_checks.random_problems import RandomProblems

problems = RandomProblems(
    X={X},
    y={y},
    start={{
{start}    }},
    rule={rule},
    leak={problems.leak!r},
    loss={problems.loss!r},
    smooth_kinks={problems.smooth_kinks!r},
    t_end={problems.t_end!r},
    data_kinds={problems.data_kinds!r},
    start_kinds={problems.start_kinds!r},
{motion})
evidence = problems.evidence({arguments})
print(theory_checks.check_evidence(evidence, theory_checks.chosen(("{statement}",))))
"""


def _call(rule: Rule) -> str:
    """Return the expression that makes a rule; a user's own rule must be registered before."""
    arguments = ", ".join(
        repr(vars(rule)[name]) for name in inspect.signature(type(rule)).parameters
    )
    if hasattr(rules, type(rule).__name__):
        return f"rules.{type(rule).__name__}({arguments})"
    return f"rules.RULES.get({rule.name!r})({arguments})"
