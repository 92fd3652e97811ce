"""What one sweep is asked to do: the flags of ``flowfa deviation`` and the keys of its TOML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import arg

from flowfa.settings.simulation import ProblemFlags, optional_flag

RULES = ("gd", "fa", "adafa", "signfa")
RATES = (0.1, 0.05, 0.025, 0.0125)


@dataclass(frozen=True)
class DeviationConfiguration(ProblemFlags):
    """Measure how far discrete training strays from the flow, and write a report.

    For every rule, width, rate and momentum, from the same starts. The folder of --out gets
    report.html, report.md, figures and deviation.nc. The same names are the keys of a --config
    file; a flag overrides the file.
    """

    rule: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = RULES
    """Learning rules: gd, fa, adafa, signfa, dfa, frsf."""
    widths: Annotated[tuple[int, ...] | None, optional_flag(metavar="INT [INT ...]")] = None
    """Widths of nets of one hidden layer to sweep over, instead of --width."""
    rates: Annotated[tuple[float, ...], arg(metavar="FLOAT [FLOAT ...]")] = RATES
    """Learning rates."""
    edge_multiples: Annotated[tuple[float, ...], arg(metavar="FLOAT [FLOAT ...]")] = ()
    """More rates, as multiples of each rule's stability edge (2 / sharpness under gd)."""
    momenta: Annotated[tuple[float, ...], arg(metavar="FLOAT [FLOAT ...]")] = (0.0,)
    """Heavy-ball momenta, from 0 to below 1; compared at time k rate / (1 - momentum)."""
    refinements: Annotated[tuple[int, ...], arg(metavar="INT [INT ...]")] = ()
    """Elkabetz and Cohen's protocol: the largest rate against itself divided by each, as 2 5 10."""
    t_end: float = 50.0
    """Time of the flow at which the comparison ends."""
    points: int = 50
    """Times at which flow and steps are compared."""
    rtol: float = 1e-7
    """Tolerance that the flow begins with; it is tightened until the flow is exact enough."""
    share: float = 0.01
    """The flow's error must be below this share of the deviation."""
    fresh: int = 50
    """Inputs outside the data on which outputs are compared."""
    threads: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of CPU threads; by default what is measured to be faster on this machine."""
    out: Annotated[str, arg(metavar="DIR")] = "deviation"
    """Folder of the report."""
    overwrite: bool = False
    """Replace existing output."""
    resume: bool = False
    """Go on with an interrupted sweep of the same --out."""
    config: Annotated[str | None, optional_flag(metavar="FILE.toml")] = None
    """TOML file with these settings."""
    quiet: bool = False
    """Print errors only."""
    json: bool = False
    """Print the summary as one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""
