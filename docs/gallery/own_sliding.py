r"""
Sliding, seen from inside
=========================

A neuron slides while its input on a sample stays zero because the flow on both sides points there
(A. F. Filippov, *Differential Equations with Discontinuous Righthand Sides*, Kluwer, 1988). A slope
between the leak and one, which changes with time, holds it; when that leaves the interval the
neuron goes. Steps of Euler's method hop over the kink instead, as far as the step is long.
"""

import matplotlib.pyplot as plt
import numpy as np

import flowfa
import theory_checks
from flowfa.plots.style import rule_styles

data = flowfa.datasets.gaussian(samples=8, dim=3, seed=1)
problem = flowfa.Problem(data, widths=4, rule="gd", initial="xavier")
settings = {"t_end": 40.0, "save": 401, "snapshots": 401}
exact = flowfa.simulate(problem, 1, rtol=1e-8, observe=["sliding-neurons"], **settings)
euler = [flowfa.simulate(problem, 1, solver="euler", step=step, **settings) for step in (0.1, 0.05)]

# %%
# One neuron slides on one sample for 24 units of time, and leaves to the side it came from. While
# it slides its input is zero to rounding; that of Euler's steps is not, and is half as large where
# the steps are.
z = [run.tree["weights"]["W1"].values[0] @ data.X.T for run in (exact, *euler)]
slides = exact.tree["trajectory"]["sliding-neurons"].values[0, :, 0] == 1.0
neuron, sample = np.argwhere(abs(z[0][slides]).max(0) < 1e-12)[0]
inside = np.flatnonzero(slides)[20:-20]
hops = np.array([abs(path[inside, neuron, sample]).max() for path in z])
print(f"neuron {neuron}, sample {sample}: slides at {slides.sum()} of 401 times; |z| below", hops)
assert exact.tree["solver"]["slidings"] == 1 and exact.tree["solver"]["exits"] == 1
assert slides.sum() > 200 and hops[0] < 1e-12
assert hops[1] > 1e-4 and abs(hops[1] / hops[2] - 2.0) < 0.5

# %%
# The slope that holds it is the one in the gradient: with it the rate of the loss is minus the
# square of the gradient's norm (Eq-1), kink or no kink.
report = theory_checks.check(exact, only=["Eq-1"])
assert report["Eq-1"].verdict.value == "holds"

# %%
figure, panels = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained")
time = exact.tree["trajectory"]["time"].values
styles = rule_styles(["gd", "fa"])
near = slice(inside[0] - 40, inside[0] + 40)
for axes, part in ((panels[0], slice(None)), (panels[1], near)):
    axes.plot(
        time[part],
        z[1][part, neuron, sample],
        color=styles["fa"].color,
        lw=1.0,
        label="Euler, step 0.1",
    )
    axes.plot(time[part], z[0][part, neuron, sample], color=styles["gd"].color, label="flow")
    axes.set(xlabel="time", ylabel="input of the neuron")
panels[1].set_ylim(-0.02, 0.02)
panels[0].legend(frameon=False)
