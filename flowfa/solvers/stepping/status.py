"""How a trajectory ended, and what a user can do about it."""

from __future__ import annotations

from enum import Enum

from flowfa.records.names import CONDITION_LABELS


class Status(Enum):
    """The state of one trajectory; the value is its message, with the remedy.

    Codes are stored in checkpoints by position, names in result files in lower case.
    """

    RUNNING = "is being integrated"
    OK = "reached the end"
    MAX_STEPS = (
        "ran out of steps before the end: raise `max_steps`, loosen `rtol`, shorten `t_end`, or "
        "widen `smooth_kinks` if it is given"
    )
    STEP_UNDERFLOW = (
        "the step fell below the resolution of time, so the tolerance cannot be met here: loosen "
        "`rtol`, or end the run before this time with `t_end`"
    )
    BLOW_UP = (
        "the weights grow without bound in finite time, which is the flow's own doing and not the "
        "solver's: end the run before this time with `t_end`, or start elsewhere"
    )
    NON_FINITE = (
        "the initial state or its velocity is not finite (NaN or overflow): check the start and "
        "the scale of the data"
    )
    OVERFLOW = (
        "a step overflowed: the step is too long for a flow this fast (make `step` smaller), or "
        "the flow itself blows up (an adaptive solver tells which)"
    )
    EVENT_STORM = (
        "a neuron met events without end within one step, which happens where modes change at a "
        'point in several ways: take `solver="euler"` with `step=H`, or after the hybrid solver '
        '`solver="event"`'
    )
    CHATTERING = (
        "chatters on a kink, where the flow slides along z = 0 and explicit steps cannot follow: "
        'take `solver="hybrid"` (one hidden layer) or `solver="event"` (several) where (leaky) '
        "ReLUs follow a rule that states the form of its feedback, else `smooth_kinks=EPS` (such "
        "as 1e-2) for (leaky) ReLUs, "
        'loosen `rtol`, or take a fixed-step solver (`solver="euler"` with `step=H`)'
    )
    STAGE_EQUATIONS = (
        "the stage equations of the implicit step could not be solved, however short the step, "
        "which happens where the flow jumps or the tolerance is near rounding: take "
        '`solver="bosh3"` where there are kinks (leak < 1), else loosen `rtol`'
    )
    DIVERGED = (
        "diverged: the next discrete step makes weights that are not finite, which is a result of "
        "this rate and no error; smaller rates (`rate`) tell whether the flow stays finite"
    )

    LOSS_REACHED = "stopped where its loss reached `until_loss`"
    GRADIENT_REACHED = "stopped where the norm of its gradient reached `until_gradient`"
    ALIGNMENT_REACHED = "stopped where its alignment reached `until_alignment`"

    @property
    def as_asked(self) -> bool:
        """Whether a trajectory ended where it was to: at the end, or at a condition."""
        return self is Status.OK or self.label in CONDITION_LABELS

    @property
    def code(self) -> int:
        """The position in the enumeration."""
        return list(Status).index(self)

    @classmethod
    def from_code(cls, code: int) -> Status:
        """Return the status at a position."""
        return list(cls)[code]

    @property
    def label(self) -> str:
        """The short name used in result files."""
        return self.name.lower().replace("_", "-")
