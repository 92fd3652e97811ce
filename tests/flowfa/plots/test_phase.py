"""Phase diagrams of a sweep: what is drawn is the median of what the cells ended with."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import xarray as xr
from matplotlib.text import Text

from flowfa.errors import InputError
from flowfa.plots.phase import phase_diagram
from flowfa.plots.style import COLUMN, PAGE
from flowfa.plots.ticks import short_labels

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
    with pytest.raises(InputError, match="final loss: no cell that is done has one"):
        phase_diagram(collection, "loss")
    empty = xr.Dataset(coords=collection.coords, attrs=collection.attrs)
    with pytest.raises(InputError, match="no cell of this collection is done"):
        phase_diagram(empty)


def test_a_setting_that_is_named_twice_is_refused(collection):
    with pytest.raises(InputError, match="`over` names leak twice"):
        phase_diagram(collection, "loss", ["leak", "leak"])


def test_the_default_is_a_variable_that_the_collection_has(collection):
    assert "final alignment" in colour_bar(phase_diagram(collection))
    of_deviation = collection.rename(loss="law_error").drop_vars("alignment")
    assert colour_bar(phase_diagram(of_deviation)) == "final law_error"


def test_of_layers_it_is_said_which_one_is_drawn(collection):
    assert colour_bar(phase_diagram(collection)) == "final alignment, last layer with a value"
    whole = collection.isel(cell=np.isfinite(collection["loss"].values).all(1))
    assert colour_bar(phase_diagram(whole)) == "final alignment of layer 2"
    assert colour_bar(phase_diagram(collection, "loss")) == "final loss"


def colour_bar(figure):
    return figure.axes[-1].get_ylabel()


@pytest.fixture
def checked(collection):
    """The same with verdicts: C-1 holds at small leaks, is violated once, C-2 never applies."""
    leak = collection["leak"].values
    verdict = np.stack([np.where(leak < 1.0, "holds", "inconclusive"), np.full(18, "")], axis=1)
    verdict[:, 1] = "not applicable"
    verdict[0, 0] = "violated"
    margin = np.stack([0.5 - leak, np.full(18, np.nan)], axis=1)
    return collection.assign(
        verdict=(("cell", "statement"), verdict), margin=(("cell", "statement"), margin)
    ).assign_coords(statement=("statement", ["C-1", "C-2"]))


def test_the_margin_of_a_statement_is_drawn_where_it_applies(checked):
    figure = phase_diagram(checked, "margin:C-1")
    found = by_gid(figure, "fa").get_array().reshape(2, 3)
    np.testing.assert_allclose(found, [[0.4, 0.0, -0.5]] * 2)
    assert colour_bar(figure) == "margin of C-1"
    with pytest.raises(InputError, match="margin of C-2: no cell that is done has one"):
        phase_diagram(checked, "margin:C-2")


def test_the_share_of_cells_where_a_statement_holds_is_drawn_and_violations_are_marked(checked):
    figure = phase_diagram(checked, "verdict:C-1")
    found = by_gid(figure, "gd").get_array().reshape(2, 3)
    np.testing.assert_allclose(found, [[2 / 3, 1.0, 0.0], [1.0, 1.0, 0.0]])
    crosses = by_gid(figure, "violated")
    assert (crosses.get_xdata().tolist(), crosses.get_ydata().tolist()) == ([0.5], [0.5])
    assert figure.get_suptitle() == "mean over cells, seed"
    never = phase_diagram(checked, "verdict:C-2", ["leak"])
    assert set(by_gid(never, "fa").get_ydata()) == {0.0}


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("margin", r"give margin:C-1, or another of C-1, C-2"),
        ("verdict", r"give verdict:C-1, or another of C-1, C-2"),
        ("margin:C-9", r"unknown statement .*C-1"),
    ],
)
def test_a_statement_has_to_be_named(checked, variable, told):
    with pytest.raises(InputError, match=told):
        phase_diagram(checked, variable)


def test_verdicts_that_were_not_asked_for_are_told(collection):
    with pytest.raises(InputError, match="no verdicts: compute the sweep with `check`"):
        phase_diagram(collection, "margin:C-1")


def words_of(figure):
    texts = figure.findobj(Text)
    return " ".join(text.get_text() for text in texts if text.get_visible())


@pytest.mark.parametrize("over", [None, ["leak"]])
def test_for_a_paper_there_are_no_titles_and_no_ids(checked, over):
    screen = phase_diagram(checked, "margin:C-1", over)
    paper = phase_diagram(checked, "margin:C-1", over, "paper")
    assert "C-1" in words_of(screen) and "median over" in words_of(screen)
    assert "C-1" not in words_of(paper) and "median over" not in words_of(paper)
    assert "fa" in words_of(paper)
    assert paper.get_figwidth() == (PAGE if over is None else COLUMN)


def shown(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_labels_of_many_values_do_not_lie_on_each_other(collection):
    leaks = np.round(np.linspace(0.0123, 1.0, 40), 4)
    leak, width = (a.ravel() for a in np.meshgrid(leaks, np.arange(40) + 100, indexing="ij"))
    cells = xr.Dataset(
        {
            "loss": (("cell", "trajectory"), leak[:, None]),
            "trajectory_rule": (("cell", "trajectory"), np.full((1600, 1), "fa")),
        },
        coords={"leak": ("cell", leak), "width": ("cell", width)},
        attrs={"kind": "sweep", "swept": json.dumps(["leak", "width"])},
    )
    figure = phase_diagram(cells, "loss")
    figure.canvas.draw()
    for axis, side in ((figure.axes[0].xaxis, "x"), (figure.axes[0].yaxis, "y")):
        boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
        ends = [(getattr(box, f"{side}0"), getattr(box, f"{side}1")) for box in boxes]
        assert 5 < len(boxes) < 40
        assert all(a[1] < b[0] for a, b in itertools.pairwise(sorted(ends)))


def test_files_are_labelled_by_their_names_and_longer_where_these_are_alike():
    files = ["/data/a/x.npz", "/data/b/x.npz", "/data/b/y.npz", "gaussian"]
    assert short_labels(np.array(files)) == ["a/x.npz", "b/x.npz", "y.npz", "gaussian"]
    assert short_labels(np.array([0.5, 10.0])) == ["0.5", "10"]


def test_long_words_are_turned_and_all_there(collection):
    names = np.array(["nearly-orthogonal-data.npz", "orthogonally-separable.npz", "other-data.npz"])
    words = collection.assign_coords(
        leak=("cell", names[np.searchsorted(LEAKS, collection["leak"].values)])
    )
    axes = phase_diagram(words, "loss").axes[0]
    assert shown(axes.xaxis) == sorted(names)
    assert {label.get_rotation() for label in axes.xaxis.get_ticklabels()} == {90.0}
