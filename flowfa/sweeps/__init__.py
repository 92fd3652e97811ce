"""Many runs over a grid of settings: each cell one result file, and the disk is the state.

`read_definition` reads a SWEEP.toml; `Plan` says which cells it has; `SweepFolder` is where they
are; `work_through` computes those that are missing, as do any number of workers beside it;
`collect` makes one data set of them.
"""

from flowfa.sweeps.collecting import collect
from flowfa.sweeps.definition import Definition, read_definition
from flowfa.sweeps.folder import SweepFolder
from flowfa.sweeps.plan import Cell, Plan, make_plan
from flowfa.sweeps.work import work_through

__all__ = [
    "Cell",
    "Definition",
    "Plan",
    "SweepFolder",
    "collect",
    "make_plan",
    "read_definition",
    "work_through",
]
