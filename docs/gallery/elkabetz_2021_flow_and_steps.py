r"""
Elkabetz and Cohen 2021: the flow, and the steps
================================================

O. Elkabetz, N. Cohen, *Continuous vs. discrete optimization of deep neural networks*, NeurIPS 2021.

Gradient descent is Euler's method for gradient flow. How far it strays depends on the curvature
along the flow, and in deep linear networks that is benign: descent stays near and reaches the
minimum that the flow reaches. While steps are short against the curvature, the distance is a first
power of the rate; beyond the stability edge, 2 over the sharpness, there is no such thing.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
from flowfa.plots.style import rule_styles

data = flowfa.datasets.orthogonally_separable(samples=6, dim=4, seed=0)
problem = flowfa.Problem(data, (6, 6), leak=1.0, rule="gd", loss="squared", initial="xavier")
times = {"t_end": 16.0, "save": 17, "snapshots": 17}
flow = flowfa.simulate(problem, 1, rtol=1e-9, observe=["sharpness"], **times).tree
rates = np.array([1.0, 0.2, 0.1, 0.05, 0.025])
steps = flowfa.train(problem, 1, rate=rates, **times).tree

# %%
# The distance of all weights at the same times, and its power in the rate, for the rates of a tenth
# of the edge and less.
names = ("W1", "W2", "W3")
squares = [(steps["weights"][k].values - flow["weights"][k].values) ** 2 for k in names]
distance = np.sqrt(sum(square.sum((2, 3)) for square in squares))
edge = 2.0 / flow["trajectory"]["sharpness"].max().item()
powers = np.diff(np.log(distance[1:].max(1))) / np.diff(np.log(rates[1:]))
print(
    f"stability edge {edge:.3f}; largest distances", distance.max(1), "powers of the rate", powers
)
assert rates[1] < edge / 4.0 < edge < rates[0]
assert (abs(powers - 1.0) < 0.1).all() and distance[1:].max() < 0.05

# %%
# The losses at the end are those of the flow, to a hundredth; above the edge it is not so.
losses = steps["trajectory"]["loss"][:, -1] / flow["trajectory"]["loss"][0, -1].item()
print("loss at the end over that of the flow:", losses.values)
assert (abs(losses[1:] - 1.0) < 0.01).all()
assert not abs(losses[0] - 1.0) < 0.5

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
for row, style in enumerate(rule_styles(f"gd, {rate}" for rate in rates[1:]).values(), 1):
    line = {"color": style.color, "lw": style.width, "label": f"rate {rates[row]:g}"}
    axes.plot(flow["trajectory"]["time"][1:], distance[row, 1:], **line)
axes.set(yscale="log", xlabel="time", ylabel="distance of the steps to the flow")
axes.legend(frameon=False, ncols=2)
