"""``flowfa data make`` and ``flowfa data certify``."""

import json

import numpy as np
import pytest

from flowfa import datasets
from flowfa.cli.main import main


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line):
    return main(line.split())


@pytest.mark.parametrize(
    ("name", "options", "arguments"),
    [
        ("nearly-orthogonal", "--samples 6 --dim 60 --gamma 2", {"gamma": 2.0}),
        ("orthogonally-separable", "--samples 6 --dim 60 --lambda 0.1", {"lambda_": 0.1}),
        ("gaussian", "--samples 6 --dim 60", {}),
        ("mixture", "--samples 6 --dim 60", {}),
    ],
)
def test_the_file_holds_the_data_of_the_library_with_the_same_arguments(name, options, arguments):
    assert run(f"data make {name} --out a.npz --seed 3 {options} --quiet") == 0
    expected = datasets.make(name, seed=3, samples=6, dim=60, **arguments)
    found = np.load("a.npz")
    np.testing.assert_array_equal(found["X"], expected.X)
    np.testing.assert_array_equal(found["y"], expected.y)


def test_what_was_made_is_told_with_what_can_be_done_next(capsys):
    assert run("data make gaussian --samples 6 --dim 5 --out a.npz") == 0
    text = capsys.readouterr().out
    assert "a.npz: gaussian, 6 samples of 5 features, seed 0" in text
    assert "flowfa data certify a.npz" in text


def test_quiet_says_nothing(capsys):
    assert run("data make gaussian --samples 6 --dim 5 --out a.npz --quiet") == 0
    assert capsys.readouterr().out == ""


def test_an_existing_file_is_replaced_when_asked_only(folder, capsys):
    (folder / "a.npz").write_text("precious")
    assert run("data make gaussian --samples 6 --dim 5 --out a.npz") == 64
    assert (folder / "a.npz").read_text() == "precious"
    assert "--overwrite" in capsys.readouterr().err
    assert run("data make gaussian --samples 6 --dim 5 --out a.npz --overwrite") == 0
    assert np.load("a.npz")["X"].shape == (6, 5)


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("data make nearly-orthogonl --out a.npz", "did you mean 'nearly-orthogonal'?"),
        ("data make gaussian --out a.csv", "ends in .npz"),
        ("data make gaussian --out absent/a.npz", "there is no folder absent"),
        ("data make gaussian --samples 0 --out a.npz", "samples"),
        ("data make gaussian --seed -1 --out a.npz", "--seed is -1"),
        ("data make gaussian --gamma 2 --out a.npz", "gamma"),
        ("data make nearly-orthogonal --samples 50 --dim 10 --out a.npz", "dim"),
        ("data make digits --classes 3 12 --out a.npz", "12"),
        ("data certify absent.npz", "there is no file absent.npz"),
        ("data certify .", "directory"),
        ("data certify text.npz", "text.npz"),
    ],
)
def test_bad_input_ends_with_64_and_one_line_and_no_file(folder, capsys, line, fragment):
    (folder / "text.npz").write_text("X = 1")
    assert run(line) == 64
    shown = capsys.readouterr()
    assert fragment in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert [path.name for path in folder.iterdir()] == ["text.npz"]


def test_two_orthogonal_samples_have_the_margin_of_the_closed_form(capsys):
    # u_1 = e_1 and u_2 = 2 e_2: the least norm on the segment between them is 2 / sqrt(5).
    np.savez("a.npz", X=np.array([[1.0, 0.0], [0.0, -2.0]]), y=np.array([1.0, -1.0]))
    assert run("data certify a.npz --json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["certificates"][0]["margin"] == pytest.approx(2.0 / 5.0**0.5, rel=1e-9)
    assert found["certificates"][0]["gamma"] == "inf"
    assert run("data certify a.npz") == 0
    text = capsys.readouterr().out
    assert "margin" in text
    assert "0.894427191" in text


def test_data_that_differ_by_start_have_a_certificate_each(capsys):
    np.savez("a.npz", X=np.array([[[1.0], [1.0]], [[2.0], [3.0]]]), y=np.array([[1, -1], [1, 1]]))
    assert run("data certify a.npz --json") == 0
    found = json.loads(capsys.readouterr().out)["certificates"]
    assert [entry["separable"] for entry in found] == [False, True]
    assert run("data certify a.npz") == 0
    text = capsys.readouterr().out
    assert "a.npz, start 0" in text
    assert "a.npz, start 1" in text


@pytest.mark.parametrize("line", ["data certify a.npz", "simulate --dataset a.npz --t-end 1"])
def test_class_numbers_with_gaps_end_with_64_and_one_line(folder, capsys, line):
    np.savez("a.npz", X=np.ones((3, 2)), y=np.array([1, 2, 1_000_000]))
    assert run(line) == 64
    told = capsys.readouterr().err
    assert "class numbers 1, 2, 1000000" in told and told.count("\n") == 1


def test_a_run_with_a_class_that_has_no_sample_is_checked(folder, capsys):
    np.savez("a.npz", X=np.eye(3), y=np.array([0, 2, 2]), classes=4)
    assert run("simulate --dataset a.npz --width 4 --t-end 1 --out a.nc --no-check --quiet") == 0
    assert run("check a.nc --only record C-1") == 0
    assert "holds" in capsys.readouterr().out
