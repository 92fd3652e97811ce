r"""
A law's drift, told apart from the integrator's
===============================================

A computed number is never constant. Whose is its drift, the law's or the integrator's? *A drift
that shrinks with the tolerance is the integrator's, one that does not is the theorem's.*

One flow, two claims. Under ``kolen-pollack`` (J. F. Kolen, J. B. Pollack, *Backpropagation without
weight transport*, IEEE International Conference on Neural Networks, 1994; here without decay) the
feedback gets the increments of the weights: it is :math:`W^\top` plus what it had more at the
start. The law that follows from this form, C-12, is true; that of gradient descent, :math:`\lVert
W_1 \rVert_F^2 - \lVert W_2 \rVert_F^2`, is not.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.plots.style import rule_styles

data = flowfa.datasets.gaussian(samples=10, dim=6, seed=0)
problem = flowfa.Problem(data, widths=8, rule="kolen-pollack", initial="xavier")
tolerances = 10.0 ** -np.arange(2, 8)
drifts = []
for rtol in tolerances:
    record = flowfa.simulate(problem, 4, t_end=20.0, rtol=rtol).tree["trajectory"]
    balance = (record["weight_norm"] ** 2).diff("layer")[..., 0]
    own = record["conservation_drift"][..., 0].max()
    drifts.append((own.item(), abs(balance - balance[:, 0]).max().item()))
own, other = np.array(drifts).T

# %%
# Five decades of tolerance take four decades and more off the one drift, and not a hundredth off
# the other.
print("C-12:", own, "the law of gd:", other)
assert own[-1] < 1e-4 * own[0]
assert abs(other / other[-1] - 1.0)[1:].max() < 0.01 and other[-1] > 0.1

# %%
# ``flowfa check`` makes that comparison for every statement, with two tolerances or more: its
# verdicts are margins against such differences.
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
style = rule_styles(["adafa", "fa"])
for rule, values, label in (("adafa", own, "its own law"), ("fa", other, "the law of gd")):
    looks = {"color": style[rule].color, "linestyle": style[rule].dashes}
    axes.loglog(tolerances, values, marker="o", ms=4.0, label=label, **looks)
axes.invert_xaxis()
axes.set(xlabel="relative tolerance", ylabel="largest drift")
axes.legend(frameon=False)
