"""The page of ``flowfa check --html``: what is in it, and that nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import h5py
import numpy as np
import pytest

import flowfa
import theory_checks
from flowfa.cli.main import main
from tests.support.checksums import forget_checksums
from theory_checks.pages import page
from theory_checks.pages.loss import bounds
from theory_checks.pages.margins import margin_panels, worst_of_rules
from theory_checks.verdicts.traces import Trace

VOID = {"meta", "img", "br"}


class Balanced(HTMLParser):
    """Notes the texts and the open elements of a page."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parsed(text):
    parser = Balanced()
    parser.feed(text)
    assert not parser.open
    return parser


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of two rules in which the feedback was replaced, and its page."""
    folder = tmp_path_factory.mktemp("page")
    data = flowfa.datasets.orthogonally_separable(samples=5, dim=4, seed=0)
    problem = flowfa.Problem(data, (4, 3), rule=("fa", "gd"))
    run = flowfa.simulate(problem, 2, t_end=0.5, save=9, argv=["simulate", "<x>"])
    run.save(folder / "run.nc")
    with h5py.File(folder / "run.nc", "r+") as stored:
        stored["weights/B3"][:1] = 1.3 * stored["weights/B3"][:1]
        forget_checksums(stored)
    words = ["check", str(folder / "run.nc"), "--only", "C-1", "C-5", "Eq-1"]
    assert main([*words, "--html", str(folder / "page.html")]) == 1
    return folder


def test_page_names_verdicts_places_hypotheses_and_how_the_run_was_made(made):
    text = parsed((made / "page.html").read_text(encoding="utf-8")).text
    for fragment in (
        "violated C-1",
        "fa trajectory 0, layer 2",
        "weights in the file",
        "It does not apply unless the activation is the identity (leak = 1) (by 0.9)",
        "Margin = 2 x uncertainty - drift",
        "flowfa simulate '<x>'",
        "version of torch",
        "t_end",
        "Margins over time",
        "Conserved quantities",
        "Loss and its bounds",
        "Alignment",
        "Signs of the output weights",
    ):
        assert fragment in text


def test_page_needs_nothing_from_elsewhere(made):
    parser = parsed((made / "page.html").read_text(encoding="utf-8"))
    tags = [tag for tag, _ in parser.tags]
    assert not {"script", "link", "iframe"} & set(tags) and tags.count("img") == 5
    for tag, attributes in parser.tags:
        assert "href" not in attributes
        if tag == "img":
            data = attributes["src"].removeprefix("data:image/png;base64,")
            assert base64.b64decode(data).startswith(b"\x89PNG") and attributes["alt"]


def test_names_cannot_break_the_page(made):
    tree = flowfa.load(made / "run.nc")
    tree.attrs["git_revision"] = "</td><script>alert(1)</script>"
    traces = theory_checks.Traces()
    report = theory_checks.check(tree, only=["C-5"], traces=traces)
    text = page(report, tree, traces, "<b>run</b> & more")
    assert "<script>" not in text and "<b>" not in text and "&lt;b&gt;run" in text
    parsed(text)


def test_traces_hold_what_the_verdict_rests_on(made):
    """The least margin of a figure is that of the report."""
    traces = theory_checks.Traces()
    report = theory_checks.check(made / "run.nc", only=["C-1"], traces=traces)
    worst = min(worst_of_rules(traces.margins["C-1"]), key=lambda each: each.rank)
    index = int((worst.margin - worst.uncertainty).argmin())
    finding = report["C-1"]
    # What is violated was looked at again for the report, by a finer rung.
    assert worst.margin[index] == pytest.approx(finding.margin, rel=1e-4)
    assert (worst.trajectory, worst.time[index]) == (finding.place.trajectory, finding.place.time)
    assert set(traces.signs) == {0, 1, 2, 3} and traces.signs[0].shape == (9, 1, 3)


def test_what_is_measured_once_has_no_panel_over_time():
    course = Trace(0, "fa", "", np.arange(2.0), np.ones(2), np.zeros(2))
    once = Trace(0, "fa", "the margin", np.zeros(1), np.ones(1), np.zeros(1))
    assert len(margin_panels({"C-1": [course], "D-3": [once]})) == 1


def test_bound_of_the_figure_is_that_of_the_theorem():
    """Along de/dt = -e^2 dominance with gamma = 2 is exact, and so is its bound."""
    times = np.linspace(0.0, 5.0, 11)
    loss = 1.0 / (1.0 + times)
    found = bounds(times, loss, loss**2)
    np.testing.assert_allclose(found[2.0], loss, rtol=1e-12)
    np.testing.assert_allclose(found[1.0], np.exp(-loss * times), rtol=1e-12)
    # Without dominance there is none.
    assert np.isnan(bounds(times, loss, -loss)[1.0]).all()


def test_violations_are_shown_before_what_is_no_number_and_that_before_the_rest():
    def trace(row, margin):
        values = np.array([1.0, margin])
        return Trace(row, "fa", "", np.array([0.0, 1.0]), values, 0.1 * np.ones(2))

    traces = [trace(0, -5.0), trace(1, np.nan), trace(2, 1.0)]
    for number in (0, 1, 2):
        (worst,) = worst_of_rules(traces[number:])
        assert worst.trajectory == number


def test_page_of_many_trajectories_stays_small(tmp_path):
    data = flowfa.datasets.orthogonally_separable(samples=3, dim=4, seed=0)
    problem = flowfa.Problem(data, (60,), rule=("fa", "signfa"))
    run = flowfa.simulate(problem, 12, t_end=0.2, save=6)
    traces = theory_checks.Traces()
    report = theory_checks.check(run, only=["C-1", "record"], traces=traces)
    text = page(report, run.tree, traces, "run")
    assert len(text) < 6e5
    assert re.search("Of each rule one trajectory", text)
