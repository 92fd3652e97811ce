"""E-1: the batched runs, the law in them, their flows, the report, the command."""

import contextlib
import dataclasses
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image

from flowfa.cli.main import main
from flowfa.errors import InputError, Interrupted
from flowfa.experiments.noisy_mnist import PAPER, memory, run_study, settings_of
from flowfa.experiments.noisy_mnist import study as studies
from flowfa.experiments.noisy_mnist.claims import CONFIRMED, judge
from flowfa.experiments.noisy_mnist.figures import steps_and_flow
from flowfa.experiments.noisy_mnist.flows import flow_times
from flowfa.experiments.noisy_mnist.images import draw_images, indicators
from flowfa.experiments.noisy_mnist.measures import ratio_errors, relative_rest
from flowfa.experiments.noisy_mnist.report import FIGURES, rest_is_rounding, write_report
from flowfa.experiments.noisy_mnist.runs import first, train, width_job
from flowfa.plots.style import rule_styles
from tests.support.image_files import write_mnist
from tests.support.nightly import some_now
from tests.support.watching import stops_when
from tests.support.words import with_flags

SMALL = {
    "widths": (4, 7),
    "runs": 2,
    "images": 8,
    "test_images": 10,
    "epochs": 12,
    "divide_every": 5,
    "track_every": 3,
    "momentum": 0.3,
    "flow_up_to": 4,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    place = tmp_path / "data"
    place.mkdir()
    write_mnist(place)
    monkeypatch.setenv("FLOWFA_DATA", str(place))
    monkeypatch.setenv("FLOWFA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return place


def small(**changes):
    return settings_of("quick", **{**SMALL, **changes})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The result of `small`, which no test may change."""
    place = tmp_path_factory.mktemp("whole")
    write_mnist(place / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWFA_CACHE", str(place / "cache"))
        return run_study(small(), place / "study", data_dir=place / "data")


def finished(settings, width=4):
    job = width_job(settings, width, draw_images(settings))
    return job, train(job, first(job), lambda standing: False)


# --- the runs -------------------------------------------------------------------------------------


def test_gd_is_torchs_sgd_with_momentum_and_the_divided_rate():
    settings = small(rules=("gd",), runs=1)
    job, standing = finished(settings)
    images = draw_images(settings)
    x, y = torch.from_numpy(images.inputs[0]), torch.from_numpy(images.labels[0])
    weights = [w[0].clone().requires_grad_() for w in job.field.layout.views(job.initial).values()]
    sgd = torch.optim.SGD(weights, lr=settings.rate, momentum=settings.momentum)
    for epoch in range(settings.epochs):
        sgd.param_groups[0]["lr"] = settings.rate / 10 ** (epoch // settings.divide_every)
        hidden = torch.nn.functional.leaky_relu(x @ weights[0].T, settings.leak)
        loss = torch.nn.functional.cross_entropy(hidden @ weights[1].T, y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    found = job.field.layout.views(standing.state)
    for name, expected in zip(("W1", "W2"), weights, strict=True):
        torch.testing.assert_close(found[name][0], expected.detach(), rtol=1e-12, atol=1e-14)


def test_a_run_is_the_same_alone_and_among_others():
    _, together = finished(small())
    for place, rule in enumerate(small().rules):
        _, alone = finished(small(rules=(rule,), runs=1))
        torch.testing.assert_close(together.state[2 * place], alone.state[0], rtol=1e-13, atol=0)


def test_rules_share_starts_and_images_and_runs_do_not():
    job, _ = finished(small())
    by_rule = job.initial.view(4, 2, -1)
    assert (by_rule == by_rule[:1]).all()
    assert not torch.equal(by_rule[0, 0], by_rule[0, 1])
    images = draw_images(small())
    assert not np.array_equal(images.inputs[0], images.inputs[1])
    assert (images.replaced.mean(1) == np.round(0.2 * 8) / 8).all()


def test_labels_become_indicators():
    np.testing.assert_array_equal(
        indicators(np.array([2, 0]))[:4], [[0, 1], [0, 0], [1, 0], [0, 0]]
    )


# --- the law --------------------------------------------------------------------------------------


def test_c11_explains_the_deviation_of_every_rule(study):
    assert float(relative_rest(study).max(skipna=False)) < 1e-9
    assert float(study["neuron_rest"].max(skipna=False)) < 1e-14
    assert rest_is_rounding(study)


def test_a_wrong_share_is_not_called_rounding(study):
    wrong = study.assign(step_share=study["step_share"] * (1 + 3e-6))
    assert rest_is_rounding(wrong) is False


def test_momentum_that_c11_left_out_would_be_seen():
    settings = small()
    job, _ = finished(settings)
    forgetful = dataclasses.replace(job.steps, momentum=torch.zeros_like(job.steps.momentum))
    # The steps are taken with momentum and the law is told of none.
    _, right = finished(settings)
    honest = dataclasses.replace(job, steps=forgetful)
    wrong = train(honest, first(honest), lambda standing: False)
    assert np.nanmax(right.records["neuron_rest"]) < 1e-14
    gap = abs(wrong.records["step_share"] - right.records["step_share"])[:, -1]
    assert (gap > 1e-6 * abs(right.records["step_share"])[:, -1]).all()


def test_ratios_are_those_of_the_report(study):
    one = study.isel(width=0, run=1).sel(rule="fa").isel(epoch=-1)
    start = study.isel(width=0, run=1).sel(rule="fa").isel(epoch=0)
    r1 = (one["half_square"] - start["half_square"]) / (one["outgoing"] - start["outgoing"])
    r2 = (one["half_square"] - one["outgoing"]) / (start["half_square"] - start["outgoing"])
    errors = ratio_errors(study).isel(width=0, run=1).sel(rule="fa").isel(epoch=-1)
    np.testing.assert_allclose(errors["R1"], r1 - 1, rtol=1e-8)
    np.testing.assert_allclose(errors["R2"], r2 - 1, rtol=1e-8)


# --- the flows ------------------------------------------------------------------------------------


def test_flows_keep_the_law_where_steps_do_not(study):
    at_end = study.isel(epoch=-1)
    drift = at_end["flow_neuron_rest"].sel(width=4)
    assert float(drift.sel(rule=["fa", "adafa", "signfa"]).max(skipna=False)) < 1e-14
    assert float(drift.sel(rule="gd").max(skipna=False)) < 1e-6
    steps = abs(ratio_errors(study)["R2"].isel(epoch=-1)).sel(width=4)
    flow = abs(ratio_errors(study, "flow_")["R2"].isel(epoch=-1)).sel(width=4)
    assert (flow < 1e-3 * steps).all()


@pytest.mark.slow
def test_steps_of_half_the_rate_are_half_as_far_from_the_flow():
    """In the same flow time, and without kinks, where a step's error depends on its phase."""
    plain = {"momentum": 0.0, "rules": ("fa", "gd"), "widths": (4,), "leak": 1.0}
    plain |= {"flow_rtol": 1e-7, "runs": 1, "images": 5}
    gaps = []
    for halvings in (4, 5):
        parts = 2**halvings
        settings = small(
            rate=0.05 / parts, epochs=12 * parts, divide_every=5 * parts, track_every=parts, **plain
        )
        gaps.append(run_study(settings, f"halved-{halvings}")["flow_distance"].values)
    np.testing.assert_allclose(gaps[0] / gaps[1], 2.0, rtol=0.03)


def test_flow_time_is_the_sum_of_rates_over_one_minus_momentum():
    settings = small(track_every=1)
    rates = [0.05 / 10 ** (epoch // 5) for epoch in range(12)]
    expected = np.concatenate(([0.0], np.cumsum(rates))) / 0.7
    np.testing.assert_allclose(flow_times(settings), expected, rtol=1e-13)


def test_widths_above_the_limit_have_no_flows(study):
    there = study["flow_conserved"].notnull().all(("rule", "run", "epoch"))
    assert there.values.tolist() == [True, False]


# --- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when", some_now(["epoch 7 of 12", "width 4, flow 3"], ["width 4, flow 3"])
)
def test_a_stopped_study_goes_on_bit_for_bit(study, tmp_path, when):
    with pytest.raises(Interrupted, match="`resume=True`"):
        run_study(small(), tmp_path / "again", progress=stops_when(when))
    assert not (tmp_path / "again" / "noisy-mnist.nc").exists()
    found = run_study(small(), tmp_path / "again", resume=True)
    for name in (*study.data_vars, *study.coords):
        if "seconds" not in name:
            np.testing.assert_array_equal(found[name], study[name], err_msg=name)
    assert not (tmp_path / "again" / "noisy-mnist.nc.checkpoint").exists()


def test_resuming_with_other_numbers_is_refused(tmp_path):
    with pytest.raises(Interrupted):
        run_study(small(), tmp_path / "stopped", progress=stops_when("epoch 7"))
    with pytest.raises(InputError, match="rate = "):
        run_study(small(rate=0.1), tmp_path / "stopped", resume=True)
    with pytest.raises(InputError, match="unfinished"):
        run_study(small(), tmp_path / "stopped")


# --- report and command ---------------------------------------------------------------------------


def test_runs_that_diverged_confirm_nothing_and_are_told(tmp_path):
    settings = small(rate=1e200, widths=(4, 7), epochs=3, track_every=1, flow_up_to=0)
    data = run_study(settings, tmp_path)
    assert data["test_accuracy"].isel(epoch=-1).isnull().all()
    assert data["test_accuracy"].isel(epoch=0).notnull().all()
    assert CONFIRMED not in [finding.verdict for finding in judge(data)]
    write_report(data, tmp_path)
    assert "16 networks diverged" in (tmp_path / "report.md").read_text()


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    """The files of the report of `study`, by name; its figures are vectors too."""
    files = write_report(study, tmp_path_factory.mktemp("report"), "svg")
    return {file.name: file for file in files}


def test_figures_fit_a_page_of_a_journal_as_vectors(report):
    width = re.search(r'<svg[^>]*width="([\d.]+)pt"', report["figure-4.svg"].read_text())
    assert width is not None and float(width[1]) <= 72 * 6.9 + 0.01
    with Image.open(report["figure-2.png"]) as image:
        assert image.width >= 1000


def test_the_legend_of_a_bound_has_the_colour_of_its_line(study):
    figure = FIGURES["figure-3.png"](study)
    handles = {handle.get_label(): handle for handle in figure.legends[0].legend_handles}
    assert handles["P-1, signfa"].get_color() == rule_styles(["signfa"])["signfa"].color


def test_the_report_names_the_scale_and_needs_nothing_else(report):
    html, markdown = (report[f"report.{kind}"].read_text() for kind in ("html", "md"))
    for text in (html, markdown):
        assert "scale quick, changed: not the paper" in text
        assert "the rest is rounding" in text
    assert "http" not in html.replace("http://www.w3.org", "")
    assert html.count("data:image/png;base64,") == 5
    assert set(report) >= {"figure-2.png", "figure-3.png", "figure-4.png"}


@pytest.mark.parametrize("widths", some_now([1, 2], [2]))
def test_titles_and_legends_are_within_their_figures(study, widths):
    data = study.isel(width=slice(widths))
    for draw in (*FIGURES.values(), steps_and_flow):
        figure = draw(data)
        figure.canvas.draw()
        for part in (figure._suptitle, *figure.legends):
            extent = part.get_window_extent()
            assert figure.bbox.x0 <= extent.x0 < extent.x1 <= figure.bbox.x1, draw.__name__


def test_the_papers_protocol_bears_its_name_and_changes_are_told():
    assert PAPER.title == "E-1, noisy MNIST, scale paper"
    changed = settings_of("paper", widths=(15, 200))
    assert "changed" in changed.title
    assert changed.departures == ["widths 15 200 (E-1: 15 30 45 60 75 100 125 150 175 200)"]


COMMAND = (
    "experiment noisy-mnist --widths 4 --runs 1 --images 5 --test-images 5 --epochs 4 "
    "--track-every 2 --threads 1"
)


@pytest.fixture(scope="module")
def commanded(tmp_path_factory):
    """The folder that `COMMAND` left, which no test may change, and what the command said."""
    place, said = tmp_path_factory.mktemp("commanded"), io.StringIO()
    write_mnist(place / "data")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setenv("FLOWFA_DATA", str(place / "data"))
        patch.setenv("FLOWFA_CACHE", str(place / "cache"))
        assert main([*COMMAND.split(), "--out", str(place / "found"), "--json"]) == 0
    return place / "found", said.getvalue()


def test_the_command_writes_the_result_and_tells_the_findings(commanded):
    place, said = commanded
    told = json.loads(said)
    assert told["claims"] and told["departures"]
    with xr.open_dataset(place / "noisy-mnist.nc", engine="h5netcdf") as data:
        assert dict(data.sizes) == {"width": 1, "rule": 4, "run": 1, "epoch": 3}
        assert json.loads(data.attrs["protocol"])["images"] == 5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--images 41", "--images is 41 but the train split of mnist has 40 images"),
        ("--widths 7 4", "increasing"),
        ("--runs 0", "--runs is 0"),
        ("--rule dfa", "dfa"),
        ("--momentum 1", "--momentum is 1.0"),
        ("--scale huge", "huge"),
        ("--flow-rtol 0", "--flow-rtol is 0.0"),
        ("--data-dir nowhere", "nowhere"),
    ],
)
def test_bad_input_is_told_in_one_line(options, told, capsys):
    assert main([*with_flags(COMMAND, options), "--out", "found"]) == 64
    text = capsys.readouterr().err.strip()
    assert told in text
    assert len(text.splitlines()) == 1
    assert not Path("found").exists()


@pytest.mark.parametrize(
    ("fitting", "told"),
    [
        (3, "about 3 would fit; start again with `runs=3`"),
        (0, "not even one run fits"),
        (9, "should fit"),
    ],
)
def test_too_little_memory_says_how_many_runs_would_fit(tmp_path, monkeypatch, fitting, told):
    def exhausted(*arguments):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(studies, "train", exhausted)
    monkeypatch.setattr(studies, "fitting_runs", lambda *arguments: fitting)
    with pytest.raises(InputError, match=told):
        run_study(small(runs=4), tmp_path)


def test_runs_that_fit_are_counted_by_the_memory_of_one(monkeypatch):
    for name, value in {
        "empty_cache": None,
        "reset_peak_memory_stats": None,
        "mem_get_info": (100.0, 200.0),
        "memory_allocated": 10.0,
        "max_memory_allocated": 43.0,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, value=value: value)
    found = memory.fitting_runs(small(), 4, draw_images(small()), torch.device("cpu"))
    assert found == 3


def test_an_experiment_that_is_not_named_is_asked_for(capsys):
    assert main(["experiment"]) == 64
    assert "name an experiment: noisy-mnist" in capsys.readouterr().err


def test_an_unknown_experiment_is_told_the_nearest(capsys):
    assert main(["experiment", "noisy-minst"]) == 64
    assert "noisy-mnist" in capsys.readouterr().err


def test_output_that_is_there_is_kept(commanded, capsys):
    shutil.copytree(commanded[0], "found")
    before = Path("found/noisy-mnist.nc").read_bytes()
    for flags, told in (((), "--overwrite"), (("--resume",), "nothing to resume")):
        assert main([*COMMAND.split(), "--out", "found", "--quiet", *flags]) == 64
        assert told in capsys.readouterr().err
    assert Path("found/noisy-mnist.nc").read_bytes() == before
