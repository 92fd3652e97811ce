r"""
Du 2018: layers stay balanced at any depth
==========================================

S. S. Du, W. Hu, J. D. Lee, *Algorithmic regularization in learning deep homogeneous models: Layers
are automatically balanced*, NeurIPS 2018.

Along the gradient flow of a network with homogeneous activations every hidden neuron keeps
:math:`\lVert w_{in} \rVert^2 - \lVert w_{out} \rVert^2`, whatever the depth; summed over a layer,
:math:`\lVert W_l \rVert_F^2 - \lVert W_{l+1} \rVert_F^2` is constant. Three hidden layers of leaky
ReLUs on random labels, with kinks and sliding modes on the way.
"""

import matplotlib.pyplot as plt

import flowfa
from flowfa.plots.style import rule_styles

data = flowfa.datasets.gaussian(samples=10, dim=6, seed=0)
problem = flowfa.Problem(data, widths=(8, 6, 5), rule=("gd", "fa"), initial="xavier")
run = flowfa.simulate(problem, trajectories=2, t_end=20.0, rtol=1e-8)

# %%
# The drift of each neuron, and of the differences of layers. The tolerance is 1e-8 of weights
# whose squares are below 10: a drift above 1e-7 would not be the integrator's.
neuron = run.tree["neurons"]["conserved"]
neuron_drift = abs(neuron - neuron.isel(time=0)).max(("time", "neuron"))
squares = run.tree["trajectory"]["weight_norm"] ** 2
growth = squares - squares.isel(time=0)
layer_drift = abs(growth.diff("layer")).max(("time", "layer"))
gd = (run.tree["trajectory"]["rule"] == "gd").values
print(f"gd: a neuron drifts by {neuron_drift[gd].max():.1e}, layers by {layer_drift[gd].max():.1e}")
print(f"fa: layers drift by {layer_drift[~gd].min():.2f} and more")
assert neuron_drift[gd].max() < 1e-7
assert layer_drift[gd].max() < 1e-7

# %%
# Under feedback alignment the layers of the same networks part: the statement is one on gradient
# flow.
assert layer_drift[~gd].min() > 0.1

# %%
figure, panels = plt.subplots(1, 2, figsize=(7.0, 2.8), sharey=True, layout="constrained")
for axes, row, rule in ((panels[0], 0, "gd"), (panels[1], 2, "fa")):
    for layer, style in enumerate(rule_styles(f"{rule}, {k}" for k in range(4)).values()):
        axes.plot(
            growth.time, growth[row, :, layer], color=style.color, lw=style.width, label=layer + 1
        )
    axes.set(title=rule, xlabel="time")
    axes.legend(title="layer", frameon=False)
panels[0].set_ylabel(r"$\Vert W_l \Vert_F^2 - \Vert W_l(0) \Vert_F^2$")
