"""The whole of flowfa on one screen: four rules from the same starts, and what they conserve."""

import numpy as np

import flowfa

data = flowfa.datasets.nearly_orthogonal(samples=20, dim=200, gamma=2.0, seed=0)
print(flowfa.datasets.certify(data).margin)

problem = flowfa.Problem(data, widths=(50,), leak=0.1, rule=("gd", "fa", "adafa", "signfa"))
run = flowfa.simulate(problem, trajectories=4, t_end=50.0, rtol=1e-4)

record = run.tree["trajectory"].to_dataset()
for rule in ("gd", "fa", "adafa", "signfa"):
    own = record.isel(trajectory=record.rule.values == rule)
    loss = float(own.loss.isel(time=-1).median())
    drift = float(np.nanmax(own.conservation_drift))
    alignment = float(own.alignment.isel(time=-1, layer=-1).median())
    print(f"{rule:7} loss {loss:.4f}  alignment {alignment:.3f}  drift of C-1 {drift:.1e}")

run.save("minimal.nc", overwrite=True)
flowfa.plots.save(flowfa.plots.overview(run), "minimal.png")
