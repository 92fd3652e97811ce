r"""
Phuong and Lampert 2020: two directions
=======================================

M. Phuong, C. H. Lampert, *The inductive bias of ReLU networks on orthogonally separable data*, ICLR
2021.

Samples of one class have positive inner products, those of different classes none. Whatever the
width, gradient flow from a small start makes the ReLU network a combination of two max-margin
classifiers, one of the positive samples and one of the negative ones: every neuron that is left
points in the direction of greatest margin of the class that its output weight stands for.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.datasets.margin import margin_of
from flowfa.flow.layer_observables import neuron_cosine
from flowfa.plots.style import rule_styles
from flowfa.problems.starts import BalancedStart

data = flowfa.datasets.orthogonally_separable(10, 6, kind="phuong-lampert", seed=0)
toward = [neuron_cosine(margin_of(data.X[data.y == sign]).direction) for sign in (1.0, -1.0)]
start = BalancedStart(1e-3)
problem = flowfa.Problem(data, 12, leak=0.0, rule="gd", loss="logistic", initial=start)
observe = {"toward-positive": toward[0], "toward-negative": toward[1]}
run = flowfa.simulate(
    problem, 1, t_end=1e40, spacing="log", first_save=1.0, rtol=1e-6, observe=observe
)

# %%
# The output :math:`\sum_j a_j w_j \cdot x` grows as log t, and with it the square of each norm. A
# neuron is pulled by :math:`\lvert a_j \rvert = \lVert w_j \rVert` along a direction that tends to
# the one of greatest margin, so that its angle with that falls as :math:`1 / \lVert w_j \rVert \sim
# (\log t)^{-1/2}`, or faster: from t = 1e20 to 1e40 by the square root of two at least, of which 2
# percent are left out here because these times are finite. A direction with a wrong limit would
# have the ratio 1. Neurons without a positive input on any sample never move, and do not count.
cosines = run.tree["neurons"]
positive = run.tree["weights"]["W2"].values[0, 0, 0] > 0.0
own = np.where(positive, cosines["toward-positive"][0], cosines["toward-negative"][0])
other = np.where(positive, cosines["toward-negative"][0], cosines["toward-positive"][0])
norms = np.linalg.norm(run.tree["weights"]["W1"][0, -1], axis=1)
left = norms > 0.01 * norms.max()
angles = np.degrees(np.arccos(own[:, left]))
half = np.searchsorted(run.tree["trajectory"]["time"], 1e20)
print(f"{left.sum()} neurons left, {angles[-1]} degrees at the end, {angles[half]} half-way")
assert left.sum() >= 2 and angles[-1].max() < 5.0
assert (angles[half] / angles[-1]).min() > 0.98 * np.sqrt(2.0)

# %%
# At the start they point anywhere, and at the end none points to the other class.
assert own[0, left].max() < 0.9
assert other[-1, left].max() < 0.5

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
for neurons, rule, label in ((positive, "fa", "positive"), (~positive, "adafa", "negative")):
    style = rule_styles([rule])[rule]
    chosen = angles[1:, neurons[left]]
    lines = axes.plot(cosines["time"][1:], chosen, color=style.color, linestyle=style.dashes)
    lines[0].set_label(f"neurons of the {label} class")
axes.set(xscale="log", yscale="log", xlabel="time", ylabel="degrees from the margin direction")
axes.minorticks_off()
axes.set_yticks([1, 3, 10, 30, 90], ["1", "3", "10", "30", "90"])
axes.legend(frameon=False)
