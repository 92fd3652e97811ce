"""``flowfa deviation``: the sweep, its resumption, the report, bad input."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import torch
import xarray as xr

import flowfa
from flowfa.cli.main import main
from flowfa.deviation.figures import figures
from flowfa.deviation.report import write_report
from flowfa.deviation.sentences import sentences
from flowfa.deviation.sweep import sweep
from flowfa.errors import InputError, Interrupted
from flowfa.machine import memory
from flowfa.settings import DeviationSettings
from tests.support.watching import Watch, stops_when
from tests.support.words import with_flags

SETTINGS = DeviationSettings(
    rates=(0.04, 0.02), momenta=(0.0, 0.5), t_end=1.0, points=4, refinements=(2,), fresh=5
)


def problems(widths=(3, 5), rules=("gd", "fa"), **more):
    data = flowfa.datasets.gaussian(samples=3, dim=4, seed=2)
    more = {"leak": 1.0, "initial": "xavier", "loss": "logistic"} | more
    return {str(m): flowfa.Problem(data, (m,), rule=rules, **more) for m in widths}


@pytest.fixture(scope="module")
def folder_of_found(tmp_path_factory):
    """The folder of the sweep `found`; no test may change it."""
    return tmp_path_factory.mktemp("whole") / "out"


@pytest.fixture(scope="module")
def found(folder_of_found):
    return sweep(problems(), 3, SETTINGS, folder=folder_of_found)


def test_an_interrupted_sweep_goes_on_to_the_same_numbers(found, tmp_path):
    with pytest.raises(Interrupted, match=r"3 of 4 units done; .*parts is kept.*`resume=True`"):
        sweep(
            problems(),
            3,
            SETTINGS,
            folder=tmp_path / "out",
            progress=stops_when("width 5, gd: done"),
        )
    assert not (tmp_path / "out" / "deviation.nc").exists()
    watch, threads = Watch(), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        again = sweep(
            problems(),
            3,
            SETTINGS,
            folder=tmp_path / "out",
            resume=True,
            progress=watch,
        )
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert again.attrs["threads"] == threads, "other threads would round otherwise"
    assert not any("width 3" in told.doing and "steps" in told.doing for told in watch.states)
    for name in (*found.data_vars, *found.coords):
        np.testing.assert_array_equal(again[name].values, found[name].values, err_msg=name)


def test_a_sweep_killed_before_its_report_is_read_on_resuming(found, folder_of_found, tmp_path):
    shutil.copytree(folder_of_found, tmp_path / "out")
    again = sweep(problems(), 3, SETTINGS, folder=tmp_path / "out", resume=True)
    xr.testing.assert_equal(again, found)
    with pytest.raises(InputError, match="trajectories = 3, this command 4"):
        sweep(problems(), 4, SETTINGS, folder=tmp_path / "out", resume=True)


def test_an_unfinished_sweep_is_not_mixed_with_another(tmp_path):
    with pytest.raises(Interrupted):
        sweep(problems(), 3, SETTINGS, folder=tmp_path / "out", progress=stops_when("width"))
    with pytest.raises(InputError, match="`resume=True`"):
        sweep(problems(), 3, SETTINGS, folder=tmp_path / "out")
    with pytest.raises(InputError, match="trajectories = 3, this command 4"):
        sweep(problems(), 4, SETTINGS, folder=tmp_path / "out", resume=True)


def test_the_result_file_is_read_as_it_was_written(found, folder_of_found):
    with xr.open_dataset(folder_of_found / "deviation.nc", engine="h5netcdf") as stored:
        for name in found.data_vars:
            np.testing.assert_array_equal(stored[name].values, found[name].values, err_msg=name)
        assert {"config", "argv", "versions", "threads"} <= set(stored.attrs)


@pytest.fixture(scope="module")
def report(found, tmp_path_factory):
    """The files of a report whose figures are for print too."""
    return write_report(found, tmp_path_factory.mktemp("report"), "pdf")


def test_the_report_needs_nothing_else_and_has_every_part(report):
    files = {file.name: file for file in report}
    expected = {"report.html", "report.md", "deviation-rate.png", "deviation-width.png"}
    assert expected <= set(files)
    html, markdown = files["report.html"].read_text(), files["report.md"].read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", html)
    for part in ("Power of the rate", "Deviation at the end", "Elkabetz and Cohen", "resolved"):
        assert part in html
        assert part in markdown


def test_figures_are_written_for_print_too(report):
    vector = [file for file in report if file.suffix == ".pdf"]
    assert {file.with_suffix(".png") for file in vector} < set(report) and len(vector) >= 4
    assert all(file.read_bytes().startswith(b"%PDF") for file in vector)


def test_png_is_no_format_for_print(found, tmp_path, monkeypatch):
    first = next(iter(figures(found)))
    monkeypatch.setattr("flowfa.deviation.report.figures", lambda _: [first])
    assert not [file for file in write_report(found, tmp_path, "png") if file.suffix == ".pdf"]


def test_sentences_are_drawn_from_the_numbers(found):
    text = "\n".join(sentences(found))
    near, far = found.copy(deep=True), found.copy(deep=True)
    near["parameters"] = near["parameters"] * 1e-3
    far["parameters"] = far["parameters"] * 1e3
    worst = [
        100.0 * float(each.isel(architecture=0, rule=0, variant=0).max())
        for each in (near["parameters"] + near["flow_error"], far["parameters"])
    ]
    told = re.search(
        r"stay within (\S+) % of the flow in all starts until t = 1", sentences(near)[0]
    )
    assert told is not None
    assert worst[0] <= float(told[1]) <= 1.1 * worst[0]
    assert "within 1 % at no time compared" in sentences(far)[0]
    assert worst[1] > 10.0
    # With all rates four times as far the power stays; with the larger rate alone it does not.
    bent = found.copy(deep=True)
    largest = bent["rate"] == bent["rate"].max()
    bent["parameters"] = bent["parameters"].where(~largest, 4.0 * bent["parameters"])
    assert "as that of a first-order method does on a smooth flow" in text
    assert "as that of a first-order method does on a smooth flow" not in "\n".join(sentences(bent))


def test_starts_that_disagree_are_not_called_a_power_of_one(found):
    """Slopes of 0, 1 and 2: their mean is 1, and it means nothing."""
    torn = found.copy(deep=True)
    power = np.array([0.0, 1.0, 2.0])[:, None, None] - 1.0
    rate = found["rate"].values / found["rate"].values.max()
    factor = rate[:, :, None, :, None] ** power
    torn["parameters"] = torn["parameters"] * factor
    text = "\n".join(sentences(torn))
    assert "as that of a first-order method does" not in text
    assert "3 starts are too few to tell whether they agree on a power" in text
    assert "do not agree on a power" not in text


def test_enough_starts_that_disagree_are_said_to(found, monkeypatch):
    monkeypatch.setattr("flowfa.deviation.sentences.FEWEST_STARTS", 3)
    torn = found.copy(deep=True)
    power = np.array([0.0, 1.0, 2.0])[:, None, None] - 1.0
    rate = found["rate"].values / found["rate"].values.max()
    torn["parameters"] = torn["parameters"] * rate[:, :, None, :, None] ** power
    text = "\n".join(sentences(torn))
    assert "the starts do not agree on a power" in text
    assert "too few" not in text


def test_what_the_flow_cannot_resolve_is_marked_in_the_report(found, tmp_path):
    blurred = found.copy(deep=True)
    blurred["resolved"] = blurred["resolved"] & False
    write_report(blurred, tmp_path)
    markdown = (tmp_path / "report.md").read_text()
    assert "the flow is not exact enough to measure the steps against" in markdown.lower()
    assert "3 not resolved" in markdown


COMMAND = (
    "deviation --dataset gaussian --samples 5 --dim 6 --width 3 --leak 1 --init xavier "
    "--trajectories 2 --rates 0.04 0.02 --t-end 1 --points 3 --fresh 5 --rule fa --threads 1"
)


def test_the_command_reports_and_tells_slopes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*COMMAND.split(), "--out", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sentences"]
    assert told["slopes"][0]["rule"] == "fa"
    assert (tmp_path / "out" / "report.html").exists()
    assert main([*COMMAND.split(), "--out", "out"]) == 64
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--rates 0.1 -0.2", "--rates is -0.2: expected a positive finite number"),
        ("--rates 0", "--rates is 0.0"),
        ("--rates", "rate"),
        ("--momenta 1", "--momenta is 1.0: expected a number from 0 to below 1"),
        ("--momenta -0.1", "--momenta is -0.1"),
        ("--rates 0.1 0.1", "--rates has 0.1 twice: name each one once"),
        ("--widths 0", "width"),
        ("--points 1", "points is 1"),
        ("--rates 5", "no step fits"),
        ("--rates 0.5 --momenta 0.9", "no step fits"),
        ("--rates 1e-12", "takes 1e+12 steps"),
        ("--momenta", "momenta"),
        ("--refinements 1", "at least 2"),
        ("--rule brsf", "has no flow to deviate from"),
        ("--rule fb", "fa"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(options, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*with_flags(COMMAND, options), "--out", "out"]) == 64
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out" / "deviation.nc").exists()


def test_points_that_do_not_fit_into_memory_are_refused_with_their_size(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "free_memory", lambda: 10_000)
    with pytest.raises(InputError, match=r"needs about .* for one start .*fewer points"):
        sweep(problems(), 3, SETTINGS, folder=tmp_path / "out")
