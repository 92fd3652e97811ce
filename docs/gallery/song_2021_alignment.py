r"""
Song 2021: alignment needs weight decay
=======================================

G. Song, R. Xu, J. Lafferty, *Convergence and alignment of gradient descent with random
backpropagation weights*, NeurIPS 2021.

A wide network trained by feedback alignment fits its data and hardly turns to its feedback; with
regularisation it becomes aligned.

In a linear network with one output and decay :math:`\lambda` of all weights this is quick to see:
:math:`\dot W_1 = b\, r^\top - \lambda W_1` and :math:`\dot w_2 = W_1 r - \lambda w_2` with
:math:`r = -\mathbb E[\delta x]`. The part of :math:`W_1` across b shrinks as :math:`e^{-\lambda t}`
whatever the data, and where the flow comes to rest :math:`w_2 = b\, \lVert r \rVert^2 / \lambda^2`:
the cosine is 1.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.plots.style import rule_styles
from flowfa.problems.starts import NormalStart

data = flowfa.datasets.gaussian(samples=10, dim=20, seed=0)
network = {"activation": "identity", "loss": "squared", "initial": NormalStart(0.3)}
decays = (0.0, 0.05)
runs = []
for decay in decays:
    problem = flowfa.Problem(data, 200, rule="fa", weight_decay=decay, **network)
    runs.append(flowfa.simulate(problem, 4, t_end=400.0, rtol=1e-8).tree)

# %%
# Without decay all samples are fitted and the cosine stays small; with it the network is aligned.
losses = [run["trajectory"]["loss"][:, -1].values for run in runs]
cosines = [run["trajectory"]["alignment"][..., -1] for run in runs]
print("loss:", *losses, "cosine:", *(cosine[:, -1].values for cosine in cosines))
assert losses[0].max() < 1e-6 and cosines[0][:, -1].max() < 0.3
assert cosines[1][:, -1].min() > 1.0 - 1e-5

# %%
# What is across b shrinks as it should, to ten times the tolerance of the weights.
weights = runs[1]["weights"]
b = weights["B2"].values / np.linalg.norm(weights["B2"], axis=1, keepdims=True)
W1 = weights["W1"].values[:, :2]
across = W1 - b[:, None] @ (b.swapaxes(1, 2)[:, None] @ W1)
shrunk = np.exp(-decays[1] * weights["snapshot_time"].values[:, 1, None, None])
error = abs(across[:, 1] - shrunk * across[:, 0]).max()
print("the part across b is missed by", error)
assert error < 1e-7

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
for rule, cosine, decay in zip(("fa", "adafa"), cosines, decays, strict=True):
    style = rule_styles([rule])[rule]
    lines = axes.plot(cosine["time"], cosine.T, color=style.color, linestyle=style.dashes)
    lines[0].set_label(f"weight decay {decay:g}")
axes.set(xlabel="time", ylabel="cosine of $W_2$ and $B^T$")
axes.legend(frameon=False)
