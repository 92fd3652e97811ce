"""The examples of docs/gallery: what each must have, and that their assertions can fail."""

from __future__ import annotations

import ast
import io
import re
import runpy
import tokenize
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = sorted((DOCS / "gallery").glob("*.py"))
REFERENCES = next(DOCS.rglob("references.md")).read_text(encoding="utf-8")
MOST_LINES = 60
MOST_STATEMENTS = 15
FIGURE = "\n# %%\nfigure, "

WRONG = {
    "saxe_2014_modes": ('rule=("gd", "fa")', 'rule=("fa", "gd")'),
    "lillicrap_2016_angle": ('activation="identity", rule="fa", initial=zero', "initial=zero"),
    "refinetti_2021_align_then_memorise": ('activation="identity"', 'activation="tanh"'),
    "elkabetz_2021_flow_and_steps": (
        "steps = flowfa.train(problem",
        'other = flowfa.Problem(data, (6, 6), leak=1.0, rule="fa", loss="squared")\n'
        "steps = flowfa.train(other",
    ),
}
"""What to put wrong in quick examples, and by what: another rule, activation or start."""


def names(path):
    return path.stem


def code_lines(source):
    """Return the numbers of the lines that have code: no comment, docstring or blank."""
    tree = ast.parse(source)
    docstring = range(tree.body[0].lineno, tree.body[0].end_lineno + 1)
    layout = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {
        line
        for token in tokens
        if token.type not in layout
        for line in range(token.start[0], token.end[0] + 1)
    }
    return lines - set(docstring)


def statements(source):
    """Return the statements of a result: without imports, prints, assertions and the figure."""
    tree = ast.parse(source.partition(FIGURE)[0])
    left_out = (ast.Import, ast.ImportFrom, ast.Assert)
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt)
        and not isinstance(node, left_out)
        and not isinstance(node, ast.Expr)
    ]


def test_there_are_examples():
    assert len(EXAMPLES) >= 14


@pytest.mark.parametrize("path", EXAMPLES, ids=names)
def test_an_example_has_a_title_and_an_assertion(path):
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, underline = ast.get_docstring(tree).splitlines()[:2]
    assert set(underline) == {"="} and len(underline) == len(title)
    assert any(isinstance(node, ast.Assert) for node in ast.walk(tree))


@pytest.mark.parametrize("path", EXAMPLES, ids=names)
def test_an_example_cites_a_paper_that_is_in_the_references(path):
    text = " ".join(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split())
    cited = re.findall(r"\*([^*]{20,})\*", text)
    known = " ".join(REFERENCES.split()).lower()
    assert cited, "no title in italics"
    assert any(title.lower() in known for title in cited), cited


@pytest.mark.parametrize("path", EXAMPLES, ids=names)
def test_an_example_is_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(code_lines(source)) < MOST_LINES
    assert len(statements(source)) <= MOST_STATEMENTS


def test_lines_of_code_are_counted_without_comments_and_docstring():
    assert code_lines('"""Title\n\ntext"""\n# note\n\nx = (\n    1\n)  # one\n') == {6, 7, 8}


@pytest.fixture
def no_figures_left():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", WRONG)
def test_an_assertion_fails_where_the_statement_is_false(name, tmp_path, no_figures_left):
    source = (DOCS / "gallery" / f"{name}.py").read_text(encoding="utf-8")
    right, wrong = WRONG[name]
    assert right in source
    file = tmp_path / "spoilt.py"
    file.write_text(source.replace(right, wrong), encoding="utf-8")
    with pytest.raises(AssertionError):
        runpy.run_path(str(file))


def test_a_quick_example_runs(no_figures_left):
    runpy.run_path(str(DOCS / "gallery" / "saxe_2014_modes.py"))
