r"""
Kolen and Pollack 1994: feedback that learns
============================================

J. F. Kolen, J. B. Pollack, *Backpropagation without weight transport*, IEEE International
Conference on Neural Networks, 1994.

Feedback weights get the same increments as the forward weights, and both decay. Their difference
then decays by itself, :math:`B(t) - W(t)^\top = e^{-\lambda t} (B(0) - W(0)^\top)`, whatever the
data, and what began as feedback alignment ends as backpropagation: no weight is ever transported.
"""

import numpy as np

import flowfa
from flowfa.problems.rules import KolenPollackWithDecay

data = flowfa.datasets.digits(samples=100, seed=0)
network = {"activation": "tanh", "initial": "xavier", "weight_decay": 0.05}
rules = (KolenPollackWithDecay(decay=0.05), "fa")
problem = flowfa.Problem(data, (20, 20), rule=rules, **network)
run = flowfa.simulate(problem, 2, t_end=100.0, rtol=1e-7)

# %%
# The difference at the five times at which weights are kept, to ten times the tolerance, and the
# cosine of weights and feedback, which becomes 1.
weights = run.tree["weights"]
shrunk = np.exp(-0.05 * weights["snapshot_time"].values[:2, :, None, None])
for layer in (2, 3):
    moved, forward = weights[f"moving_B{layer}"].values[:2], weights[f"W{layer}"].values[:2]
    gap = moved - forward.swapaxes(2, 3)
    assert abs(gap - shrunk * gap[:, :1]).max() < 1e-6
cosine = run.tree["trajectory"]["alignment"][:, -1, 1:].values
print("cosine of weights and feedback, Kolen and Pollack's rule and fa:", cosine)
assert cosine[:2].min() > 0.999

# %%
# Fixed feedback has no such limit.
assert cosine[2:].max() < 0.9

# %%
run.plot("loss", "alignment")
