"""What one training run is asked to do: the flags of ``flowfa train`` and the keys of its TOML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from flowfa.settings.simulation import ProblemFlags, figure_of, optional_flag


@dataclass(frozen=True)
class TrainConfiguration(ProblemFlags):
    """Train (leaky) ReLU networks in discrete steps, rules, rates and momenta side by side.

    The problems, starts and records are those of flowfa simulate; the rule brsf is here only.
    Writes a result file and a figure. The same names are the keys of a --config file; a flag
    overrides the file.
    """

    rate: Annotated[tuple[float, ...], arg(metavar="FLOAT [FLOAT ...]")] = (0.05,)
    """Learning rates; every start is trained at each."""
    steps: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of steps, by default 1000."""
    t_end: Annotated[float | None, optional_flag(metavar="FLOAT")] = None
    """Train to this time instead, the sum of the rates: a whole number of steps at each rate."""
    momentum: Annotated[tuple[float, ...], arg(metavar="FLOAT [FLOAT ...]")] = (0.0,)
    """Heavy-ball momenta, from 0 to below 1; each is combined with every rate."""
    weight_decay: float = 0.0
    """Weight decay, of weights and biases."""
    batch_size: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Samples of a minibatch; by default all."""
    schedule: Annotated[str, arg(metavar="SCHEDULE")] = "constant"
    """constant; 2@100,250: halved at these steps; 10@every:1000: divided by 10 every 1000 steps."""
    save: int = 200
    """Most recorded steps, both ends included."""
    spacing: Annotated[str, arg(metavar="linear|log")] = "linear"
    """Spacing of the recorded steps."""
    snapshots: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of recorded steps at which all weights are kept, both ends included; by default 5."""
    keep_every_step: bool = False
    """Record every step, with all weights."""
    observe: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]")] = ()
    """Observables to record beside the usual ones, such as normalised-margin."""
    device: str = "cpu"
    """Where to compute: cpu, cuda, cuda:1, ..."""
    dtype: Annotated[str, arg(metavar="float64|float32")] = "float64"
    """Floating point type."""
    threads: Annotated[int | None, optional_flag(metavar="INT")] = None
    """Number of CPU threads; by default what is measured to be faster on this machine."""
    out: Annotated[str, arg(metavar="RUN.nc")] = "run.nc"
    """Result file."""
    plot: Annotated[str | None, optional_flag(metavar="FIGURE|none")] = None
    """Figure (.png, .pdf or .svg), by default RUN.png beside the result; none for no figure."""
    check: Annotated[bool, arg(help_behavior_hint="")] = True
    """Skip the verdicts on the statements about discrete training (C-11)."""
    overwrite: bool = False
    """Replace existing output."""
    resume: bool = False
    """Go on from the checkpoint of an interrupted run with the same --out."""
    checkpoint_every: float = 15.0
    """Seconds between checkpoints."""
    config: Annotated[str | None, optional_flag(metavar="FILE.toml")] = None
    """TOML file with these settings."""
    quiet: bool = False
    """Print errors only."""
    json: bool = False
    """Print the summary as one JSON document."""
    debug: bool = False
    """Show the traceback of an error."""

    @property
    def figure(self) -> Path | None:
        """Where the figure goes: beside the run if not said otherwise; None for no figure."""
        return figure_of(self.out, self.plot)
