"""The feedback of one layer of a torch model, by the same rules as in the flow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowfa.errors import InputError
from flowfa.problems.rules import RULES, Rule
from flowfa.seeds import generator


@dataclass(frozen=True)
class LayerFeedback:
    """How a layer forms its feedback.

    Tensors are laid out as the layer's weight W, (out, in, ...): the matrix B_l of the theory,
    transposed, with a kernel's positions as further inputs.

    Attributes
    ----------
    rule : Rule
        Of the kind whose feedback comes from the next layer.
    redrawn : bool
        Whether what the rule keeps is drawn anew at each step (brsf).
    seed : int
    layer : str
        The layer's name in its model, the key of its random numbers.
    """

    rule: Rule
    redrawn: bool
    seed: int
    layer: str

    def draw(self, weight: Tensor, step: int = 0) -> Tensor | None:
        """Return what the rule keeps, laid out as `weight`; None if it keeps nothing.

        Random entries are N(0, 2 / (fan_in + fan_out)), as Xavier's start draws W.

        Parameters
        ----------
        weight : Tensor
            W(0), (out, in, ...).
        step : int
            For rules whose feedback is redrawn.

        Raises
        ------
        InputError
            If the rule keeps more than one matrix a layer.
        """
        matrix = weight.detach().flatten(1).to("cpu", torch.float64).numpy()
        deviation = math.sqrt(2.0 / sum(fans(weight)))

        def normal(kind: str, layer: int, shape: tuple[int, int]) -> np.ndarray:
            stream = generator(self.seed, "feedback layer", self.layer, kind, step)
            return deviation * stream.standard_normal(shape)

        # The rule sees a net of two layers, whose second is this one.
        below = np.zeros((matrix.shape[1], 1))
        kept = self.rule.draw_feedback((below, matrix), normal)
        if not kept:
            return None
        if list(kept) != [self._key]:
            raise InputError(
                f"the rule {self.rule.name!r} keeps {', '.join(kept)} for one layer: feedback "
                "layers hold one matrix each"
            )
        return torch.from_numpy(kept[self._key].T.copy()).reshape(weight.shape).to(weight)

    def matrix(self, weight: Tensor, kept: Tensor | None) -> Tensor:
        """Return the feedback laid out as W: for gd it is W itself.

        Parameters
        ----------
        weight : Tensor
            W, (out, in, ...).
        kept : Tensor or None
            What `draw` returned.
        """
        matrices = {} if kept is None else {self._key: kept.detach().flatten(1).T[None]}
        feedback = self.rule.feedback(2, weight.detach().flatten(1)[None], matrices)
        return feedback[0].T.reshape(weight.shape)

    @property
    def _key(self) -> str:
        return f"{self.rule.keeps}2"


def resolved(rule: str | Rule) -> tuple[Rule, bool]:
    """Return a rule and whether its feedback is redrawn at each step.

    Raises
    ------
    InputError
        If there is no rule of this name, it is neither a name nor a rule, or it feeds back what
        layers do not have: feedback that moves, or the targets.
    """
    chosen = RULES.get(rule)() if isinstance(rule, str) else rule
    if not isinstance(chosen, Rule):
        raise InputError(f'`rule` is {rule!r}: expected a name, such as "fa", or a Rule')
    if chosen.moves or chosen.feedback_from == "targets":
        asks = "moves its feedback" if chosen.moves else "feeds back the targets"
        raise InputError(
            f"the rule {chosen.name!r} {asks}, which a layer of a torch model cannot: take another "
            "rule, or train a problem of flowfa (flowfa.train)"
        )
    return chosen, chosen.redrawn


def for_layer(rule: Rule, redrawn: bool, seed: int, layer: str, weight: Tensor) -> LayerFeedback:
    """Return the feedback of a layer; a scale that depends on the layer is settled here."""
    return LayerFeedback(rule.for_layer(*fans(weight)), redrawn, seed, layer)


def fans(weight: Tensor) -> tuple[int, int]:
    """Return fan-in and fan-out of a weight, as torch.nn.init counts them."""
    positions = math.prod(weight.shape[2:])
    return weight.shape[1] * positions, weight.shape[0] * positions
