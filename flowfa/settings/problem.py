"""What is simulated: rules, network, data and start, the settings of every kind of run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import arg

from flowfa.errors import InputError
from flowfa.settings.imports import ImportSettings
from flowfa.settings.limits import (
    at_least,
    fraction,
    not_empty,
    not_negative,
    one_of,
    positive,
    two_or_more,
    unique,
)
from flowfa.settings.naming import optional_flag
from flowfa.settings.validation import condition

DEFAULT_WIDTHS = (100,)
Rules = Annotated[
    tuple[str, ...],
    not_empty("name", 'give one rule or several, such as `rule=("gd", "fa")`'),
    unique(),
    arg(metavar="NAME [NAME ...]"),
]


@dataclass(frozen=True)
class SeedSettings:
    """Where randomness comes from."""

    seed: Annotated[int, at_least(0)] = 0
    """Seed of everything random."""


@dataclass(frozen=True)
class StartsSettings(SeedSettings):
    """How many starts, and which."""

    trajectories: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Number of starts, by default 8, or as many as files have; each rule runs from every one.
    Start i is the same whatever their number."""


@dataclass(frozen=True)
class RulesSettings:
    """Rules and widths."""

    rule: Rules = ("fa",)
    """Learning rules, side by side from the same starts: gd, fa, adafa, signfa, dfa, frsf,
    kolen-pollack, kolen-pollack-decay, weight-mirror, drtp, low-rank-fa, low-rank-dfa."""
    width: Annotated[
        tuple[int, ...] | None,
        not_empty("number", "give one width for each hidden layer"),
        at_least(1),
        optional_flag(metavar="INT [INT ...]"),
    ] = None
    """Width of each hidden layer, by default 100; several numbers make several hidden layers."""


@dataclass(frozen=True)
class DatasetSettings:
    """Which data."""

    dataset: Annotated[str, arg(metavar="NAME|FILE.npz")] = "nearly-orthogonal"
    """nearly-orthogonal, orthogonally-separable, gaussian, mixture, digits, mnist, cifar100,
    tiny-imagenet, or file of X and y."""


@dataclass(frozen=True)
class GeneratorSettings:
    """Arguments of the generators of data sets, under their names; None: the generator's own."""

    samples: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Number of samples n; by default the data set's own."""
    dim: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Number of features d; by default the data set's own."""
    gamma: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Near orthogonality (D-2) of nearly-orthogonal data."""
    norm_ratio: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Greatest over least norm of nearly-orthogonal samples."""
    lambda_: Annotated[float | None, positive(), optional_flag(name="lambda", metavar="FLOAT")] = (
        None
    )
    """Separation (D-1) of orthogonally-separable data."""
    kind: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """Kind of orthogonally-separable data: strict (D-1) or phuong-lampert."""
    components: Annotated[int | None, at_least(2), optional_flag(metavar="INT")] = None
    """Number of classes of a mixture: two give labels -1/+1, more give class numbers."""
    separation: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Distance of the means of a mixture."""
    label_noise: Annotated[float | None, fraction(), optional_flag(metavar="FLOAT")] = None
    """Fraction of labels that are wrong, of data sets that have such noise."""
    noise_kind: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """Label noise of images: uniform-other (default), uniform or pair-flip."""
    classes: Annotated[
        tuple[int, ...] | None,
        two_or_more("class(es)", "give two or more, as in `classes=(3, 8)`"),
        at_least(0),
        unique(),
        optional_flag(metavar="INT [INT ...]"),
    ] = None
    """Which classes of digits or images: a pair gives labels -1/+1, more give class numbers."""
    random_classes: Annotated[int | None, at_least(2), optional_flag(metavar="INT")] = None
    """How many random classes of images, instead of --classes."""
    split: Annotated[str | None, optional_flag(metavar="train|test")] = None
    """Which images of an image set, by default train."""
    size: Annotated[int | None, at_least(1), optional_flag(metavar="INT")] = None
    """Height and width that images are resized to; by default their own."""


@dataclass(frozen=True)
class ImageFolderSettings:
    """Where image sets are."""

    data_dir: Annotated[str | None, optional_flag(metavar="FOLDER")] = None
    """Folder of the image sets; by default that in FLOWFA_DATA."""


@dataclass(frozen=True)
class DataSettings(ImageFolderSettings, GeneratorSettings):
    """Options of data sets."""


DATA_OPTIONS = tuple(entry.name for entry in dataclasses.fields(DataSettings))


@dataclass(frozen=True)
class MotionSettings:
    """What the rule's update becomes: rates and decay of layers, weights of samples."""

    layer_rates: Annotated[
        tuple[float, ...],
        not_empty("number", "give one rate for all layers or one for each"),
        positive(),
        arg(metavar="FLOAT [FLOAT ...]"),
    ] = (1.0,)
    """Rate of each layer, or one for all (C-8): dW/dt = -rate (G + decay W), times --rate in
    training."""
    weight_decay: Annotated[
        tuple[float, ...],
        not_empty("number", "give one number for all layers or one for each, 0 for none"),
        not_negative(),
        arg(metavar="FLOAT [FLOAT ...]"),
    ] = (0.0,)
    """Weight decay of each layer, or one for all, of weights and biases (C-13)."""
    sample_weights: Annotated[
        tuple[float, ...] | None,
        not_empty("number", "give one number for each sample, or leave it out"),
        not_negative(),
        optional_flag(metavar="FLOAT [FLOAT ...]"),
    ] = None
    """How much each sample counts in the mean loss; a file of data may hold them instead."""
    parametrisation: Annotated[
        str, one_of("standard", "ntk", "mean-field"), arg(metavar="standard|ntk|mean-field")
    ] = "standard"
    """ntk, mean-field: initial scales and rates of layers of that parametrisation; --init-scale is
    the standard deviation of its own weights, by default 1."""


@dataclass(frozen=True)
class ProblemSettings(
    MotionSettings, DataSettings, DatasetSettings, StartsSettings, RulesSettings, ImportSettings
):
    """Network, data and start."""

    fresh_data: bool = False
    """Give each start a data set of its own instead of one for all."""
    activation: Annotated[str, arg(metavar="NAME")] = "leaky-relu"
    """Activation of hidden layers: leaky-relu, identity, squared-relu, tanh."""
    leak: Annotated[float, fraction("a slope between 0 (ReLU) and 1 (linear)")] = 0.1
    """Slope of the leaky ReLU for z <= 0, from 0 (ReLU) to 1 (linear)."""
    smooth_kinks: Annotated[float | None, positive(), optional_flag(metavar="EPS")] = None
    """Blend the slope over -EPS..EPS, for solvers that chatter in deep nets; by default exact."""
    loss: Annotated[str | None, optional_flag(metavar="NAME")] = None
    """exponential (default for labels -1/+1), logistic, cross-entropy (classes) or squared."""
    bias: Annotated[str, one_of("none", "hidden", "all"), arg(metavar="none|hidden|all")] = "none"
    """Which layers have a bias."""
    init: Annotated[str, arg(metavar="NAME|FILE.npz")] = "aligned"
    """Start: aligned (satisfies Lemma 5.4), xavier, normal, balanced, ntk, mean-field, or a file
    with W1, W2, ..."""
    init_scale: Annotated[float | None, positive(), optional_flag(metavar="FLOAT")] = None
    """Scale of a normal, balanced, ntk or mean-field start; by default the start's own."""
    signfa_scale: Annotated[float | Literal["xavier"], positive(), arg(metavar="FLOAT|xavier")] = (
        1.0
    )
    """Scale s of signfa's feedback s sign(W)^T."""

    @condition
    def smooth_only_kinks(self) -> None:
        """Refuse a width of kinks where there are none."""
        check_kinks(self.leak, self.smooth_kinks)


def check_kinks(leak: float, smooth_kinks: float | None) -> None:
    """Refuse to smooth the kinks of a linear network.

    Raises
    ------
    InputError
        If `leak` is 1 and `smooth_kinks` is given.
    """
    if smooth_kinks is not None and leak == 1.0:
        raise InputError(
            f"`smooth_kinks` is {smooth_kinks} but `leak` is 1, which has no kinks: leave it out"
        )
