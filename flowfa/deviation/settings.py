"""What a study of the deviation is asked to do."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flowfa.errors import InputError
from flowfa.training.saves import MOST_STEPS

FINEST = 1e-10
"""The finest tolerance that the flow is integrated with."""


@dataclass(frozen=True, kw_only=True)
class DeviationSettings:
    """Rates, momenta and times at which steps are compared with the flow.

    Parameters
    ----------
    rates : sequence of float
        eta, positive, each once.
    edge_multiples : sequence of float
        More rates, as multiples of each rule's stability edge (`flowfa.deviation.stability`).
    momenta : sequence of float
        mu, within [0, 1); each is combined with every rate, and its time is k eta / (1 - mu).
    t_end : float
        Time of the flow at which the comparison ends.
    points : int
        Times at which states are compared; no more than there are steps at the largest rate.
    refinements : sequence of int
        r of Elkabetz and Cohen's protocol: the largest rate is also divided by each.
    rtol : float
        Tolerance that the flow begins with; it is tightened until the flow is exact enough.
    share : float
        The flow's error must be below this share of the deviation.
    fresh : int
        Inputs outside the data on which outputs are compared.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    rates: tuple[float, ...] = (0.1, 0.05, 0.025, 0.0125)
    edge_multiples: tuple[float, ...] = ()
    momenta: tuple[float, ...] = (0.0,)
    t_end: float = 50.0
    points: int = 50
    refinements: tuple[int, ...] = ()
    rtol: float = 1e-7
    share: float = 0.01
    fresh: int = 50

    def __post_init__(self) -> None:
        if not self.rates:
            raise InputError("no rate was given: give at least one, such as --rates 0.1 0.05 0.025")
        for rate in self.rates:
            if not 0.0 < rate < math.inf:
                raise InputError(f"the rate is {rate:g}: expected a positive number")
        for momentum in self.momenta:
            if not 0.0 <= momentum < 1.0:
                raise InputError(f"the momentum is {momentum:g}: expected 0 <= momentum < 1")
        for multiple in self.edge_multiples:
            if not 0.0 < multiple < math.inf:
                raise InputError(f"the multiple of the edge is {multiple:g}: expected > 0")
        for name, values in (
            ("rates", self.rates),
            ("momenta", self.momenta),
            ("multiples of the edge", self.edge_multiples),
            ("refinements", self.refinements),
        ):
            if len(set(values)) < len(values):
                raise InputError(
                    f"the {name} are {', '.join(f'{value:g}' for value in values)}: expected each "
                    "value once"
                )
        if not self.momenta:
            raise InputError("no momentum was given: give at least one, such as --momenta 0")
        if not 0.0 < self.t_end < math.inf:
            raise InputError(f"t_end is {self.t_end:g}: expected a positive number")
        if self.points < 2:
            raise InputError(f"points is {self.points}: expected at least 2")
        if any(r < 2 for r in self.refinements):
            raise InputError("a refinement divides a rate by a whole number of at least 2")
        if not FINEST <= self.rtol < 1.0:
            raise InputError(f"rtol is {self.rtol:g}: expected from {FINEST:g} to below 1")
        if not 0.0 < self.share < 1.0:
            raise InputError(f"share is {self.share:g}: expected between 0 and 1")
        if self.fresh < 1:
            raise InputError(f"fresh is {self.fresh}: expected at least 1")
        for momentum in self.momenta:
            longest = max(self.rates) / (1.0 - momentum)
            if longest > self.t_end:
                told = f" with momentum {momentum:g} (time {longest:g})" if momentum else ""
                raise InputError(
                    f"one step at rate {max(self.rates):g}{told} is longer than t_end "
                    f"{self.t_end:g}, so that no step fits: give a smaller rate or a larger t_end"
                )
        most = self.t_end / min(self.all_rates)
        if most > MOST_STEPS:
            raise InputError(
                f"t_end {self.t_end:g} takes {most:.3g} steps at rate {min(self.all_rates):g}: "
                f"expected at most {MOST_STEPS:g}, so give a larger rate or a smaller t_end"
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
