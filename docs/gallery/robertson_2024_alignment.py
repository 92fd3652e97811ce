r"""
Robertson and Koyejo 2024: conservation, alignment, convergence
===============================================================

Z. Robertson, O. Koyejo, *Implicit regularization in feedback alignment learning mechanisms for
neural networks*, ICML 2024.

Four statements about one run. Each neuron conserves half of :math:`\lVert w_{in} \rVert^2` minus
its alignment with the feedback (C-1, Theorem 5.2). Under signfa the cosine of weights and feedback
has a bound (P-1, Proposition 5.3). Under fa and adafa a start with :math:`\kappa_j \ge 0` keeps the
signs of the feedback, and a cosine (L-1, Lemma 5.4). And the loss is below :math:`1 / (1 /
\mathrm{Loss}(0) + \mu t)` with a rate that follows from data and start (P-2, Proposition 5.7,
corrected).
"""

import flowfa
import theory_checks

data = flowfa.datasets.nearly_orthogonal(samples=10, dim=100, gamma=2.0, seed=0)
problem = flowfa.Problem(data, widths=10, rule=("fa", "adafa", "signfa"))
run = flowfa.simulate(problem, trajectories=2, t_end=50.0, rtol=1e-6)
report = theory_checks.check(run, only=["C-1", "P-1", "L-1", "P-2"])
report

# %%
# Each holds by a margin above its uncertainty, on every trajectory it speaks of. L-1 and P-2 speak
# of all six, P-1 of those under signfa.
for statement in ("C-1", "P-1", "L-1", "P-2"):
    assert report[statement].verdict.value == "holds"
    assert report[statement].margin > report[statement].uncertainty
assert report["P-2"].trajectories == {"holds": 6}
assert report["P-1"].trajectories == {"not applicable": 4, "holds": 2}

# %%
# The same from a start for which the paper promises nothing, with its hypotheses dropped: the law
# needs none and holds; the bounds do not.
wild = flowfa.Problem(data, widths=10, rule="fa", initial="xavier")
dropped = theory_checks.check(
    flowfa.simulate(wild, trajectories=2, t_end=50.0, rtol=1e-6),
    only=["C-1", "L-1", "P-2"],
    drop=["kappa-nonnegative", "kappa-positive"],
)
assert dropped["C-1"].verdict.value == "holds"
assert dropped["L-1"].verdict.value == "violated"

# %%
run.plot()
