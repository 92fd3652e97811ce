r"""
Lillicrap 2016: the angle
=========================

T. P. Lillicrap, D. Cownden, D. B. Tweed, C. J. Akerman, *Random synaptic feedback weights support
error backpropagation for deep learning*, Nature Communications 7, 2016.

Their first example: a linear network of sizes 30-20-10 learns a linear map by feedback alignment.
The forward weights come to meet the random feedback, so that what the hidden layer is told is less
than 90 degrees from what backpropagation would tell it.

Why: by the matrix law C-5 :math:`W_1 W_1^\top - B W_2 - (B W_2)^\top` is constant. From a start at
zero, which backpropagation would never leave, it is zero, and its trace says :math:`2 \langle W_2,
B^\top \rangle = \lVert W_1 \rVert_F^2 > 0`.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.plots.style import rule_styles
from flowfa.problems.starts import given_start

random = np.random.default_rng(0)
X = random.standard_normal((200, 30))
data = flowfa.Dataset(X, X @ random.standard_normal((30, 10)) / np.sqrt(30))
zero = given_start({"W1": np.zeros((20, 30)), "W2": np.zeros((10, 20))})
problem = flowfa.Problem(data, activation="identity", rule="fa", initial=zero)
run = flowfa.simulate(
    problem, 4, t_end=50.0, spacing="log", first_save=0.1, rtol=1e-8, observe=["layer-cosine"]
)

# %%
# The law, to a hundred times the tolerance, and the angles.
weights = run.tree["weights"]
product = weights["B2"].values @ weights["W2"][:, -1].values
square = weights["W1"][:, -1].values @ weights["W1"][:, -1].values.swapaxes(1, 2)
record = run.tree["trajectory"]
after = record["time"].values > 0.0
angles = np.degrees(np.arccos(record["layer-cosine"][:, after, 0]))
feedback = np.degrees(np.arccos(record["alignment"][:, after, 1]))
print("the law is missed by", abs(square - product - product.swapaxes(1, 2)).max())
print(
    "largest angle of update and gradient:",
    angles.max().item(),
    "of W_2 and B:",
    feedback.max().item(),
)
assert abs(square - product - product.swapaxes(1, 2)).max() < 1e-6
assert feedback.max() < 90.0 and angles.max() < 90.0
assert (record["loss"][:, -1] < 1e-4).all()

# %%
# Where the start is large instead, the constant of the law is not zero, and nothing keeps angles
# small: some begin obtuse.
far = flowfa.Problem(data, 20, activation="identity", rule="fa", initial="xavier")
begun = flowfa.simulate(far, 8, t_end=0.1, observe=["layer-cosine"]).tree["trajectory"]
assert (begun["layer-cosine"][:, 0, 0] < 0.0).any()

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
style = rule_styles(["fa", "adafa"])
pairs = (("fa", angles, "update and gradient"), ("adafa", feedback, "$W_2$ and $B^T$"))
for rule, values, label in pairs:
    looks = {"color": style[rule].color, "linestyle": style[rule].dashes}
    axes.plot(record["time"][after], values.T, label=[label] + 3 * ["_"], **looks)
axes.axhline(90.0, color="black", linestyle=":")
axes.set(xscale="log", xlabel="time", ylabel="angle in degrees", ylim=(0.0, 95.0))
axes.legend(frameon=False)
