r"""
Lyu and Li 2020: the margin at late time
========================================

K. Lyu, J. Li, *Gradient descent maximizes the margin of homogeneous neural networks*, ICLR 2020.

Once the loss is small enough for all samples to be classified, the smoothed margin :math:`\log(1 /
\sum_k e^{-y_k f_k}) / \lVert \theta \rVert^2` of a network with one hidden layer never falls along
gradient flow. It tends to the normalised margin, and the loss falls as :math:`1 / (t \log t)`, not
as :math:`1 / t`.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.plots.style import rule_styles

data = flowfa.datasets.gaussian(samples=12, dim=8, seed=0)
problem = flowfa.Problem(data, widths=10, rule=("gd", "fa"), initial="xavier")
run = flowfa.simulate(
    problem,
    trajectories=3,
    t_end=1e40,
    spacing="log",
    first_save=1.0,
    rtol=1e-6,
    observe=["normalised-margin"],
).tree["trajectory"]

# %%
# From the first time at which the sum of the exponentials is below 1. The margin is about 0.05 and
# the tolerance 1e-6 of it, so that a fall of 1e-7 would be a fall; under feedback alignment there
# is one.
total = data.samples * run["loss"]
margin = -np.log(total) / (run["weight_norm"] ** 2).sum("layer")
steps = margin.diff("time").where(total.shift(time=1) < 1.0)
gd = (run["rule"] == "gd").values
least = (steps[gd].min().item(), steps[~gd].min().item())
print("least step of the smoothed margin, gd and fa:", least)
assert steps[gd].min() > -1e-7
assert steps[~gd].min() < -1e-5

# %%
# At t = 1e40 the smoothed margin is the normalised one, of which ``normalised-margin`` is twice
# (its divisor is the product of norms that have become equal), up to :math:`\log n` over
# :math:`\log 1 / \sum_k e^{-y_k f_k}`, 3 % here. And the loss: from t = 1e20 to 1e40 the logarithm
# doubles, so that :math:`t\, \mathrm{Loss}` halves, while :math:`t \log t\, \mathrm{Loss}` stays to
# 1 %.
gap = (0.5 * run["normalised-margin"] / margin)[gd, -1] - 1.0
scaled = run["loss"] * run["time"]
early, late = scaled.sel(time=1e20, method="nearest"), scaled.sel(time=1e40)
logarithms = np.log(late["time"]) / np.log(early["time"])
ratio = (late / early)[gd]
print("smoothed and normalised margin differ by", gap.values)
print("t Loss changes by", ratio.values, "and t log t Loss by", (ratio * logarithms).values)
assert (gap > 0.0).all() and (gap < 0.03).all()
assert (abs(ratio - 0.5) < 0.01).all()
assert (abs(ratio * logarithms - 1.0) < 0.01).all()

# %%
figure, panels = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained")
for rule, style in rule_styles(["gd", "fa"]).items():
    rows = (run["rule"] == rule).values
    lines = {"color": style.color, "linestyle": style.dashes}
    panels[0].plot(run["time"], margin[rows].where(total[rows] < 1.0).T, **lines)
    panels[1].plot(
        run["time"][1:], (scaled[:, 1:] * np.log(run["time"][1:]))[rows].T, label=rule, **lines
    )
panels[0].set(xscale="log", xlabel="time", ylabel="smoothed margin", ylim=(0.0, None))
panels[1].set(
    xscale="log", yscale="log", xlabel="time", ylabel=r"$t\,\log t\,$Loss", xlim=(10.0, None)
)
handles, labels = panels[1].get_legend_handles_labels()
panels[1].legend(handles[::3], labels[::3], frameon=False)
