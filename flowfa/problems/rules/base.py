"""What a learning rule has to say: its feedback, and what it conserves."""

from __future__ import annotations

import contextlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from torch import Tensor

from flowfa.documents.display import fact_table
from flowfa.errors import InputError
from flowfa.problems.parameters import constructor_arguments, constructor_text
from flowfa.problems.rules.form import FeedbackForm
from flowfa.problems.rules.moment import Moment
from flowfa.registry import Registry


class FeedbackDraw(Protocol):
    """The start's way of drawing random feedback.

    Called as ``draw(kind, layer, shape)``: `kind` is the letter of the matrix (B, D or M),
    `layer` the index it is stored under, `shape` its shape. Returns a float64 array of that
    shape. An aligned start gives the entries the signs that L-1 asks for.
    """

    def __call__(self, kind: str, layer: int, shape: tuple[int, int]) -> np.ndarray:
        """Draw one matrix."""
        ...


class Rule(ABC):
    """A learning rule: how the backward signal is formed, and the invariant of C-1 it claims.

    The signal into hidden layer l-1 is delta_{l-1} = (F_l delta) * sigma'(z_{l-1}), where F_l is
    what `feedback` returns and delta is that of layer l (``feedback_from = "next layer"``) or of
    the output layer (``"output"``, direct feedback), or minus the targets (``"targets"``). The
    output layer always follows its true gradient. Layers count from 1 to L; W_l is (out, in).

    Most rules have feedback a W^T + B + M * sign(W)^T: they subclass `RuleInForm` and state the
    form. A rule of another kind is one class with the three methods, registered::

        @flowfa.rule("cubic")
        class CubicFeedback(flowfa.Rule): ...

    What a rule keeps stays as it is, unless the rule has a `feedback_velocity`: then it moves with
    the weights, as a part of the flow's state, and the other methods are given it as it is then.

    Attributes
    ----------
    name : str
        The name it is registered under, set by the decorator; until then that of the class.
    keeps : str
        The letter of the matrices it keeps through training (B, D, M), or ``""``.
    accepts_feedback : bool
        Whether the kept matrices may be any; False where the rule derives them from its start.
        A given start may bring those too, as the later state of a run.
    feedback_from : str
        What the feedback carries back: the delta of the ``"next layer"`` or of the ``"output"``, or
        in its place minus the encoded ``"targets"``.
    conserved_formula : str
        The invariant in words, for figures and records.
    conserved_unit : float
        The recorded invariant of a rule in form, in units of 1/2 ||w_in||^2 - g(w_out) (C-12); 2
        for gd, whose law is known as ||w_in||^2 - ||w_out||^2.
    redrawn : bool
        Whether what it keeps is drawn anew at every discrete step; such a rule has no flow.
    learned : bool
        Whether the feedback moves along with the weights, so that weight decay acts on both:
        what is kept, their difference, then decays as W_l does (C-13).
    """

    name: ClassVar[str] = ""
    keeps: ClassVar[str] = ""
    accepts_feedback: ClassVar[bool] = True
    feedback_from: ClassVar[Literal["next layer", "output", "targets"]] = "next layer"
    conserved_formula: ClassVar[str] = ""
    conserved_unit: ClassVar[float] = 1.0
    redrawn: ClassVar[bool] = False
    learned: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        # A subclass is another rule: under its parent's name a record would call it its parent,
        # and the checks would judge it by its parent's law.
        if "name" not in vars(cls):
            cls.name = cls.__name__
        replaced = {"feedback", "feedback_velocity"} & vars(cls).keys()
        if replaced and "conserved_formula" not in vars(cls):
            cls.conserved_formula = ""

    @abstractmethod
    def draw_feedback(
        self, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
    ) -> dict[str, np.ndarray]:
        """Return the matrices that one trajectory keeps, by name.

        Parameters
        ----------
        weights : tuple of numpy.ndarray
            W_1(0), ..., W_L(0) of this trajectory, each (out, in).
        draw : FeedbackDraw
            Draws a random matrix as the start wants it.

        Returns
        -------
        dict
            Such as ``{"B2": (n_1, n_2), ..., "BL": (n_{L-1}, n_L)}``; empty if it keeps none.
        """

    def check_kept(self, kept: Mapping[str, np.ndarray]) -> None:  # noqa: B027  # not abstract
        """Refuse matrices of a given start that the rule cannot have kept; most take any.

        Parameters
        ----------
        kept : mapping
            By name, each (start, rows, columns).

        Raises
        ------
        InputError
            If one is none of the rule's.
        """

    @abstractmethod
    def feedback(self, layer: int, weight: Tensor, kept: Mapping[str, Tensor]) -> Tensor:
        """Return F_l, the matrix that carries delta back into hidden layer l-1.

        Parameters
        ----------
        layer : int
            l, from 2 to L.
        weight : Tensor
            W_l, (trajectory, n_l, n_{l-1}).
        kept : mapping
            What `draw_feedback` returned, with a leading trajectory dimension.

        Returns
        -------
        Tensor
            (trajectory, n_{l-1}, n_l), or (trajectory, n_{l-1}, n_L) for direct feedback.
        """

    def conserved(
        self, layer: int, incoming: Tensor, out_weight: Tensor, kept: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Return the quantity of C-1 that each neuron of a hidden layer conserves.

        Parameters
        ----------
        layer : int
            The hidden layer l, from 1 to L-1.
        incoming : Tensor
            ||W_l[j,:]||^2 + c_{l,j}^2 of each neuron (C-2), (trajectory, n_l).
        out_weight : Tensor
            W_{l+1}, (trajectory, n_{l+1}, n_l).
        kept : mapping
            What `draw_feedback` returned, with a leading trajectory dimension.

        Returns
        -------
        Tensor or None
            (trajectory, n_l); None if the rule claims no law for this layer, as here.
        """
        return None

    def feedback_velocity(self, kept: Mapping[str, Tensor], moment: Moment) -> dict[str, Tensor]:
        """Return dB/dt of every matrix that `draw_feedback` returned; who has it moves them.

        Parameters
        ----------
        kept : mapping
            The matrices at this moment, by name, with a leading trajectory dimension.
        moment : Moment
            The networks at this moment, and how they move.

        Returns
        -------
        dict
            By the names of `kept`, each of the same shape. Row i depends on trajectory i alone.
        """
        raise NotImplementedError(f"the rule {self.name} keeps its feedback as it is")

    @property
    def moves(self) -> bool:
        """Whether what it keeps moves with the weights: it has a `feedback_velocity`."""
        return type(self).feedback_velocity is not Rule.feedback_velocity

    def parameters(self) -> dict[str, Any]:
        """Return the arguments of the constructor, by name, as plain values.

        A run records them, and the checks construct the rule from them again. By default these
        are the attributes of the names that the constructor takes; a rule that keeps its
        arguments under other names, or changed, returns here what it was constructed with.

        Raises
        ------
        InputError
            If the constructor takes an argument of whose name there is no attribute.
        """
        return constructor_arguments(self)

    def __repr__(self) -> str:
        """Return the call that constructs the rule."""
        return constructor_text(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        keeps = f"{self.keeps}, which moves" if self.moves else self.keeps or "nothing"
        facts = {"name": self.name, "keeps": keeps}
        return fact_table(repr(self), facts | {"conserves": self.conserved_formula or "not stated"})

    @property
    def in_form(self) -> bool:
        """Whether the feedback is what `form` says; a rule that is no `RuleInForm` states none."""
        return False

    def form(
        self, layer: int, shape: tuple[int, int], kept: Mapping[str, Tensor]
    ) -> FeedbackForm | None:
        """Return the form of the feedback through one layer (C-12), or None; see `RuleInForm`."""
        return None

    def for_layer(self, fan_in: int, fan_out: int) -> Rule:
        """Return the rule of one feedback layer, with parameters that depend on its fans settled.

        Parameters
        ----------
        fan_in, fan_out : int
            As torch.nn.init counts them, a kernel's positions included.
        """
        return self


RULES: Registry[type[Rule]] = Registry("rule")


AnyRule = TypeVar("AnyRule", bound=Rule)


def rule(name: str) -> Callable[[type[AnyRule]], type[AnyRule]]:
    """Register a `Rule` under `name`, so that ``Problem(rule=name)`` finds it.

    Raises
    ------
    InputError
        If the name is taken by another class.
    """

    def enter(cls: type[AnyRule]) -> type[AnyRule]:
        RULES.register(name)(cls)
        cls.name = name
        return cls

    return enter


def configured_rule(name: str, settings: object) -> Rule:
    """Return the rule called `name`, with the parameters that settings have for it.

    Parameters
    ----------
    name : str
    settings : object
        Its attribute ``signfa_scale`` is the parameter ``scale`` of signfa, and so on for any
        rule; text that reads as a number is one. A parameter without an attribute has its
        default.

    Raises
    ------
    InputError
        If there is no such rule, or it refuses a parameter.
    """
    cls = RULES.get(name)
    prefix = name.replace("-", "_")
    arguments = {
        parameter: _number_or_word(getattr(settings, f"{prefix}_{parameter}"))
        for parameter in inspect.signature(cls).parameters
        if hasattr(settings, f"{prefix}_{parameter}")
    }
    return cls(**arguments)


def _number_or_word(value: Any) -> Any:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def drawn_for_each_layer(
    kind: str, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
) -> dict[str, np.ndarray]:
    """Draw one matrix of the shape of W_l^T for each layer l = 2, ..., L.

    Parameters
    ----------
    kind : str
        The letter of the matrices, B or M.
    weights, draw
        As `Rule.draw_feedback` gets them.

    Returns
    -------
    dict
        ``{"B2": (n_1, n_2), ..., "BL": (n_{L-1}, n_L)}`` if `kind` is B.
    """
    return {
        f"{kind}{layer}": draw(kind, layer, weight.T.shape)
        for layer, weight in enumerate(weights[1:], start=2)
    }


def drawn_from_output(
    kind: str, weights: tuple[np.ndarray, ...], draw: FeedbackDraw
) -> dict[str, np.ndarray]:
    """Draw one matrix from the output into each hidden layer l = 1, ..., L-1.

    Parameters
    ----------
    kind : str
        The letter of the matrices, D.
    weights, draw
        As `Rule.draw_feedback` gets them.

    Returns
    -------
    dict
        ``{"D1": (n_1, n_L), ..., "D(L-1)": (n_{L-1}, n_L)}``.
    """
    outputs = weights[-1].shape[0]
    return {
        f"{kind}{layer}": draw(kind, layer, (weight.shape[0], outputs))
        for layer, weight in enumerate(weights[:-1], start=1)
    }


def check_velocity(
    rule: Rule, moved: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse what `Rule.feedback_velocity` returned if it does not fit what is kept.

    Parameters
    ----------
    rule : Rule
    moved : mapping
        What it returned.
    shapes : mapping
        Of what it keeps, by name.

    Raises
    ------
    InputError
        Naming the first matrix that is missing, unknown or of another shape.
    """
    for name in [*shapes, *moved]:
        found = tuple(moved[name].shape) if name in moved else None
        if name not in shapes or found != tuple(shapes[name]):
            expected = f"of shape {tuple(shapes[name])}" if name in shapes else "none of that name"
            raise InputError(
                f"feedback_velocity of the rule {rule.name!r} returned for {name} "
                f"{'nothing' if found is None else f'a tensor of shape {found}'}: expected "
                f"{expected}, since it is to give dB/dt of what draw_feedback returned"
            )
