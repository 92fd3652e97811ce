"""Figures of several results, of chosen parts, in the user's axes, and for papers."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import flowfa
from flowfa import plots
from flowfa.cli.main import main
from flowfa.errors import InputError
from flowfa.plots.style import COLUMN, PAGE

OBSERVED = ("singular-values", "effective-rank", "dead-neurons", "sample-margin", "layer-cosine")


def problem(rule=("gd", "fa")):
    data = flowfa.datasets.nearly_orthogonal(samples=4, dim=6, gamma=2.0, seed=0)
    return flowfa.Problem(data, widths=(4,), rule=rule)


@pytest.fixture(scope="module")
def coarse():
    return flowfa.simulate(problem(), 2, t_end=5.0, save=12, rtol=1e-2, observe=OBSERVED)


@pytest.fixture(scope="module")
def longer():
    return flowfa.simulate(problem(), 3, t_end=9.0, save=9, observe=OBSERVED)


@pytest.fixture(scope="module")
def of_gd():
    return flowfa.simulate(problem("gd"), 2, t_end=5.0, save=12)


def titles(figure):
    return [axes.get_title() for axes in figure.axes]


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def line(axes, name):
    (found,) = [entry for entry in axes.lines if entry.get_gid() == name]
    return found


def test_several_results_are_laid_over_each_other(coarse, longer):
    figure = plots.loss({"coarse": coarse, "long": longer})
    (axes,) = figure.axes
    assert axes.get_xlim() == (0.0, 9.0)
    for name, run in (("coarse", coarse), ("long", longer)):
        drawn = line(axes, f"median-fa, {name}")
        of_fa = run.tree["trajectory"]["rule"].values.astype(str) == "fa"
        values = run.tree["trajectory"]["loss"].values[of_fa]
        np.testing.assert_allclose(drawn.get_ydata(), np.median(values, axis=0))
    named = {"gd, coarse", "fa, coarse", "gd, long", "fa, long"}
    assert named < set(labels(figure))
    widths = [line(axes, f"median-fa, {name}").get_linewidth() for name in ("coarse", "long")]
    assert widths[0] > widths[1]


@pytest.mark.parametrize("draw", [plots.overview, plots.alignment, plots.conservation])
def test_every_figure_takes_several_results(draw, coarse, longer):
    assert len(draw([coarse, longer]).axes) == len(draw(coarse).axes)
    assert "fa, 2" in labels(draw([coarse, longer]))


@pytest.mark.parametrize("name", OBSERVED)
def test_observables_of_several_results_are_drawn_together(name, coarse, longer):
    figure = plots.panel_of([coarse, longer], name)
    assert {"fa, 1", "fa, 2"} <= set(labels(figure))


def test_what_one_of_the_results_lacks_is_told(coarse, of_gd):
    with pytest.raises(InputError, match="'effective-rank'"):
        plots.panel_of([coarse, of_gd], "effective-rank")
    with pytest.raises(InputError, match="there is no result"):
        plots.loss([])


def test_no_panel_is_spent_on_a_constant(of_gd, coarse):
    figure = plots.overview(of_gd)
    assert [title.partition(",")[0] for title in titles(figure)] == [
        "Loss",
        "Conservation",
        "Gradient (Eq. 1)",
    ]
    assert figure.get_suptitle().endswith(
        "constant, and not drawn: alignment of layer 2, cos phi, G is the gradient"
    )
    whole = plots.overview(coarse)
    assert len(whole.axes) == 6 and "constant" not in whole.get_suptitle()
    # What is asked for is drawn, constant or not.
    assert titles(plots.overview(of_gd, panels=["alignment"])) == ["Alignment of layer 2 (A-1)"]


def test_a_constant_layer_of_an_observable_is_left_out(coarse):
    figure = plots.panel_of(coarse, "effective-rank")
    assert titles(figure) == ["effective rank of the weights, layer 1"]
    assert "effective-rank of layer 2" in figure.get_suptitle()


def test_ordered_values_have_a_line_for_each_rank(coarse):
    (axes,) = plots.panel_of(coarse, "singular-values").axes
    values = coarse.tree["neurons"]["singular-values"].values
    second = line(axes, "rank-1-fa").get_ydata()
    np.testing.assert_allclose(second, np.median(values[2:, :, 1], axis=0))
    # Margins of samples are in no order.
    assert line(plots.panel_of(coarse, "sample-margin").axes[0], "median-fa") is not None


def test_counts_are_drawn_in_steps(coarse):
    (axes,) = plots.panel_of(coarse, "dead-neurons").axes
    assert line(axes, "median-fa").get_drawstyle() == "steps-post"
    (axes,) = plots.loss(coarse).axes
    assert line(axes, "median-fa").get_drawstyle() == "default"


def test_the_legend_says_what_is_drawn(coarse):
    assert "median, least to greatest" in labels(plots.panel_of(coarse, "sample-margin"))
    assert "each trajectory, median thick" in labels(plots.loss(coarse))
    assert labels(plots.panel_of(coarse, "singular-values")) == ["gd", "fa"]


def test_long_titles_do_not_meet(coarse):
    figure = plots.panel_of(coarse, "layer-cosine", "sample-margin", "dead-neurons")
    figure.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)


def test_panels_go_into_the_users_axes(coarse):
    figure = Figure()
    axes = figure.subplots(1, 2)
    assert plots.overview(coarse, panels=["loss", "alignment"], ax=axes) is figure
    assert titles(figure) == ["Loss", "Alignment of layer 2 (A-1)"]
    assert figure.get_suptitle() == "" and not figure.legends
    assert plots.panel_of(coarse, "loss", ax=Figure().subplots()) is not figure
    with pytest.raises(InputError, match="`ax` has 1 axes and the figure has 6 panels"):
        plots.overview(coarse, ax=Figure().subplots())


def test_a_figure_for_a_paper_has_no_titles_and_no_ids(coarse, tmp_path):
    figure = plots.overview(coarse, style="paper")
    assert figure.get_suptitle() == "" and titles(figure) == [""] * 6
    assert [axes.get_title("left") for axes in figure.axes][:2] == ["(a)", "(b)"]
    texts = [*labels(figure), *(axes.get_ylabel() for axes in figure.axes)]
    assert not any(name in text for text in texts for name in ("A-1", "C-1", "P-1", "L-1", "Eq"))
    assert figure.get_figwidth() == PAGE
    single = plots.loss(coarse, style="paper")
    assert single.get_figwidth() == COLUMN and single.axes[0].get_title("left") == ""
    with Image.open(plots.save(single, tmp_path / "loss.png", "paper")) as image:
        assert image.width == round(600 * COLUMN)
    with pytest.raises(InputError, match="unknown style 'papers': did you mean 'paper'"):
        plots.loss(coarse, style="papers")


def test_layers_are_told_apart_in_a_paper(coarse):
    figure = plots.panel_of(coarse, "layer-cosine", style="paper")
    assert [axes.get_ylabel() for axes in figure.axes] == ["layer-cosine"]


def test_the_command_takes_several_files_parts_a_format_and_a_style(
    coarse, longer, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    coarse.save(tmp_path / "a.nc")
    longer.save(tmp_path / "b.nc")
    assert (
        main(
            [
                "plot",
                "a.nc",
                "b.nc",
                "--panels",
                "loss",
                "alignment",
                "--format",
                "pdf",
                "--style",
                "paper",
            ]
        )
        == 0
    )
    assert capsys.readouterr().out == "figure: a.pdf\n"
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert main(["plot", "--panel", "loss", "--out", "c.svg", "--", "a.nc", "b.nc"]) == 0
    for words, told in (
        ("plot a.nc a.nc", "a.nc is given twice"),
        ("plot a.nc --panels losses", "unknown --panels 'losses': did you mean 'loss'"),
        ("plot a.nc --panel loss --panels loss", "--panel and --panels are both given"),
        ("plot a.nc --out c.png --format pdf", "--out is c.png and --format is pdf"),
        ("plot", "plot needs RUN.nc [RUN.nc ...]"),
        ("plot a.nc --panel sharpness", "flowfa rerun a.nc --observe sharpness makes it again"),
    ):
        assert main([*words.split(), "--overwrite"]) == 64
        said = capsys.readouterr().err
        assert told in said and said.count("\n") == 1
