"""Python files of the user's own: imported once, told by their digests, refused in one line."""

from __future__ import annotations

import hashlib

import pytest

import flowfa
from flowfa.errors import InputError
from flowfa.files.own_code import import_lines, origins, source_of
from flowfa.problems.rules import RULES
from tests.support.own_files import forgotten
from tests.support.rules import Doubled

RULE = """\
import flowfa
from beside import SHARE

@flowfa.rule("my-{name}")
class Mine(flowfa.RuleInForm):
    def draw_feedback(self, weights, draw):
        return {{}}

    def form(self, layer, shape, kept):
        return flowfa.FeedbackForm(weight_share=SHARE)
"""


@pytest.fixture(autouse=True)
def fresh():
    with forgotten():
        yield


def test_a_file_registers_finds_its_neighbours_and_is_told_by_its_digest(tmp_path):
    (tmp_path / "beside.py").write_text("SHARE = 0.5\n")
    file = tmp_path / "mine.py"
    file.write_text(RULE.format(name="rule"))
    own = flowfa.import_file(file)
    assert (own.name, own.digest) == ("mine.py", hashlib.sha256(file.read_bytes()).hexdigest())
    assert source_of(RULES.get("my-rule")) == source_of(RULES.get("my-rule")()) == own
    assert origins([("rule my-rule", RULES.get("my-rule")()), ("rule fa", RULES.get("fa")())]) == [
        {"file": "mine.py", "sha256": own.digest, "gives": ["rule my-rule"]}
    ]
    assert import_lines(RULES.get("my-rule"), RULES.get("gd")) == [
        "import flowfa",
        "flowfa.import_file('mine.py')",
    ]
    assert import_lines(RULES.get("gd")) == []
    # A second time it is not run again, which would find its name taken.
    assert flowfa.import_file(file) == own


def test_a_module_imported_otherwise_is_told_too():
    source = source_of(Doubled())
    assert source is not None and source.name == "rules.py"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ny = x / 0\n", r"mine.py, line 2 cannot be imported \(ZeroDivisionError"),
        ("x = (\n", r"mine.py, line 1 cannot be imported \(SyntaxError"),
        ("import not_there\n", r"line 1 cannot be imported \(ModuleNotFoundError"),
        (RULE.replace("my-{name}", "fa").replace("from beside import SHARE", ""), "'fa' is taken"),
    ],
    ids=["error", "syntax", "import", "taken"],
)
def test_a_file_that_cannot_be_imported_is_refused_with_its_line(text, words, tmp_path):
    (tmp_path / "mine.py").write_text(text.replace("{{}}", "{}"))
    with pytest.raises(InputError, match=words):
        flowfa.import_file(tmp_path / "mine.py")


@pytest.mark.parametrize(
    ("name", "words"), [("none.py", "there is no file"), ("mine.txt", "ends in .py")]
)
def test_what_is_no_python_file_is_refused(name, words, tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(InputError, match=words):
        flowfa.import_file(tmp_path / name)
