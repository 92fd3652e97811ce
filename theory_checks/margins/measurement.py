"""What a check hands to the framework: hypotheses, margins with their uncertainty, estimates."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Hypothesis:
    """An assumption of a statement, tested on the run itself.

    Attributes
    ----------
    name : str
        What it is called on the command line: ``"linear-activation"``.
    text : str
        The assumption as a statement: ``"the activation is the identity (leak = 1)"``.
    excess : Tensor
        By how much each trajectory fails it, (trajectory,); it is respected where this is <= 0.
        NaN counts as a failure.
    """

    name: str
    text: str
    excess: Tensor


@dataclass(frozen=True)
class Item:
    """One of the things that a statement speaks of at each time; None where it does not apply.

    Attributes
    ----------
    layer : int or None
        Counted from 1.
    neuron : int or None
        Counted from 0 within its layer.
    """

    layer: int | None = None
    neuron: int | None = None


@dataclass(frozen=True)
class Measurement:
    """Margins of a statement for every trajectory, time and item.

    Attributes
    ----------
    margin : Tensor
        Positive where the statement is true, (trajectory, time, item); "time" may be intervals.
    uncertainty : Tensor
        Numerical error of the margin, of the same shape.
    remainder : Tensor
        What may have been missed between the times looked at, of the same shape: it joins the
        uncertainty, and where it alone leaves a verdict open the framework looks at more times.
    time : Tensor
        Where in its interval each margin was found, of the same shape.
    valid : Tensor
        Which margins count, of the same shape, bool: times that the trajectory has reached, items
        of which the statement speaks. A NaN that counts is inconclusive.
    items : tuple of Item
    note : str
        What tells these margins from others of the same check: ``"in the file"``.
    coarse : Tensor, optional
        For margins that add up over time: the intervals that the remainder comes from,
        (trajectory, interval) bool. By default it is taken to come from where it is.
    """

    margin: Tensor
    uncertainty: Tensor
    remainder: Tensor
    time: Tensor
    valid: Tensor
    items: tuple[Item, ...]
    note: str = ""
    coarse: Tensor | None = None


@dataclass(frozen=True)
class Estimate:
    """A number that a check measures beside its verdict, on every trajectory.

    Attributes
    ----------
    name : str
        A slug: ``"mu"``.
    text : str
        What it is, in a line.
    value, uncertainty : Tensor
        (trajectory,); NaN where there is no such number. The uncertainty is the difference of the
        two finest rungs, and what may have been missed between the times.
    time : Tensor
        Where it was found, (trajectory,); NaN if at no one time.
    item : Item
    """

    name: str
    text: str
    value: Tensor
    uncertainty: Tensor
    time: Tensor
    item: Item = Item()
