"""Rules whose feedback has the common form of C-12: they state the form, and the rest follows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from flowfa.problems.rules.base import Rule
from flowfa.problems.rules.form import FeedbackForm


class RuleInForm(Rule):
    """A rule with feedback b_j = a v_j + B_j + M_j * sign(v_j); it conserves what C-12 says.

    To add one, say what it keeps and state the form::

        @flowfa.rule("half-fa")
        class HalfFA(flowfa.RuleInForm):
            keeps = "B"

            def draw_feedback(self, weights, draw):
                return flowfa.drawn_for_each_layer("B", weights, draw)

            def form(self, layer, shape, kept):
                return flowfa.FeedbackForm(weight_share=0.5, fixed=0.5 * kept[f"B{layer}"])

    The hybrid and the event solver, the law of a discrete step (C-11), the channels of a
    convolution (C-4) and the checks read the form. A subclass that overrides `feedback` is not in
    form any more (`form_of`), whatever its `form` says: it is integrated by its `feedback`. Nor is
    one with a `feedback_velocity`: its B and M move, and C-12 is about fixed ones.
    """

    conserved_formula: ClassVar[str] = "1/2 ||w_in||^2 - g(w_out) (C-12)"

    @property
    def in_form(self) -> bool:
        """True, unless it has a `feedback` of its own, or moves what the form says to be fixed."""
        own = type(self).feedback is not RuleInForm.feedback or "feedback" in vars(self)
        return not own and not self.moves

    @abstractmethod
    def form(self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]) -> FeedbackForm:
        """Return a, B_l and M_l of the feedback through one layer.

        Parameters
        ----------
        layer : int
            l, from 2 to L.
        shape : tuple of int
            Of W_l, (n_l, n_{l-1}). The weights themselves are not given, since neither a nor B
            nor M may depend on them.
        kept : mapping
            What `draw_feedback` returned, with a leading trajectory dimension.
        """

    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return F_l = a W_l^T + B_l + M_l * sign(W_l)^T."""
        return self.form(layer, _shape(weight), kept).matrix(weight)

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return 1/2 ||w_in||^2 - g(w_out), in the rule's own unit (C-12); None if not in form."""
        if not self.in_form:
            # Another feedback has another law, which a subclass has to state.
            return None
        form = self.form(layer + 1, _shape(out_weight), kept)
        if form.skips_layers:
            return None
        law = 0.5 * incoming - form.potential(out_weight)
        return law if self.conserved_unit == 1.0 else self.conserved_unit * law


def form_of(
    rule: Rule, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]
) -> FeedbackForm | None:
    """Return the form of the feedback through a layer; everything that needs a form asks here.

    Parameters
    ----------
    rule : Rule
    layer, shape, kept
        As `RuleInForm.form`.

    Returns
    -------
    FeedbackForm or None
        None if the rule is not in form, or if its feedback skips layers, so that C-12 says
        nothing about the out-weights.
    """
    form = rule.form(layer, shape, kept) if rule.in_form else None
    return None if form is None or form.skips_layers else form


def _shape(weight: Tensor) -> tuple[int, int]:
    return weight.shape[-2], weight.shape[-1]
