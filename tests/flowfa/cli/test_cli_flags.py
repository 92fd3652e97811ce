"""Messages of the library in the words of the command line."""

import ast
import re

import pytest

from flowfa.cli.flags import in_flags, settings_of
from flowfa.cli.main import main
from flowfa.cli.parsing import SETTINGS
from flowfa.settings import DeviationStudySettings, SimulateSettings, TrainSettings, declarations
from flowfa.solvers.stepping.status import Status
from tests.support.rooms import PACKAGES, ROOT


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("loosen `rtol`, please", "loosen --rtol, please"),
        ('take `solver="bosh3"`', "take --solver bosh3"),
        ("take `solver='bosh3'`", "take --solver bosh3"),
        ("give `t_end=5.0`", "give --t-end 5.0"),
        ("give `step=H`", "give --step H"),
        ("with `resume=True`", "with --resume"),
        ("with `check=False`", "with --no-check"),
        ("leave out `resume`", "leave out --resume"),
        ('`rule=("gd", "fa")`', "--rule gd fa"),
        ("`classes=(3, 8)`", "--classes 3 8"),
        ("`width=5`", "--width 5"),
        ("`lambda_` is -1.0", "--lambda is -1.0"),
        ("`smooth_kinks` and `leak`", "--smooth-kinks and --leak"),
        (
            '`torchdiffeq`-like `solver="torchdiffeq:rk4"`',
            "`torchdiffeq`-like --solver torchdiffeq:rk4",
        ),
    ],
)
def test_a_setting_becomes_its_flag(said, told):
    assert in_flags(said, SimulateSettings) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("`widths` is 0", "--width is 0"),
        ('`initial="normal"`', "--init normal"),
        ("choose another `path`", "choose another --out"),
    ],
)
def test_arguments_of_the_library_have_the_flags_that_give_them(said, told):
    assert in_flags(said, SimulateSettings) == told


def test_a_setting_of_the_command_comes_before_the_alias_of_another():
    assert in_flags("`widths`", DeviationStudySettings) == "--widths"


@pytest.mark.parametrize("said", ["`gamma_`", "`flowfa info`", "`rate`", "`W1`", "`x = y`", "rtol"])
def test_what_is_no_setting_of_the_command_stays(said):
    assert in_flags(said, SimulateSettings) == said
    assert in_flags(said, None) == said


@pytest.mark.parametrize(
    ("words", "group"),
    [
        (["simulate", "--rule", "fa"], SimulateSettings),
        (["data", "make", "digits"], SETTINGS["data make"]),
        (["experiment", "cifar100"], SETTINGS["experiment"]),
        (["data"], None),
        (["--help"], None),
        ([], None),
    ],
)
def test_the_command_at_hand_is_that_of_the_first_words(words, group):
    assert settings_of(words) is group


@pytest.mark.parametrize("group", SETTINGS.values())
def test_every_flag_that_messages_can_name_is_understood(group, capsys):
    command = next(name for name, known in SETTINGS.items() if known is group)
    assert main([*command.split(), "--help"]) == 0
    help_text = capsys.readouterr().out
    positional = ("run", "runs", "name", "file", "statement", "folder")
    for name in declarations(group):
        if name not in positional:
            flag = in_flags(f"`{name}`", group)
            assert flag in help_text or flag.replace("--", "--no-") in help_text, name


@pytest.mark.parametrize("status", list(Status))
def test_the_remedies_of_a_status_are_flags_on_the_command_line(status):
    group = TrainSettings if status is Status.DIVERGED else SimulateSettings
    assert "--" not in status.value
    assert "`" not in in_flags(status.value, group)


def test_an_early_end_is_told_with_flags(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = "simulate --dataset gaussian --samples 4 --dim 3 --width 3 --trajectories 1 --threads 1"
    line += " --solver bosh3 --max-steps 3 --plot none --no-check"
    assert main(line.split()) == 3
    assert "raise --max-steps, loosen --rtol" in capsys.readouterr().out
    assert main(["info", "run.nc"]) == 0
    assert "raise --max-steps, loosen --rtol" in capsys.readouterr().out


def strings(path):
    """Return the strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    documentation = {id(value) for value in statements}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documentation
    ]


COMMAND_LINES = (
    "provenance.py",
    "falsify/report.py",
    "random_problems/problems.py",
    "laws/same_flow.py",
    "laws/stored.py",
)
"""Modules that write whole command lines, to be pasted or run."""


def test_messages_of_the_library_name_no_flags():
    """They name settings in backticks, which the command line translates."""
    naming = [
        f"{path.relative_to(ROOT)}: {text}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "cli" not in path.parts and not str(path).endswith(COMMAND_LINES)
        for text in strings(path)
        if re.search(r"(?<![\w-])--[a-z]", text)
    ]
    assert naming == []
