"""The discrete part of a random problem: architecture, rule and loss."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import SimpleNamespace

from hypothesis import strategies as st

from flowfa.problems.rules import RULES, Rule, configured_rule

RULE_NAMES = ("fa", "gd", "adafa", "signfa", "dfa", "frsf")
"""The rules of C-1's table, in the order of the random study of docs/laboratory/random-tests.md."""
BIASES = ("none", "hidden", "all")
LEAKS = (0.1, 1.0, 0.0, 0.5, 0.3, 1e-2, 1e-4, 1e-6)
"""Leaks: ordinary ones, that of the linear network, that of ReLU, tiny ones."""
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
"""Scales of feedback: signfa's s, and the factor of matrices B, D, M."""
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


def rule_names() -> tuple[str, ...]:
    """Return the rules to draw from: those of C-1's table, all in form, and all that move.

    A rule whose constructor needs arguments is left out, since their values are not known.
    """
    return RULE_NAMES + tuple(
        name for name in RULES.names() if name not in RULE_NAMES and _can_be_drawn(name)
    )


def _can_be_drawn(name: str) -> bool:
    cls = RULES.get(name)
    # A class without an __init__ of its own has the signature of object.
    callable_alone = cls.__init__ is object.__init__ or all(
        parameter.default is not parameter.empty
        for parameter in inspect.signature(cls).parameters.values()
    )
    if not callable_alone:
        return False
    rule = cls()
    return rule.in_form or rule.moves


def rules(names: tuple[str, ...] | None = None) -> st.SearchStrategy[Rule]:
    """Draw a rule, by default of all `rule_names`; one that has a scale with a scale."""
    chosen = rule_names() if names is None else names
    return st.builds(make_rule, st.sampled_from(chosen), st.sampled_from(SCALES))


def losses() -> st.SearchStrategy[tuple[str, int]]:
    """Draw the name of a loss and a number of outputs that suits it."""
    return st.sampled_from(LOSS_OUTPUTS)


def make_rule(name: str, scale: float = 1.0) -> Rule:
    """Return a rule; `scale` is the s of signfa, and of no meaning for rules without a scale."""
    return configured_rule(name, SimpleNamespace(**{f"{name.replace('-', '_')}_scale": scale}))
