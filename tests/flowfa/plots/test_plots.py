"""Figures of results: what is drawn, and how it is saved."""

from __future__ import annotations

import io
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from flowfa import plots
from flowfa.errors import InputError
from flowfa.plots.curves import is_log_spaced
from flowfa.plots.style import rule_styles


def synthetic_tree(
    rules=("gd", "fa", "adafa", "signfa"),
    trajectories=8,
    sizes=(20, 12, 1),
    times=None,
    ended=None,
    seed=0,
):
    """Make records of the layout of a result file; `ended` maps a trajectory to its last time."""
    rng = np.random.default_rng(seed)
    times = np.linspace(0.0, 50.0, 60) if times is None else times
    rule = np.repeat(list(rules), trajectories)
    count, layers, saved = len(rule), len(sizes) - 1, len(times)
    speed = (
        0.05 * (1 + np.array([rules.index(name) for name in rule])) * rng.uniform(0.7, 1.3, count)
    )
    decay = 1.0 / (1.0 + speed[:, None] * times)
    per_time = {
        "loss": decay,
        "gradient_norm": decay**1.2,
        "update_norm": 1.5 * decay**1.1,
        "cosine": 1.0 - 0.4 * decay * (rule != "gd")[:, None],
    }
    alignment = np.full((count, saved, layers), np.nan)
    alignment[:, :, 1:] = (0.9 - 0.3 * decay)[:, :, None]
    drift = np.full((count, saved, layers), np.nan)
    drift[:, :, :-1] = (1e-6 * times * rng.uniform(0.1, 1.0, count)[:, None])[:, :, None]
    per_layer = {"alignment": alignment, "conservation_drift": drift}
    status = np.full(count, "ok", dtype=object)
    for trajectory, end in (ended or {}).items():
        status[trajectory] = "chattering"
        for values in (*per_time.values(), *per_layer.values()):
            values[trajectory, times > end] = np.nan
    hidden = [(layer, index) for layer in range(1, layers) for index in range(sizes[layer])]
    weights = {}
    for layer in range(1, layers + 1):
        shape = (count, 2, sizes[layer], sizes[layer - 1])
        dims = ("trajectory", "snapshot", f"neuron_{layer}", f"neuron_{layer - 1}")
        weights[f"W{layer}"] = (dims, rng.standard_normal(shape))
        if layer > 1:
            feedback = rng.uniform(0.5, 1.5, (count, sizes[layer - 1], sizes[layer]))
            feedback[~np.isin(rule, ("fa", "adafa"))] = np.nan
            weights[f"B{layer}"] = (("trajectory", dims[3], dims[2]), feedback)
    coords = {"time": times, "trajectory": np.arange(count), "rule": ("trajectory", rule)}
    trajectory = xr.Dataset(
        {name: (("trajectory", "time"), values) for name, values in per_time.items()}
        | {name: (("trajectory", "time", "layer"), values) for name, values in per_layer.items()},
        coords=coords | {"layer": np.arange(1, layers + 1)},
    )
    neurons = xr.Dataset(
        {"kappa": (("trajectory", "neuron"), rng.uniform(0.1, 1.0, (count, len(hidden))))},
        coords={
            "layer": ("neuron", [layer for layer, _ in hidden]),
            "index": ("neuron", [index for _, index in hidden]),
        },
    )
    return xr.DataTree.from_dict(
        {
            "/trajectory": trajectory,
            "/weights": xr.Dataset(weights),
            "/neurons": neurons,
            "/solver": xr.Dataset({"status": ("trajectory", status.astype(str))}),
        }
    )


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes]


def panel(figure: Figure, start: str):
    return next(axes for axes in figure.axes if axes.get_title().startswith(start))


def line(axes, gid: str):
    return next(each for each in axes.lines if each.get_gid() == gid)


def legend_labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.fixture(scope="module")
def tree():
    return synthetic_tree()


def test_overview_has_two_rows_of_three_for_one_hidden_layer(tree):
    figure = plots.overview(tree)
    assert [title.split(" (")[0] for title in titles(figure)] == [
        "Loss",
        "Alignment of layer 2",
        "Conservation, layer 1",
        "Angle of update and gradient",
        "Gradient",
        "Update",
    ]
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 3)


def test_overview_has_a_panel_for_each_layer_of_a_deeper_net():
    figure = plots.overview(synthetic_tree(sizes=(20, 12, 8, 3)))
    assert "Alignment of layer 3 (A-1)" in titles(figure)
    assert "Conservation, layer 2 (C-1)" in titles(figure)


def test_line_is_the_median_over_the_trajectories_of_the_rule(tree):
    drawn = line(panel(plots.loss(tree), "Loss"), "median-fa")
    expected = np.median(tree["trajectory"]["loss"].values[8:16], axis=0)
    np.testing.assert_allclose(drawn.get_ydata(), expected)


def test_band_reaches_from_least_to_greatest(tree):
    axes = panel(plots.loss(tree), "Loss")
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    values = tree["trajectory"]["loss"].values[:8]
    assert (heights.min(), heights.max()) == pytest.approx((values.min(), values.max()))


def test_few_trajectories_are_drawn_one_by_one():
    axes = panel(plots.loss(synthetic_tree(rules=("fa",), trajectories=3)), "Loss")
    assert not axes.collections
    assert sum(len(each.get_xdata()) > 1 for each in axes.lines) == 3 + 1


def test_legend_names_each_rule_once_and_the_marks(tree):
    labels = legend_labels(plots.overview(tree))
    assert labels[:4] == ["gd", "fa", "adafa", "signfa"]
    assert any("P-1" in label and "L-1" in label for label in labels)
    assert "ended early" not in labels


def test_trajectory_that_ended_early_is_marked_at_its_last_point():
    tree = synthetic_tree(rules=("gd", "fa"), ended={9: 20.0})
    figure = plots.overview(tree)
    marked = line(panel(figure, "Loss"), "ended-fa")
    times = tree["trajectory"]["time"].values
    assert marked.get_xdata() == pytest.approx([times[times <= 20.0][-1]])
    assert "ended early" in legend_labels(figure)


def test_trajectory_that_is_still_running_is_not_marked():
    tree = synthetic_tree(rules=("fa",), ended={0: 20.0})
    tree["solver"]["status"][0] = "running"
    assert "ended early" not in legend_labels(plots.overview(tree))


def test_rule_without_any_value_left_does_not_stop_the_figure():
    tree = synthetic_tree(rules=("gd", "fa"), trajectories=1, ended={1: -1.0})
    figure = plots.overview(tree)
    assert next(each.get_gid() for each in panel(figure, "Loss").lines) == "median-gd"


def test_quantity_that_nobody_has_is_said_not_to_be_recorded(tree):
    bare = tree.copy(deep=True)
    bare["trajectory"]["cosine"][:] = np.nan
    axes = panel(plots.factors(bare), "Angle")
    assert [text.get_text() for text in axes.texts] == ["not recorded"]


def test_drift_of_zero_is_named_on_the_log_axis(tree):
    exact = tree.copy(deep=True)
    exact["trajectory"]["conservation_drift"][:8, :, 0] = 0.0
    axes = panel(plots.conservation(exact), "Conservation")
    assert axes.get_yscale() == "log"
    assert [text.get_text() for text in axes.texts] == ["exactly 0: gd"]


def test_drift_of_zero_everywhere_gives_a_panel_without_lines(tree):
    exact = tree.copy(deep=True)
    exact["trajectory"]["conservation_drift"][:] *= 0.0
    axes = panel(plots.conservation(exact), "Conservation")
    assert not axes.lines
    assert "exactly 0" in axes.texts[0].get_text()


def test_log_spaced_save_times_make_a_log_time_axis():
    times = np.concatenate([[0.0], np.geomspace(1e-2, 1e2, 40)])
    assert plots.loss(synthetic_tree(times=times)).axes[0].get_xscale() == "log"


def test_evenly_spaced_save_times_make_a_linear_time_axis(tree):
    assert plots.loss(tree).axes[0].get_xscale() == "linear"


@given(
    count=st.integers(4, 300),
    end=st.floats(1e-3, 1e6),
    decades=st.floats(0.1, 12.0),
    with_zero=st.booleans(),
)
def test_spacing_is_recognised(count, end, decades, with_zero):
    geometric = np.geomspace(end * 10.0**-decades, end, count)
    assert is_log_spaced(np.concatenate([[0.0], geometric]) if with_zero else geometric)
    assert not is_log_spaced(np.linspace(0.0, end, count))


def test_signfa_bound_is_that_of_p1():
    tree = synthetic_tree(sizes=(20, 12, 8, 3))
    assert plots.alignment_bound(tree, "signfa", 2) == pytest.approx(1 / math.sqrt(12 * 8))
    assert plots.alignment_bound(tree, "signfa", 3) == pytest.approx(1 / math.sqrt(8 * 3))


@pytest.mark.parametrize("rule", ["fa", "adafa"])
def test_feedback_bound_is_the_least_of_l1_over_trajectories(tree, rule):
    feedback = tree["weights"]["B2"].values[tree["trajectory"]["rule"].values == rule]
    expected = min(min(abs(b[:, 0])) / math.sqrt(sum(b[:, 0] ** 2)) for b in feedback)
    assert plots.alignment_bound(tree, rule, 2) == pytest.approx(expected)


def test_equal_feedback_has_the_bound_one_over_root_p(tree):
    equal = tree.copy(deep=True)
    equal["weights"]["B2"][:] = -0.3
    assert plots.alignment_bound(equal, "fa", 2) == pytest.approx(1 / math.sqrt(12))


@pytest.mark.parametrize("broken", ["kappa", "feedback"])
def test_no_bound_where_a_hypothesis_of_l1_fails(tree, broken):
    spoilt = tree.copy(deep=True)
    if broken == "kappa":
        spoilt["neurons"]["kappa"][8, 0] = -1e-9
    else:
        spoilt["weights"]["B2"][8, 0, 0] = 0.0
    assert math.isnan(plots.alignment_bound(spoilt, "fa", 2))
    assert not math.isnan(plots.alignment_bound(spoilt, "adafa", 2))


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_decay": [0.01, 0.0]},
        {"layer_rates": [1.0, 2.0]},
        {"activation": "squared-relu"},
        {"smooth_kinks": 0.1},
    ],
)
def test_no_bound_of_l1_where_c1_is_not_conserved_or_not_stated(tree, settings):
    other = tree.copy(deep=True)
    other.attrs["config"] = json.dumps({"layer_rates": [2.0, 2.0], "activation": "leaky-relu"})
    assert not math.isnan(plots.alignment_bound(other, "fa", 2))
    other.attrs["config"] = json.dumps(settings)
    assert math.isnan(plots.alignment_bound(other, "fa", 2))
    assert not math.isnan(plots.alignment_bound(other, "signfa", 2))


@pytest.mark.parametrize(
    ("rule", "layer", "sizes"),
    [("gd", 2, (20, 12, 1)), ("fa", 2, (20, 12, 3)), ("fa", 2, (20, 12, 8, 1))],
)
def test_no_bound_where_the_theory_has_none(rule, layer, sizes):
    assert math.isnan(plots.alignment_bound(synthetic_tree(sizes=sizes), rule, layer))


def test_bound_is_drawn_at_its_height_in_the_colour_of_its_rule(tree):
    axes = panel(plots.alignment(tree), "Alignment")
    bounds = {to_rgb(each.get_color()): each for each in axes.lines if each.get_gid() == "bound"}
    drawn = bounds[to_rgb(rule_styles(["signfa"])["signfa"].color)]
    assert drawn.get_ydata()[0] == pytest.approx(1 / math.sqrt(12))
    assert len(bounds) == 3


def test_rules_differ_in_colour_and_in_dashes():
    styles = rule_styles(["gd", "fa", "adafa", "signfa", "dfa", "frsf", "mine", "yours"]).values()
    assert len({style.color for style in styles}) == len({style.dashes for style in styles}) == 8


def test_rule_looks_the_same_whatever_stands_beside_it():
    assert rule_styles(["fa"])["fa"] == rule_styles(["gd", "mine", "fa"])["fa"]


def test_panels_and_legend_do_not_overlap():
    figure = plots.overview(synthetic_tree(sizes=(20, 12, 8, 1), ended={0: 20.0}))
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    boxes += [figure.legends[0].get_window_extent(renderer)]
    boxes += [figure._suptitle.get_window_extent(renderer)]
    for i, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        for other in boxes[:i]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert min(across, down) < 1.0


@pytest.mark.parametrize("ending", plots.FORMATS)
def test_file_is_of_the_format_of_its_name(tree, tmp_path, ending):
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending]
    path = plots.save(plots.loss(tree), tmp_path / f"figure.{ending}")
    assert path.read_bytes().startswith(start)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", plots.FORMATS)
def test_same_figure_gives_the_same_bytes(tree, tmp_path, ending):
    first = plots.save(plots.loss(tree), tmp_path / f"a.{ending}")
    second = plots.save(plots.loss(tree), tmp_path / f"b.{ending}")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "figure.nc", ".png"])
def test_other_endings_are_refused_naming_the_formats(tree, tmp_path, name):
    with pytest.raises(InputError, match=r"\.png, \.pdf, \.svg"):
        plots.save(plots.loss(tree), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_folder_in_the_place_of_the_file_is_refused(tree, tmp_path):
    (tmp_path / "figure.png").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        plots.save(plots.loss(tree), tmp_path / "figure.png")


def test_missing_folder_is_refused(tree, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        plots.save(plots.loss(tree), tmp_path / "nowhere" / "figure.png")


def test_failed_write_leaves_the_old_file_and_nothing_else(tree, tmp_path, monkeypatch):
    path = tmp_path / "figure.png"
    path.write_bytes(b"old")

    def full_disk(self, target, **kwargs):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full_disk)
    with pytest.raises(InputError, match="No space left"):
        plots.save(plots.loss(tree), path)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["figure.png"]


def test_records_without_the_group_are_refused():
    with pytest.raises(InputError, match="no group /trajectory"):
        plots.overview(xr.DataTree())


def test_records_without_the_quantity_are_refused(tree):
    bare = tree.copy(deep=True)
    bare["trajectory"] = bare["trajectory"].to_dataset().drop_vars("loss")
    with pytest.raises(InputError, match="'loss'"):
        plots.loss(bare)


def test_object_that_holds_a_tree_is_drawn_like_the_tree(tree):
    assert titles(plots.overview(SimpleNamespace(tree=tree))) == titles(plots.overview(tree))


def test_drawing_leaves_matplotlib_settings_and_pyplot_alone(tree):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plots.overview(tree).savefig(io.BytesIO(), format="svg")
    assert dict(mpl.rcParams) == before
    assert not __import__("matplotlib.pyplot").pyplot.get_fignums()
