"""The settings of a study of the deviation of steps from the flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from flowfa.errors import InputError
from flowfa.settings.limits import (
    at_least,
    from_to_below,
    not_empty,
    path_name,
    positive,
    strict_fraction,
    unique,
)
from flowfa.settings.naming import optional_flag
from flowfa.settings.output import FigureFormat, PresentationSettings, ResumeSettings
from flowfa.settings.problem import ProblemSettings, Rules
from flowfa.settings.recording import ThreadsSettings
from flowfa.settings.training import MOST_STEPS
from flowfa.settings.validation import condition

FINEST = 1e-10
"""The finest tolerance that the flow is integrated with."""


@dataclass(frozen=True)
class DeviationSettings:
    """Rates, momenta and times at which steps are compared with the flow."""

    rates: Annotated[
        tuple[float, ...],
        not_empty("number", "give at least one, such as `rates=(0.1, 0.05, 0.025)`"),
        positive(),
        unique(),
        arg(metavar="FLOAT [FLOAT ...]"),
    ] = (0.1, 0.05, 0.025, 0.0125)
    """Learning rates."""
    edge_multiples: Annotated[
        tuple[float, ...], positive(), unique(), arg(metavar="FLOAT [FLOAT ...]")
    ] = ()
    """More rates, as multiples of each rule's stability edge (2 / sharpness under gd)."""
    momenta: Annotated[
        tuple[float, ...],
        not_empty("number", "give at least one, such as `momenta=0`"),
        from_to_below(0.0, 1.0),
        unique(),
        arg(metavar="FLOAT [FLOAT ...]"),
    ] = (0.0,)
    """Heavy-ball momenta, from 0 to below 1; compared at time k rate / (1 - momentum)."""
    refinements: Annotated[
        tuple[int, ...], at_least(2), unique(), arg(metavar="INT [INT ...]")
    ] = ()
    """Elkabetz and Cohen's protocol: the largest rate against itself divided by each, as 2 5 10."""
    t_end: Annotated[float, positive()] = 50.0
    """Time of the flow at which the comparison ends."""
    points: Annotated[int, at_least(2)] = 50
    """Times at which flow and steps are compared."""
    rtol: Annotated[float, from_to_below(FINEST, 1.0)] = 1e-7
    """Tolerance that the flow begins with; it is tightened until the flow is exact enough."""
    share: Annotated[float, strict_fraction()] = 0.01
    """The flow's error must be below this share of the deviation."""
    fresh: Annotated[int, at_least(1)] = 50
    """Inputs outside the data on which outputs are compared."""

    @condition
    def let_steps_fit(self) -> None:
        """Refuse a rate whose first step is past the end, or one of too many steps."""
        for momentum in self.momenta:
            longest = max(self.rates) / (1.0 - momentum)
            if longest > self.t_end:
                detail = f" with momentum {momentum:g} (time {longest:g})" if momentum else ""
                raise InputError(
                    f"one step at rate {max(self.rates):g}{detail} is longer than `t_end` "
                    f"{self.t_end:g}, so that no step fits: give a smaller rate or a larger `t_end`"
                )
        most = self.t_end / min(self.all_rates)
        if most > MOST_STEPS:
            raise InputError(
                f"`t_end` {self.t_end:g} takes {most:.3g} steps at rate {min(self.all_rates):g}: "
                f"expected at most {MOST_STEPS:g}, so give a larger rate or a smaller `t_end`"
            )

    @property
    def all_rates(self) -> tuple[float, ...]:
        """The rates with those of Elkabetz and Cohen's protocol, each once."""
        largest = max(self.rates)
        refined = [largest / r for r in self.refinements]
        return tuple(dict.fromkeys([*self.rates, *refined]))

    @property
    def last_step(self) -> int:
        """The last step of the largest rate."""
        return max(1, round(self.t_end / max(self.rates)))

    @property
    def compared(self) -> int:
        """Number of times at which states are compared."""
        return min(self.points, self.last_step)


@dataclass(frozen=True)
class SweptProblemSettings(ProblemSettings):
    """The problems of a study: one architecture, or several of one hidden layer."""

    rule: Rules = ("gd", "fa", "adafa", "signfa")
    """Learning rules: gd, fa, adafa, signfa, dfa, frsf."""
    widths: Annotated[
        tuple[int, ...] | None,
        not_empty("number", "give at least one, such as `widths=(15, 50, 200)`"),
        at_least(1),
        unique(),
        optional_flag(metavar="INT [INT ...]"),
    ] = None
    """Widths of nets of one hidden layer to sweep over, instead of --width."""

    @condition
    def say_once_how_wide(self) -> None:
        """Refuse widths to sweep over beside the widths of one network."""
        if self.widths is not None and self.width is not None:
            raise InputError(
                "`widths` sweeps over nets of one hidden layer and `width` says what one net is: "
                "give one of them"
            )


@dataclass(frozen=True)
class ReportSettings:
    """The folder of a report."""

    out: Annotated[str, path_name("the name of a folder"), arg(metavar="DIR")] = "deviation"
    """Folder of the report."""
    format: FigureFormat = None
    """Write the figures as pdf or svg too, at the width of a page of a journal."""


@dataclass(frozen=True)
class DeviationStudySettings(
    PresentationSettings,
    ResumeSettings,
    ReportSettings,
    ThreadsSettings,
    DeviationSettings,
    SweptProblemSettings,
):
    """Measure how far discrete training strays from the flow, and write a report.

    For every rule, width, rate and momentum, from the same starts. The folder of --out gets
    report.html, report.md, figures and deviation.nc. The same names are the keys of a --config
    file; a flag overrides the file.
    """
