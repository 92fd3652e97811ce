"""A problem: data, network, rules, loss and start, validated together."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from flowfa.datasets.dataset import Dataset
from flowfa.documents.display import fact_table, one_line
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
from flowfa.settings import ProblemSettings, valid
from flowfa.settings.problem import DEFAULT_WIDTHS, check_kinks

LOSS_FOR_LABELS = {"binary": "exponential", "classes": "cross-entropy", "targets": "squared"}


class Problem:
    """What is simulated: the training flow of one architecture on one data set.

    Parameters
    ----------
    data : Dataset
        Shared by all trajectories, or with a set for each start.
    widths : int or sequence of int
        Widths of the hidden layers, at least one; a number is one hidden layer.
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
    layer_rates : float or sequence of float
        eta_l of each layer, or one for all: dW_l/dt = -eta_l (G_l + lambda_l W_l) (C-8).
    weight_decay : float or sequence of float
        lambda_l of each layer, or one for all, of weights and biases (C-13).
    parametrisation : {"standard", "ntk", "mean-field"}
        ``"ntk"`` and ``"mean-field"`` are short for their starts, which bring rates of layers;
        `layer_rates` multiplies those.

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
    layer_rates, weight_decay : tuple of float
        Of each layer; empty where all rates are 1, and where nothing decays.

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
        widths: int | Sequence[int] = DEFAULT_WIDTHS,
        leak: float | None = None,
        rule: str | Rule | Sequence[str | Rule] = "fa",
        loss: str | Loss | None = None,
        bias: str = ProblemSettings.bias,
        initial: str | RandomStart | GivenStart = ProblemSettings.init,
        smooth_kinks: float | None = ProblemSettings.smooth_kinks,
        activation: str | Activation = ProblemSettings.activation,
        layer_rates: float | Sequence[float] = ProblemSettings.layer_rates,
        weight_decay: float | Sequence[float] = ProblemSettings.weight_decay,
        parametrisation: str = ProblemSettings.parametrisation,
    ) -> None:
        if not isinstance(data, Dataset):
            raise InputError(
                f"the data are {_kind(data)}: expected a Dataset, as flowfa.datasets makes them, "
                "or flowfa.Dataset(X, y)"
            )
        self.data = data
        self.activation = _activation(activation, leak, smooth_kinks)
        self.loss = _loss(loss if loss is not None else LOSS_FOR_LABELS[data.label_kind])
        check_labels(self.loss, data)
        outputs = self.loss.encode(data).shape[-2]
        self.rules = _rules(rule)
        self.initial = _start(initial, valid(ProblemSettings, "parametrisation", parametrisation))
        if isinstance(self.initial, GivenStart):
            self.sizes = self.initial.sizes
            self.has_bias = tuple(bias is not None for bias in self.initial.biases)
            self._check_given(self.initial, outputs)
        else:
            hidden: tuple[int, ...] = (
                valid(ProblemSettings, "width", widths, called="widths") or DEFAULT_WIDTHS
            )
            self.sizes: tuple[int, ...] = (data.dim, *hidden, outputs)
            bias = valid(ProblemSettings, "bias", bias)
            self.has_bias = (bias != "none",) * len(hidden) + (bias == "all",)
        self._set_motion(layer_rates, weight_decay)

    def moving(
        self,
        layer_rates: float | Sequence[float] | None = None,
        weight_decay: float | Sequence[float] | None = None,
    ) -> Problem:
        """Return the problem with other rates of layers, or another weight decay.

        Parameters
        ----------
        layer_rates, weight_decay : float or sequence of float, optional
            As the constructor; those not given stay.

        Raises
        ------
        InputError
            If they do not fit.
        """
        other = copy.copy(self)
        other._set_motion(
            (self.layer_rates or 1.0) if layer_rates is None else layer_rates,
            (self.weight_decay or 0.0) if weight_decay is None else weight_decay,
            own=layer_rates is not None,
        )
        return other

    def _set_motion(
        self,
        layer_rates: float | Sequence[float],
        weight_decay: float | Sequence[float],
        own: bool = True,
    ) -> None:
        """Keep rates and decay; those rates that belong to the start are in unless not `own`."""
        rates = self._of_layers("layer_rates", layer_rates)
        if own and isinstance(self.initial, RandomStart):
            of_start = self.initial.layer_rates(self.sizes)
            rates = tuple(a * b for a, b in zip(rates, of_start, strict=True))
        self.layer_rates = rates if any(rate != 1.0 for rate in rates) else ()
        decay = self._of_layers("weight_decay", weight_decay)
        for rule in self.rules:
            if any(decay) and rule.learned:
                raise InputError(
                    f"the rule {rule.name} learns its feedback, which would decay with the weights "
                    "(C-13), and is followed here without: leave out `weight_decay`, or take the "
                    "rule kolen-pollack-decay, whose feedback decays by itself"
                )
            if self.layer_rates and rule.moves:
                raise InputError(
                    f"the rule {rule.name} moves its feedback, which has no rate of a layer: leave "
                    "out `layer_rates`, and parametrisations that bring rates"
                )
        self.weight_decay = decay if any(decay) else ()

    def _of_layers(self, name: str, value: float | Sequence[float]) -> tuple[float, ...]:
        """Return a number for each layer."""
        given: tuple[float, ...] = valid(ProblemSettings, name, value)
        if len(given) not in (1, self.layers):
            raise InputError(
                f"`{name}` has {len(given)} numbers for {self.layers} layers: give one for all "
                "or one for each"
            )
        return given * self.layers if len(given) == 1 else given

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

    @property
    def targets(self) -> str:
        """What the outputs learn, in words: of whole numbers it depends on the loss."""
        data, outputs = self.data, self.sizes[-1]
        if data.y.ndim == data.X.ndim:
            return f"{outputs} real target{'s' if outputs > 1 else ''} each"
        if data.label_kind == "binary":
            return "labels -1/+1"
        if data.label_kind == "classes" and (data.told_classes or outputs > 1):
            return f"{data.classes} classes"
        return "labels as real targets"

    def takes_given(self, rule: Rule) -> bool:
        """Return whether a given start may bring the matrices that one of the rules keeps.

        One that derives them from its start takes them as the state of a run that goes on; beside
        a rule that has no other source for them, they are that rule's.
        """
        if not rule.keeps or rule.redrawn:
            return False
        return rule.accepts_feedback or not any(
            other.accepts_feedback and other.keeps == rule.keeps for other in self.rules
        )

    def __repr__(self) -> str:
        """Return what is simulated in a line."""
        return one_line("Problem", self._facts())

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return fact_table("Problem", self._facts())

    def _facts(self) -> dict[str, str]:
        biased = [str(layer) for layer, has in enumerate(self.has_bias, start=1) if has]
        smooth = "" if self.smooth_kinks is None else f", kinks smoothed over {self.smooth_kinks:g}"
        samples = f"{self.data.samples} samples, {self.data.dim} features"
        return {
            "data": f"{self.data.name} ({samples})",
            "sizes": f"sizes {'-'.join(map(str, self.sizes))}",
            "leak": f"leak {self.leak:g}{smooth}",
            "bias": f"bias in layer {', '.join(biased)}" if biased else "no bias",
            "rules": f"rules {', '.join(rule.name for rule in self.rules)}",
            "loss": f"{self.loss.name} loss",
            "start": f"{self.initial.name} start",
            **self._motion_facts(),
        }

    def _motion_facts(self) -> dict[str, str]:
        """Return how it moves beside the rule."""
        facts = {}
        if self.layer_rates:
            facts["rates"] = f"rates {' '.join(f'{rate:g}' for rate in self.layer_rates)}"
        if self.weight_decay:
            facts["decay"] = f"decay {' '.join(f'{decay:g}' for decay in self.weight_decay)}"
        if self.data.sample_weights is not None:
            facts["weights"] = "weighted samples"
        return facts

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
        used = {rule.keeps for rule in self.rules if self.takes_given(rule)}
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
    chosen = LOSSES.get(loss)() if isinstance(loss, str) else loss
    if not isinstance(chosen, Loss):
        raise InputError(f"`loss` is {_kind(loss)}: expected a name or a Loss")
    return chosen


def _start(
    initial: str | RandomStart | GivenStart, parametrisation: str
) -> RandomStart | GivenStart:
    if parametrisation != ProblemSettings.parametrisation:
        if initial == ProblemSettings.init:
            initial = parametrisation
        if getattr(initial, "name", initial) != parametrisation:
            shown = initial if isinstance(initial, str) else getattr(initial, "name", initial)
            raise InputError(
                f"`parametrisation` is {parametrisation!r}, which brings a start of its own, and "
                f"`initial` is {shown!r}: give one of them"
            )
    chosen = STARTS.get(initial)() if isinstance(initial, str) else initial
    if not isinstance(chosen, RandomStart | GivenStart):
        raise InputError(
            f"`initial` is {_kind(initial)}: expected a name, or a start such as "
            "flowfa.problems.starts.load_start returns"
        )
    return chosen


def check_problem(problem: object) -> None:
    """Refuse what is no problem, such as the name of a rule.

    Raises
    ------
    InputError
        Saying how a problem is made.
    """
    if not isinstance(problem, Problem):
        raise InputError(
            f"`problem` is {_kind(problem)}: expected a flowfa.Problem, such as "
            'flowfa.Problem(data, rule="fa")'
        )


def _kind(value: object) -> str:
    """Return what a message calls a value of a wrong type."""
    if isinstance(value, type):
        return f"the class {value.__name__} and not an object of it, {value.__name__}(...)"
    return "None" if value is None else f"of type {type(value).__name__}"


def _activation(
    activation: str | Activation, leak: float | None, smooth_kinks: float | None
) -> Activation:
    """Return the activation; leak and smooth_kinks are parameters of the default alone."""
    if activation == LeakyReLU.name:
        slope = valid(ProblemSettings, "leak", ProblemSettings.leak if leak is None else leak)
        width = valid(ProblemSettings, "smooth_kinks", smooth_kinks)
        check_kinks(slope, width)
        return LeakyReLU(slope) if width is None else SmoothedLeakyReLU(slope, width)
    chosen = ACTIVATIONS.get(activation)() if isinstance(activation, str) else activation
    if not isinstance(chosen, Activation):
        raise InputError(f"`activation` is {_kind(activation)}: expected a name or an Activation")
    for name, value in (("leak", leak), ("smooth_kinks", smooth_kinks)):
        if value is not None:
            raise InputError(
                f"`{name}` is {value} and `activation` is {chosen.name!r}: give one of them, since "
                f"`{name}` is of the leaky ReLU"
            )
    return chosen


def _rules(rule: str | Rule | Sequence[str | Rule]) -> tuple[Rule, ...]:
    entries = tuple(rule) if isinstance(rule, Sequence) and not isinstance(rule, str) else (rule,)
    rules = tuple(RULES.get(entry)() if isinstance(entry, str) else entry for entry in entries)
    if not rules:
        raise InputError(f"no rule was given: choose from {', '.join(RULES.names())}")
    for candidate in rules:
        if not isinstance(candidate, Rule):
            raise InputError(
                f"`rule` is {_kind(candidate)}: expected a name ({', '.join(RULES.names())}), a "
                "Rule, or several of these"
            )
    names = [entry.name for entry in rules]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"the rule {name!r} is given twice: name each rule once")
    return rules
