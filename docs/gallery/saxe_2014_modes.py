r"""
Saxe 2014: modes of a deep linear network
=========================================

A. M. Saxe, J. L. McClelland, S. Ganguli, *Exact solutions to the nonlinear dynamics of learning in
deep linear neural networks*, ICLR 2014.

White inputs, two linear layers, a start that is balanced and aligned with the singular vectors of
the map to be learnt: each singular value is then learnt by itself, along a sigmoid, the stronger
the earlier,

.. math::

    a(t) = \frac{s}{1 + (s / a_0 - 1)\, e^{-2 s t}} .
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.plots.style import rule_styles
from flowfa.problems.starts import given_start

random = np.random.default_rng(0)
U, V, R, Q = (np.linalg.qr(random.standard_normal(s))[0] for s in ((6, 4), (8, 4), (5, 4), (30, 8)))
s, a0 = np.array([3.0, 2.0, 1.0, 0.5]), 1e-3
X = np.sqrt(30) * Q
data = flowfa.Dataset(X, X @ V * s @ U.T)
start = given_start({"W1": np.sqrt(a0) * R @ V.T, "W2": np.sqrt(a0) * U @ R.T})
problem = flowfa.Problem(data, activation="identity", rule=("gd", "fa"), initial=start)
run = flowfa.simulate(problem, 1, t_end=12.0, rtol=1e-8, observe=["singular-values"])

# %%
# A mode is the square of a singular value of the first layer. It is compared with the closed form
# at all 200 times: 1e-7 is ten times the tolerance.
modes = run.tree["neurons"]["singular-values"][:, :, :4] ** 2
time = run.tree["trajectory"]["time"].values[:, None]
exact = s / (1.0 + (s / a0 - 1.0) * np.exp(-2.0 * s * time))
error = abs(modes - exact).max(("time", "neuron")).values
print("largest distance to the closed form, gd and fa:", error)
assert error[0] < 1e-7

# %%
# Under feedback alignment modes are learnt too, but not these.
assert error[1] > 0.5

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
styles = rule_styles(f"gd, {strength}" for strength in s).values()
for mode, style in enumerate(styles):
    axes.plot(time, modes[0, :, mode], color=style.color, lw=2.4, label=f"s = {s[mode]:g}")
axes.plot(time, exact, color="#D55E00", linestyle=":", lw=1.2, label=["closed form"] + 3 * ["_"])
axes.set(xlabel="time", ylabel="strength of the mode")
axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
