r"""
A theorem broken by one hypothesis
==================================

Lemma 5.4 of Z. Robertson, O. Koyejo, *Implicit regularization in feedback alignment learning
mechanisms for neural networks*, ICML 2024 (L-1), asks for :math:`\kappa_j = b_j w_j(0) - \tfrac12
\lVert w_{in,j}(0) \rVert^2 \ge 0` of **every** neuron, and promises that output weights keep the
signs of the feedback. What does the hypothesis do? The output weights of four starts have these
signs; one neuron of five has larger and larger in-weights, which point against the data and will
have to shrink, and its :math:`\kappa` goes through zero. Everything else stays.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
import theory_checks
from flowfa.plots.style import rule_styles
from flowfa.problems.starts import given_start

data = flowfa.datasets.nearly_orthogonal(samples=6, dim=30, gamma=2.0, seed=0)
against = -data.y @ data.X / np.linalg.norm(data.y @ data.X)
half_squares = np.array([0.0, 0.05, 0.15, 0.5])
W1 = 0.01 * np.tile(np.random.default_rng(0).standard_normal((5, 30)), (4, 1, 1))
W1[:, 0] = np.sqrt(2.0 * half_squares)[:, None] * against
arrays = {"W1": W1, "W2": np.full((4, 1, 5), 0.1), "B2": np.ones((4, 5, 1))}
problem = flowfa.Problem(data, rule="fa", initial=given_start(arrays))
run = flowfa.simulate(problem, t_end=100.0, rtol=1e-6, save=101, snapshots=101)
kappa = 0.1 - half_squares

# %%
# Where the hypothesis holds the lemma holds. Where it fails, the report says which hypothesis it is
# and by how much, and gives no verdict.
report = theory_checks.check(run, only=["L-1"])
print(report)
assert report["L-1"].trajectories == {"holds": 2, "not applicable": 2}

# %%
# With the hypothesis dropped the claim itself is measured. It is violated just where the hypothesis
# fails, though at time zero every sign is right: one neuron is enough, and the hypothesis cannot be
# left out.
dropped = theory_checks.check(run, only=["L-1"], drop=["kappa-nonnegative"])
verdicts = [outcome.verdict.value for outcome in dropped["L-1"].outcomes]
print([f"kappa {value:+.2f}: {verdict}" for value, verdict in zip(kappa, verdicts, strict=True)])
assert verdicts == ["holds", "holds", "violated", "violated"]

# %%
figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
weights = run.tree["weights"]
for row, style in enumerate(rule_styles(["gd", "adafa", "signfa", "fa"]).values()):
    label = rf"$\kappa$ = {kappa[row]:.2f}, {verdicts[row]}"
    line = {"color": style.color, "linestyle": style.dashes, "label": label}
    axes.plot(weights["snapshot_time"][row], weights["W2"][row, :, 0, 0], **line)
axes.axhline(0.0, color="black", linestyle=":", lw=1.0)
axes.set(xlabel="time", ylabel="output weight of the neuron, b = 1")
axes.legend(frameon=False)
