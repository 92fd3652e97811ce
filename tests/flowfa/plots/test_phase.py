"""Phase diagrams of a sweep: what is drawn is the median of what the cells ended with."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from flowfa.errors import InputError
from flowfa.plots.phase import phase_diagram

LEAKS, WIDTHS, SEEDS = (0.1, 0.5, 1.0), (10, 20), (0, 1, 2)


@pytest.fixture
def collection():
    """Cells of two rules, whose values tell where they belong; one has no result."""
    leak, width, seed = (a.ravel() for a in np.meshgrid(LEAKS, WIDTHS, SEEDS, indexing="ij"))
    value = 100.0 * leak + width + np.array([0.0, 1.0, 5.0])[seed]
    loss = np.stack([value, -value], axis=1)
    loss[(leak == 0.5) & (width == 20)] = np.nan
    alignment = np.stack([np.full_like(loss, 7.0), loss, np.full_like(loss, np.nan)], axis=2)
    return xr.Dataset(
        {
            "loss": (("cell", "trajectory"), loss),
            "alignment": (("cell", "trajectory", "layer"), alignment),
            "trajectory_rule": (("cell", "trajectory"), np.tile(["fa", "gd"], (len(leak), 1))),
        },
        coords={"leak": ("cell", leak), "width": ("cell", width), "seed": ("cell", seed)},
        attrs={"kind": "sweep", "swept": json.dumps(["leak", "width", "seed"])},
    )


def by_gid(figure, gid):
    return figure.findobj(lambda artist: artist.get_gid() == gid)[0]


@pytest.mark.parametrize("variable", ["loss", "alignment"])
def test_a_heat_map_shows_the_median_over_seeds(collection, variable):
    figure = phase_diagram(collection, variable)
    found = np.ma.filled(by_gid(figure, "fa").get_array(), np.nan).reshape(2, 3)
    expected = [[100 * leak + width + 1.0 for leak in LEAKS] for width in WIDTHS]
    expected[1][1] = 7.0 if variable == "alignment" else np.nan
    np.testing.assert_allclose(found, expected)
    assert figure.get_suptitle() == "median over trajectories, seed"


def test_curves_over_one_setting_have_median_and_quartiles(collection):
    figure = phase_diagram(collection.isel(cell=collection["width"].values == 10), "loss", ["leak"])
    line = by_gid(figure, "fa")
    np.testing.assert_allclose(line.get_xdata(), LEAKS)
    np.testing.assert_allclose(line.get_ydata(), [100 * leak + 11.0 for leak in LEAKS])
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(10.0 + 10.5) and band.max() == pytest.approx(110.0 + 3.0)
    assert figure.axes[0].get_xlabel() == "leak"


@pytest.mark.parametrize(
    ("variable", "over", "told"),
    [
        ("lose", None, "'loss'"),
        ("loss", ["leek"], "'leak'"),
        ("loss", ["leak", "width", "seed"], "give one or two"),
    ],
)
def test_what_cannot_be_drawn_is_told(collection, variable, over, told):
    with pytest.raises(InputError, match=told):
        phase_diagram(collection, variable, over)


def test_a_collection_without_results_is_told(collection):
    collection["loss"][:] = np.nan
    with pytest.raises(InputError, match="no cell of this collection has a result"):
        phase_diagram(collection, "loss")
