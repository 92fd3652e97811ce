r"""
Refinetti 2021: align, then memorise
====================================

M. Refinetti, S. d'Ascoli, R. Ohana, S. Goldt, *Align, then memorise: the dynamics of learning with
feedback alignment*, ICML 2021.

Under direct feedback learning begins with an alignment phase, in which weights turn to where update
and gradient agree, and goes on with a phase that fits the data; of all solutions with low loss the
one that is reached is the aligned one.

In a linear network with one output this can be seen in two lines. From a start at zero :math:`W_1 =
D_1 a^\top` with :math:`\dot a = -\mathbb E[\delta x]`, hence :math:`\dot W_2 = (a^\top \dot a) D_2
D_1^\top` and so on: at all times each :math:`W_l` is a positive multiple of :math:`D_l
D_{l-1}^\top`, its cosine with it is 1, and so is that of update and gradient. From a small start it
is so before the loss has moved, from a large one never.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.plots.style import rule_styles
from flowfa.problems.starts import given_start

data = flowfa.datasets.digits(classes=(3, 8), samples=60, seed=0)
random = np.random.default_rng(0)
size = np.array([0.0, 1e-3, 0.3])[:, None, None]
shapes = {"W1": (20, 64), "W2": (20, 20), "W3": (1, 20)}
starts = given_start({k: size * random.standard_normal(shape) for k, shape in shapes.items()})
problem = flowfa.Problem(data, activation="identity", rule="dfa", loss="logistic", initial=starts)
observe = ["direct-alignment", "layer-cosine"]
run = flowfa.simulate(problem, t_end=3000.0, spacing="log", first_save=0.1, observe=observe)

# %%
# From zero the cosines of all layers are 1 to rounding, once there are weights.
record = run.tree["trajectory"]
alignment = record["direct-alignment"][:, 1:, 1:].min("layer")
cosine = record["layer-cosine"][:, 1:].min("layer")
print("from zero the cosines are 1 to", abs(1.0 - alignment[0]).max().item())
assert abs(1.0 - alignment[0]).max() < 1e-9 and abs(1.0 - cosine[0]).max() < 1e-9

# %%
# First alignment, then the loss: when this has fallen by a twentieth, the small start has come to
# 0.95, the large one not to 0.5. Both fit the data in the end.
loss = record["loss"][:, 1:]
moved = (loss < 0.95 * loss.isel(time=0)).argmax("time")
print("alignment when the loss has fallen by a twentieth:", alignment.isel(time=moved).values)
assert alignment.isel(time=moved)[1] > 0.95
assert alignment.isel(time=moved)[2] < 0.5
assert (loss[:, -1] < 0.05).all() and alignment[1, -1] > 0.99 and alignment[2, -1] < 0.9

# %%
figure, panels = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained")
for row, (rule, label) in enumerate((("gd", "zero"), ("fa", "1e-3"), ("adafa", "0.3"))):
    style = rule_styles([rule])[rule]
    lines = {"color": style.color, "linestyle": style.dashes, "label": f"start {label}"}
    panels[0].plot(record["time"][1:], loss[row], **lines)
    panels[1].plot(record["time"][1:], alignment[row], **lines)
panels[0].set(xscale="log", xlabel="time", ylabel="loss")
panels[1].set(xscale="log", xlabel="time", ylabel="least alignment of a layer")
panels[0].legend(frameon=False)
