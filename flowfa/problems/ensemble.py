"""The networks of a run at time zero: the same starts under each rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flowfa.errors import InputError
from flowfa.problems.problem import Problem
from flowfa.problems.rules import Rule
from flowfa.problems.starts import GivenStart, RandomStart, XavierStart
from flowfa.seeds import generator


@dataclass(frozen=True)
class Ensemble:
    """Initial weights, biases and feedback of all trajectories.

    Trajectories are ordered rule by rule: trajectory ``r * starts + i`` is start i under rule r.

    Attributes
    ----------
    weights : tuple of numpy.ndarray
        W_1(0), ..., W_L(0), each (start, out, in).
    biases : tuple of numpy.ndarray or None
        c_1(0), ..., c_L(0), each (start, out); None: the layer has no bias.
    feedback : tuple of dict
        For each rule the matrices it keeps, each (start, rows, columns).
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray | None, ...]
    feedback: tuple[dict[str, np.ndarray], ...]

    @property
    def starts(self) -> int:
        """Number of starts; trajectories are starts times rules."""
        return self.weights[0].shape[0]


def build_ensemble(problem: Problem, starts: int | None, seed: int) -> Ensemble:
    """Draw or take the initial state of every trajectory.

    Parameters
    ----------
    problem : Problem
        With its start.
    starts : int or None
        Number of starts; None: as many as the data or the given start have, else 8.
    seed : int
        Start i is the same network for a seed, whatever the number of starts.

    Raises
    ------
    InputError
        If the numbers of starts of data, given start and request differ.
    """
    number = _number_of_starts(problem, starts)
    initial = problem.initial
    if isinstance(initial, GivenStart):
        weights = tuple(_repeat(weight, number) for weight in initial.weights)
        biases = tuple(None if c is None else _repeat(c, number) for c in initial.biases)
        given_feedback = {key: _repeat(matrix, number) for key, matrix in initial.feedback.items()}
        # Matrices that the file leaves out are drawn as after a Xavier start.
        law: RandomStart = XavierStart()
    else:
        drawn = [
            initial.draw_weights(problem.sizes, generator(seed, "weights", i))
            for i in range(number)
        ]
        weights = tuple(np.stack(matrices) for matrices in zip(*drawn, strict=True))
        biases = tuple(
            np.zeros((number, size)) if has else None
            for has, size in zip(problem.has_bias, problem.sizes[1:], strict=True)
        )
        given_feedback = {}
        law = initial
    feedback = tuple(
        _feedback(rule, weights, given_feedback if problem.takes_given(rule) else {}, law, seed)
        for rule in problem.rules
    )
    return Ensemble(weights, biases, feedback)


def _feedback(
    rule: Rule,
    weights: tuple[np.ndarray, ...],
    given_feedback: dict[str, np.ndarray],
    law: RandomStart,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return what `rule` keeps for each start."""
    kept_by_rule = {key: matrix for key, matrix in given_feedback.items() if key[0] == rule.keeps}
    if kept_by_rule:
        rule.check_kept(kept_by_rule)
        return kept_by_rule
    kept = []
    for i in range(weights[0].shape[0]):
        of_start = tuple(weight[i] for weight in weights)

        def draw(
            kind: str,
            layer: int,
            shape: tuple[int, int],
            i: int = i,
            of_start: tuple[np.ndarray, ...] = of_start,
        ) -> np.ndarray:
            stream = generator(seed, "feedback", kind, layer, i)
            return law.draw_feedback(kind, layer, shape, of_start, stream)

        kept.append(rule.draw_feedback(of_start, draw))
    return {key: np.stack([matrices[key] for matrices in kept]) for key in kept[0]}


def _number_of_starts(problem: Problem, requested: int | None) -> int:
    """Reconcile the request with data and start that bring a number of their own."""
    fixed: dict[str, int] = {}
    if requested is not None:
        fixed["`trajectories`"] = requested
    if problem.data.differs_by_trajectory:
        fixed[problem.data.name] = problem.data.X.shape[0]
    if isinstance(problem.initial, GivenStart) and problem.initial.trajectories is not None:
        fixed[problem.initial.name] = problem.initial.trajectories
    if not fixed:
        return 8
    if len(set(fixed.values())) > 1:
        counts = ", ".join(f"{source} has {number}" for source, number in fixed.items())
        raise InputError(f"the numbers of trajectories disagree: {counts}; make them equal")
    number = next(iter(fixed.values()))
    if number < 1:
        raise InputError(f"`trajectories` is {number}: expected at least 1")
    return number


def _repeat(array: np.ndarray, number: int) -> np.ndarray:
    return array if array.shape[0] == number else np.repeat(array, number, axis=0)
