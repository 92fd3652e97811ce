r"""
Boursier 2022: from saddle to saddle
====================================

E. Boursier, L. Pillaud-Vivien, N. Flammarion, *Gradient flow dynamics of shallow ReLU networks for
square loss and orthogonal inputs*, NeurIPS 2022.

With orthogonal inputs and a small start the gradient flow of a ReLU network goes from the saddle at
zero to a second one, where only samples of one sign are fitted, and from there to zero loss; and as
the start shrinks, the network that it finds tends to an interpolating one of least norm.

Both have a number. At the second saddle the loss is :math:`\frac1{2n} \sum_{y_k < 0} y_k^2`. For
orthonormal inputs the least :math:`\lVert \theta \rVert^2` is :math:`2 (\lVert \beta_+ \rVert +
\lVert \beta_- \rVert)`, :math:`\beta_\pm` being the sum of :math:`y_k x_k` over the samples with
:math:`\pm y_k > 0`: a neuron adds at most :math:`\lvert a_j \rvert \lVert w_j \rVert \lVert
\beta_\pm \rVert` to :math:`\sum_k y_k f(x_k) = \lVert \beta_\pm \rVert^2` over these samples, and
two neurons attain it. One that begins inactive on a sample stays so, since its input on it moves by
that sample alone: 60 neurons, so that for each sign one is active on all samples of that sign.
"""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import flowfa
from flowfa.plots.style import rule_styles
from flowfa.problems.starts import BalancedStart

random = np.random.default_rng(0)
X = np.linalg.qr(random.standard_normal((8, 6)))[0].T
y = np.array([1.5, 1.2, 1.0, -0.7, -0.6, -0.5])
scales = (1.0, 1e-4, 1e-8)
runs = []
for scale in scales:
    start = BalancedStart(scale)
    problem = flowfa.Problem(flowfa.Dataset(X, y), 60, leak=0.0, rule="gd", initial=start)
    run = flowfa.simulate(problem, 1, t_end=300.0, save=400, rtol=1e-7)
    runs.append(run.tree["trajectory"].to_dataset())
run = xr.concat(runs, "trajectory")

# %%
# A start of size 1e-8 ends less than 1 % above the least norm, several times closer than one of
# 1e-4; one of size 1 fits the data as well, and forgets nothing of where it began.
least = 2.0 * sum(np.linalg.norm((sign * y).clip(0.0) @ X) for sign in (1.0, -1.0))
excess = (run["weight_norm"][:, -1] ** 2).sum("layer") / least - 1.0
print("above the least norm by", excess.values)
assert (run["loss"][:, -1] < 1e-12).all()
assert 0.0 <= excess[2] < 0.01 and excess[2] < excess[1] / 3.0
assert excess[0] > 10.0

# %%
# The saddle: for a twentieth of the 300 and more the loss of the small start is its number, to
# 1 %, and the gradient nearly vanishes; the large start never comes by.
saddle = (y[y < 0.0] ** 2).sum() / (2 * len(y))
near = abs(run["loss"] / saddle - 1.0) < 0.01
print("share of the time at the saddle:", near.mean("time").values)
assert near[2].mean() > 0.05 and run["gradient_norm"][2][near[2]].min() < 1e-3
assert not near[0].any()

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
styles = rule_styles(f"gd, {scale:g}" for scale in scales).values()
for row, style in enumerate(styles):
    label = f"start of size {scales[row]:g}"
    axes.plot(run["time"], run["loss"][row], color=style.color, lw=style.width, label=label)
axes.axhline(saddle, color="#D55E00", linestyle=":", label="loss at the second saddle")
axes.set(xlabel="time", ylabel="loss", xlim=(0.0, 150.0), ylim=(0.0, 0.6))
axes.legend(frameon=False)
