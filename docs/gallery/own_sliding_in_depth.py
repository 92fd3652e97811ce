r"""
Sliding in every layer
======================

In a deep network a neuron of any hidden layer slides while its input on a sample is held at zero by
the flow on both sides (A. F. Filippov, *Differential Equations with Discontinuous Righthand Sides*,
Kluwer, 1988). The event solver follows all such pairs of all layers at once, and the state alone
tells them and their slopes. Random labels make most of them: the network has to remember.
"""

import matplotlib.pyplot as plt

import flowfa
import theory_checks
from flowfa.plots.style import rule_styles

data = flowfa.datasets.gaussian(samples=10, dim=10, seed=1)
problem = flowfa.Problem(data, widths=(12, 12, 12), rule=["gd", "fa"], initial="xavier")
run = flowfa.simulate(problem, 4, t_end=30.0, save=121, observe=["sliding-pairs"])

# %%
# What the states tell at the end is what the solver counted on the way: pairs that began to slide,
# less those that left. Some pair slides at nearly all times, in the upper layers most.
pairs = run.tree["trajectory"]["sliding-pairs"].values[:, :, :3]
solver = run.tree["solver"].to_dataset()
assert (pairs[:, -1].sum(1) == solver["slidings"] - solver["exits"]).all()
share = (pairs.sum(2) > 0).mean(1)
print("share of the times at which some pair slides:", share.round(2))
assert (share > 0.7).all()
assert pairs[:, -1, 1:].mean() > pairs[:, -1, 0].mean()

# %%
# C-1 holds for every neuron of every hidden layer all the same, and Eq-1 at the times of sliding:
# the slopes that hold the pairs are in the gradient.
report = theory_checks.check(run, only=["C-1", "Eq-1"])
assert {report[spec].verdict.value for spec in ("C-1", "Eq-1")} == {"holds"}

# %%
figure, panels = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained", sharey=True)
time = run.tree["trajectory"]["time"].values
styles = rule_styles(["gd", "fa"])
for axes, rule, rows in zip(panels, ("gd", "fa"), (slice(0, 4), slice(4, 8)), strict=True):
    for layer, line in enumerate((":", "--", "-")):
        mean = pairs[rows, :, layer].mean(0)
        axes.plot(time, mean, line, color=styles[rule].color, label=f"layer {layer + 1}")
    axes.set(xlabel="time", title=rule)
panels[0].set_ylabel("pairs that slide, mean of 4 starts")
panels[1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
