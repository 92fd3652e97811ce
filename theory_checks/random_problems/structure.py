"""The discrete part of a random problem: architecture, rule and loss."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from flowfa.problems.rules import RULES, Rule, SignFeedbackAlignment

RULE_NAMES = ("fa", "gd", "adafa", "signfa", "dfa", "frsf")
BIASES = ("none", "hidden", "all")
LEAKS = (0.1, 1.0, 0.0, 0.5, 0.3, 1e-2, 1e-4, 1e-6)
"""Ordinary ones, the linear network, ReLU, tiny ones."""
LOSS_OUTPUTS = (
    ("exponential", 1),
    ("logistic", 1),
    ("squared", 1),
    ("cross-entropy", 2),
    ("squared", 2),
    ("cross-entropy", 3),
    ("squared", 3),
    ("cross-entropy", 4),
)
"""Losses with the number K of outputs."""
SCALES = (1.0, 0.25, 4.0)
"""Of feedback: signfa's s, and the factor of matrices B, D, M."""
MOST_WIDTHS = (8, 5, 4)
"""Greatest width of the hidden layers of a network with one, two, three of them."""


@dataclass(frozen=True)
class Architecture:
    """Hidden layers, biases and leak.

    Attributes
    ----------
    hidden : tuple of int
        Widths.
    bias : {"none", "hidden", "all"}
    leak : float
    """

    hidden: tuple[int, ...]
    bias: str
    leak: float

    @property
    def has_bias(self) -> tuple[bool, ...]:
        """Whether each layer has a bias."""
        return (self.bias != "none",) * len(self.hidden) + (self.bias == "all",)


@st.composite
def architectures(draw: st.DrawFn, depths: tuple[int, ...] = (1, 2, 3)) -> Architecture:
    """Draw an architecture; shrinks to one neuron without bias.

    Parameters
    ----------
    draw : hypothesis draw function
    depths : tuple of int
        Numbers of hidden layers to choose from, at most 3.
    """
    depth = draw(st.sampled_from(depths))
    width = st.integers(1, MOST_WIDTHS[depth - 1])
    hidden = tuple(draw(width) for _ in range(depth))
    ordinary = st.integers(1, 19).map(lambda twentieth: twentieth / 20.0)
    leak = draw(st.one_of(st.sampled_from(LEAKS), ordinary))
    return Architecture(hidden, draw(st.sampled_from(BIASES)), leak)


def rules(names: tuple[str, ...] = RULE_NAMES) -> st.SearchStrategy[Rule]:
    """Draw a rule; signfa with a scale."""
    return st.builds(make_rule, st.sampled_from(names), st.sampled_from(SCALES))


def losses() -> st.SearchStrategy[tuple[str, int]]:
    """Draw the name of a loss and a number of outputs that suits it."""
    return st.sampled_from(LOSS_OUTPUTS)


def make_rule(name: str, scale: float = 1.0) -> Rule:
    """Return a rule; `scale` is the s of signfa, and of no meaning for others."""
    return SignFeedbackAlignment(scale) if name == "signfa" else RULES.get(name)()
