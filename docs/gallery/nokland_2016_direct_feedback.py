r"""
Nøkland 2016: direct feedback, from zero
========================================

A. Nøkland, *Direct feedback alignment provides learning in deep neural networks*, NIPS 2016.

The error at the output, through a fixed random matrix straight to each hidden layer, trains deep
networks; even from weights that are all zero, where backpropagation has nothing to send back. As
they learn, the updates of the hidden layers come within 90 degrees of the gradient.

Three hidden layers of tanh, 100 handwritten digits, cross-entropy.
"""

import itertools

import numpy as np

import flowfa
from flowfa.problems.starts import given_start

data = flowfa.datasets.digits(samples=100, seed=0)
shapes = itertools.pairwise((64, 20, 20, 20, 10))
zero = given_start({f"W{k}": np.zeros((m, n)) for k, (n, m) in enumerate(shapes, 1)})
problem = flowfa.Problem(data, activation="tanh", rule=("gd", "dfa"), initial=zero)
run = flowfa.simulate(
    problem, 3, t_end=300.0, spacing="log", first_save=1.0, rtol=1e-8, observe=["layer-cosine"]
)

# %%
# All digits are learnt, from the loss of guessing, log 10, to less than a hundredth of it, and from
# t = 1 on each layer's update has an acute angle with the gradient. (The weights of upper layers
# begin as powers of t: the tolerance is fine so that their angles are not those of its errors.)
record = run.tree["trajectory"]
dfa = (record["rule"] == "dfa").values
cosine = record["layer-cosine"][dfa, 1:]
print("loss at the end:", record["loss"][dfa, -1].values, "least cosine:", cosine.min().item())
assert (record["accuracy"][dfa, -1] == 1.0).all()
assert (record["loss"][dfa, -1] < 0.01 * np.log(10)).all()
assert cosine.min() > 0.0

# %%
# Gradient descent stays at zero, and at the loss of guessing.
assert abs(record["loss"][~dfa] - np.log(10)).max() < 1e-12

# %%
run.plot("loss", "layer-cosine")
