r"""
A phase diagram
===============

Where in the plane of width and size of a random start do weights align with their feedback? A
sweep, each cell a run of two rules from four starts.

There is a theorem about the whole plane, Proposition 5.3 of Z. Robertson, O. Koyejo, *Implicit
regularization in feedback alignment learning mechanisms for neural networks*, ICML 2024 (P-1):
under signfa the cosine is at least one over the square root of the number of weights, from any
start. Under feedback alignment nothing is promised, and large starts stay where they are.

On the command line these are ``flowfa sweep phase.toml``, ``flowfa sweep collect phase`` and
``flowfa plot phase.nc``.
"""

import tempfile

import flowfa
from flowfa.sweeps import SweepFolder, collect, make_plan, work_through
from flowfa.sweeps.definition import parse_definition

settings = {"samples": 10, "dim": 40, "t_end": 20.0, "save": 20, "trajectories": 4}
document = {
    "settings": {**settings, "init": "normal"},
    "grid": {
        "rule": [["fa", "signfa"]],
        "width": [5, 10, 20, 40],
        "init_scale": [0.1, 0.2, 0.4, 0.8, 1.6],
    },
}
plan = make_plan(parse_definition(document, "this page"))
with tempfile.TemporaryDirectory() as folder:
    cells = SweepFolder(folder)
    cells.begin(plan)
    work_through(cells, plan)
    sweep = collect(cells, plan)
assert (sweep["status"] == "done").all()

# %%
# The bound holds in all cells under signfa. It says something, since in some under fa it does not.
cosine = sweep["alignment"].isel(layer=-1)
room = cosine - sweep["width"].astype(float) ** -0.5
signs = sweep["trajectory_rule"] == "signfa"
print(
    "least alignment minus bound:", room.where(signs).min().item(), room.where(~signs).min().item()
)
assert room.where(signs).min() > 0.0
assert room.where(~signs).min() < 0.0

# %%
# Final alignment, the median of four starts.
flowfa.plots.phase_diagram(sweep, "alignment", over=("init_scale", "width"))
