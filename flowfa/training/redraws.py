"""Feedback that a rule such as brsf draws anew at every step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flowfa.problems.ensemble import Ensemble
from flowfa.problems.problem import Problem
from flowfa.problems.rules import Rule
from flowfa.problems.starts import GivenStart, RandomStart, XavierStart
from flowfa.seeds import generator


class Redraws:
    """What a rule keeps at each step, drawn by the law of the start.

    Step 0 has the feedback of the ensemble. What step k of start i has depends on (seed, i, k).

    Parameters
    ----------
    problem : Problem
    ensemble : Ensemble
        Its initial networks.
    seed : int
    law : RandomStart, optional
        By default that of the problem's start, Xavier's where the start is given.
    """

    def __init__(
        self, problem: Problem, ensemble: Ensemble, seed: int, law: RandomStart | None = None
    ) -> None:
        initial = problem.initial
        if law is None:
            law = XavierStart() if isinstance(initial, GivenStart) else initial
        self._law = law
        self._weights = [
            tuple(weight[start] for weight in ensemble.weights) for start in range(ensemble.starts)
        ]
        self._seed = seed

    def of_step(self, rule: Rule, step: int, starts: Tensor, like: Tensor) -> dict[str, Tensor]:
        """Return what `rule` keeps at a step > 0, by name, each (row, rows, columns).

        Parameters
        ----------
        rule : Rule
        step : int
        starts : Tensor
            The start of each row, (row,).
        like : Tensor
            Of the wanted dtype and device.
        """
        chosen, of_row = torch.unique(starts, return_inverse=True)
        drawn = [self._draw(rule, step, int(start)) for start in chosen]
        return {
            name: torch.tensor(np.stack([matrices[name] for matrices in drawn])).to(like)[of_row]
            for name in drawn[0]
        }

    def _draw(self, rule: Rule, step: int, start: int) -> dict[str, np.ndarray]:
        stream = generator(self._seed, "redraws", step, start)

        def draw(kind: str, layer: int, shape: tuple[int, int]) -> np.ndarray:
            return self._law.draw_feedback(kind, layer, shape, self._weights[start], stream)

        return rule.draw_feedback(self._weights[start], draw)
