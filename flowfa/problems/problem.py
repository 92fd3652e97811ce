"""A problem: data, network, rules, loss and start, validated together."""

from __future__ import annotations

from collections.abc import Sequence

from flowfa.datasets.dataset import Dataset
from flowfa.errors import InputError
from flowfa.problems.activations import (
    ACTIVATIONS,
    Activation,
    LeakyReLU,
    SmoothedLeakyReLU,
)
from flowfa.problems.losses import LOSSES, Loss, check_labels
from flowfa.problems.rules import RULES, Rule
from flowfa.problems.starts import STARTS, GivenStart, RandomStart
from flowfa.registry import unknown_name

BIASES = ("none", "hidden", "all")
DEFAULT_LEAK = 0.1
LOSS_FOR_LABELS = {"binary": "exponential", "classes": "cross-entropy", "targets": "squared"}


class Problem:
    """What is simulated: the training flow of one architecture on one data set.

    Parameters
    ----------
    data : Dataset
        Shared by all trajectories, or with a set for each start.
    widths : sequence of int
        Widths of the hidden layers, at least one.
    leak : float, optional
        Slope alpha of the leaky ReLU for z <= 0, in [0, 1]: 0 is ReLU, 1 is linear; by default
        0.1.
    rule : str, Rule, or a sequence of these
        The learning rules, run side by side from the same starts.
    loss : str, Loss or None
        None: exponential for labels -1/+1, cross-entropy for class numbers, else squared.
    bias : {"none", "hidden", "all"}
        Which layers have a bias (C-2).
    initial : str, RandomStart or GivenStart
        The start. A `GivenStart` fixes widths and biases, and must agree with `data`.
    smooth_kinks : float or None
        Half the width in z over which the slope is blended from `leak` to 1, positive; None for
        the exact kinks.
    activation : str or Activation
        Of every hidden layer. `leak` and `smooth_kinks` are of the default, ``"leaky-relu"``,
        and go with no other.

    Attributes
    ----------
    activation : Activation
    rules : tuple of Rule
    loss : Loss
    initial : RandomStart or GivenStart
    sizes : tuple of int
        n_0, ..., n_L.
    has_bias : tuple of bool
        Of each layer.

    Raises
    ------
    InputError
        If a name is unknown, a number is out of range, or the parts do not fit together.

    Examples
    --------
    >>> import flowfa
    >>> data = flowfa.datasets.nearly_orthogonal(samples=5, dim=20, gamma=2.0, seed=0)
    >>> problem = flowfa.Problem(data, widths=(4,), rule=("gd", "fa"))
    >>> problem.sizes
    (20, 4, 1)
    """

    def __init__(
        self,
        data: Dataset,
        widths: Sequence[int] = (100,),
        leak: float | None = None,
        rule: str | Rule | Sequence[str | Rule] = "fa",
        loss: str | Loss | None = None,
        bias: str = "none",
        initial: str | RandomStart | GivenStart = "aligned",
        smooth_kinks: float | None = None,
        activation: str | Activation = LeakyReLU.name,
    ) -> None:
        self.data = data
        self.activation = _activation(activation, leak, smooth_kinks)
        self.loss = _loss(loss if loss is not None else LOSS_FOR_LABELS[data.label_kind])
        check_labels(self.loss, data)
        outputs = self.loss.encode(data).shape[-2]
        self.rules = _rules(rule)
        self.initial = STARTS.get(initial)() if isinstance(initial, str) else initial
        if isinstance(self.initial, GivenStart):
            self.sizes = self.initial.sizes
            self.has_bias = tuple(bias is not None for bias in self.initial.biases)
            self._check_given(self.initial, outputs)
        else:
            self.sizes = (data.dim, *_widths(widths), outputs)
            if bias not in BIASES:
                raise unknown_name("bias setting", bias, BIASES)
            hidden = len(self.sizes) - 2
            self.has_bias = (bias != "none",) * hidden + (bias == "all",)

    @property
    def leak(self) -> float | None:
        """Slope of the (leaky) ReLU for z <= 0; None for any other activation."""
        return self.activation.leak

    @property
    def smooth_kinks(self) -> float | None:
        """Half the width of smoothed kinks; None for any other activation."""
        activation = self.activation
        return activation.smooth_kinks if isinstance(activation, SmoothedLeakyReLU) else None

    @property
    def layers(self) -> int:
        """Number of weight layers L."""
        return len(self.sizes) - 1

    def _check_given(self, start: GivenStart, outputs: int) -> None:
        if start.sizes[0] != self.data.dim:
            raise InputError(
                f"W1 in {start.name} has {start.sizes[0]} columns but the samples of "
                f"{self.data.name} have {self.data.dim} features: they must be equal"
            )
        if start.sizes[-1] != outputs:
            raise InputError(
                f"W{len(start.weights)} in {start.name} has {start.sizes[-1]} rows but the "
                f"{self.loss.name} loss on {self.data.name} needs {outputs} output(s)"
            )
        used = {rule.keeps for rule in self.rules if rule.accepts_feedback}
        for key in start.feedback:
            if key[0] not in used:
                names = ", ".join(rule.name for rule in self.rules)
                raise InputError(
                    f"{key} in {start.name} is not used by {names}: leave it out, or choose a rule "
                    "that keeps it"
                )
        for kind in used - {""}:
            first, last = (1, len(start.weights) - 1) if kind == "D" else (2, len(start.weights))
            names = {f"{kind}{layer}" for layer in range(first, last + 1)}
            missing = names - start.feedback.keys()
            if missing and missing != names:
                raise InputError(
                    f"{start.name} gives some feedback matrices but not {min(missing)}: give all "
                    f"of {', '.join(sorted(names))}, or none to have them drawn"
                )


def _loss(loss: str | Loss) -> Loss:
    return LOSSES.get(loss)() if isinstance(loss, str) else loss


def _activation(
    activation: str | Activation, leak: float | None, smooth_kinks: float | None
) -> Activation:
    """Return the activation; leak and smooth_kinks are parameters of the default alone."""
    if activation == LeakyReLU.name:
        leak = DEFAULT_LEAK if leak is None else leak
        return LeakyReLU(leak) if smooth_kinks is None else SmoothedLeakyReLU(leak, smooth_kinks)
    chosen = ACTIVATIONS.get(activation)() if isinstance(activation, str) else activation
    for name, value in (("leak", leak), ("smooth_kinks", smooth_kinks)):
        if value is not None:
            raise InputError(
                f"`{name}` is {value} and `activation` is {chosen.name!r}: give one of them, since "
                f"`{name}` is of the leaky ReLU"
            )
    return chosen


def _rules(rule: str | Rule | Sequence[str | Rule]) -> tuple[Rule, ...]:
    given = (rule,) if isinstance(rule, str | Rule) else tuple(rule)
    rules = tuple(RULES.get(r)() if isinstance(r, str) else r for r in given)
    if not rules:
        raise InputError(f"no rule was given: choose from {', '.join(RULES.names())}")
    names = [r.name for r in rules]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the rule {name!r} is given twice: name each rule once")
    return rules


def _widths(widths: Sequence[int]) -> tuple[int, ...]:
    if len(widths) == 0:
        raise InputError("no width was given: give one width for each hidden layer")
    for width in widths:
        if width != int(width) or width < 1:
            raise InputError(f"a hidden width is {width}: expected a whole number of at least 1")
    return tuple(int(width) for width in widths)
