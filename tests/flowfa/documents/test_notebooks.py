"""What a notebook shows of objects and figures, and progress there."""

from __future__ import annotations

import sys
import types

import pytest

import flowfa
import theory_checks
from flowfa.errors import InputError
from flowfa.problems.activations import LeakyReLU
from flowfa.studies import notebook
from flowfa.studies.progress import ProgressState
from theory_checks.falsify import find, search

DATA = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=1)


@pytest.fixture(scope="module")
def run():
    return flowfa.simulate(flowfa.Problem(DATA, (3,), rule=("gd", "fa")), 2, t_end=2.0, save=5)


@pytest.fixture
def shown(monkeypatch):
    """What a notebook was told to display."""
    pages = []
    kernel = types.SimpleNamespace(kernel=object())
    display = types.ModuleType("IPython.display")
    display.HTML, display.display = str, pages.append
    shell = types.ModuleType("IPython")
    shell.get_ipython, shell.display = lambda: kernel, display
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return pages


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: flowfa.datasets.certify(DATA), "lambda"),
        (lambda: LeakyReLU(0.2), "<td>leak</td><td>0.2</td>"),
        (lambda: search(*find("paper-C.3"), examples=50, seconds=5.0), "counterexample"),
    ],
)
def test_objects_show_themselves_as_a_table(make, said):
    page = make()._repr_html_()
    assert said in page and "<table" in page


def test_a_run_draws_itself(run):
    assert len(run.plot().axes) == 6
    assert run.plot("loss", "accuracy").axes[0].get_title() == "mean loss"
    assert len(run.plot(panels=["factors"], style="paper").axes) == 3
    with pytest.raises(InputError, match="variables and `panels` are both given"):
        run.plot("loss", panels=["loss"])


def test_a_notebook_gets_the_picture_of_a_figure(run):
    assert run.plot()._repr_png_().startswith(b"\x89PNG")


def test_a_report_is_shown_as_text_and_in_a_notebook_as_a_table(run, capsys, shown, monkeypatch):
    report = theory_checks.check(run, only=["C-1"])
    report.show()
    assert capsys.readouterr().out == ""
    assert "<table" in shown[0] and "each neuron conserves" in shown[0]
    monkeypatch.delitem(sys.modules, "IPython")
    report.show()
    assert capsys.readouterr().out == f"{report}\n" and len(shown) == 1


def test_a_bar_shows_the_share_and_is_cleared(monkeypatch):
    drawn = []

    class Fake:
        n = 0.0

        def set_postfix_str(self, text, refresh):
            drawn.append(text)

        def refresh(self):
            drawn.append(self.n)

        def close(self):
            drawn.append("closed")

    monkeypatch.setattr(notebook, "_bar", Fake)
    bar = notebook.Bar()
    bar.update(ProgressState(0.25, doing="solving"))
    bar.update(ProgressState(0.5))  # too soon to be drawn again
    bar.close()
    bar.close()
    assert drawn == ["solving", 25.0, "closed"]


def test_progress_is_shown_if_asked_for(run, capsys):
    flowfa.simulate(flowfa.Problem(DATA, (3,)), 1, t_end=1.0, save=3, progress=True)
    assert "left" in capsys.readouterr().err
    flowfa.simulate(flowfa.Problem(DATA, (3,)), 1, t_end=1.0, save=3)
    flowfa.rerun(run, progress=False)
    assert capsys.readouterr().err == ""
    with pytest.raises(InputError, match="`progress` is 'yes': expected True"):
        flowfa.train(flowfa.Problem(DATA, (3,)), 1, steps=2, progress="yes")
