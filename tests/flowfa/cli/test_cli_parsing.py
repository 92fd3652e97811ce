"""The command line before any computing: parsing, bad input, exit statuses, what is imported."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import flowfa
from flowfa.cli import main as cli_main
from flowfa.cli.console import say_json
from flowfa.cli.main import main
from flowfa.cli.parsing import SETTINGS, parse
from flowfa.cli.words import flags_of
from flowfa.errors import FlowfaError, InputError, Interrupted
from flowfa.settings.output import figure_beside

HEAVY = ("torch", "numpy", "scipy", "xarray", "matplotlib", "sklearn", "numba", "tqdm")


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def parsed(line):
    return parse(line.split())


def run_python(code, **streams):
    """Run a program in a process of its own that finds this flowfa, installed or not."""
    root = str(Path(flowfa.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    return subprocess.run([sys.executable, "-c", code], text=True, env=environment, **streams)


def failing(monkeypatch, error):
    """Make the next command fail with `error` after it has been parsed."""
    from flowfa.cli import running

    def fail(command, argv):
        raise error

    monkeypatch.setattr(running, "run", fail)


# --- help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["--help"], ["simulate", "--help"], ["data", "make", "-h"], ["--version"]]
)
def test_help_imports_nothing_heavy(words):
    code = (
        "import sys\n"
        "from flowfa.cli.main import main\n"
        f"status = main({words!a})\n"
        f"print(status, [name for name in {HEAVY} if name in sys.modules])"
    )
    found = run_python(code, capture_output=True, check=True)
    assert found.stdout.splitlines()[-1] == "0 []"
    assert found.stderr == ""


def test_looking_at_files_needs_no_torch():
    data = flowfa.datasets.orthogonally_separable(samples=4, dim=3, seed=0)
    flowfa.datasets.save_npz(data, "data.npz")
    flowfa.simulate(flowfa.Problem(data, (3,)), 1, t_end=1.0, save=3, path="run.nc")
    code = (
        "import sys\n"
        "from flowfa.cli.main import main\n"
        "for line in ('info run.nc', 'plot run.nc', 'data certify data.npz'):\n"
        "    assert main(line.split()) == 0\n"
        "print('torch' in sys.modules)"
    )
    found = run_python(code, capture_output=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name in ("simulate", "plot", "info", "data", "Exit status"):
        assert name in text


def test_help_of_simulate_shows_every_flag(capsys):
    assert main(["simulate", "--help"]) == 0
    text = capsys.readouterr().out
    for flag in ("--rule", "--lambda ", "--t-end", "--checkpoint-every", "--resume", "--json"):
        assert flag in text
    assert "lambda_" not in text
    assert "default: None" not in text


def test_the_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("flowfa ")


# --- what is understood -------------------------------------------------------------------------


def test_flags_become_settings():
    found = parsed(
        "simulate --rule gd fa --width 64 32 --lambda 0.5 --signfa-scale xavier --quiet "
        "--classes 3 8 --t-end 1e3 --init start.npz"
    )
    assert found.rule == ("gd", "fa")
    assert found.width == (64, 32)
    assert found.lambda_ == 0.5
    assert found.signfa_scale == "xavier"
    assert found.quiet
    assert found.classes == (3, 8)
    assert found.t_end == 1000.0
    assert found.init == "start.npz"


def test_a_file_gives_settings_and_flags_override_it(empty_folder):
    (empty_folder / "run.toml").write_text("t-end = 7\nwidth = [5, 4]\nquiet = true\nlambda = 2\n")
    found = parsed("simulate --config run.toml --width 9")
    assert (found.t_end, found.width, found.quiet, found.lambda_) == (7.0, (9,), True, 2.0)


def test_a_flag_with_the_usual_default_overrides_the_file_too(empty_folder):
    (empty_folder / "run.toml").write_text("t-end = 7\nquiet = true\nlambda = 2\n")
    found = parsed("simulate --config=run.toml --t-end 100 --no-quiet --lambda None")
    assert (found.t_end, found.quiet, found.lambda_) == (100.0, False, None)


def test_settings_from_a_file_are_validated(empty_folder):
    (empty_folder / "run.toml").write_text("leak = 2\n")
    with pytest.raises(InputError, match="`leak` is 2"):
        parsed("simulate --config run.toml")


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        ("", "name one of simulate"),
        ("simulat", "did you mean 'simulate'?"),
        ("swipe L-1", "unknown command 'swipe'"),
        ("data", "name one of make, fetch, certify"),
        ("data certfy x.npz", "did you mean 'certify'?"),
        ("simulate extra", "cannot use the word 'extra'"),
        ("simulate --rtol 1e-4 1e-5", "--rtol takes one value"),
        ("simulate --quiet=yes", "--quiet takes no value"),
        ("simulate --rtol --quiet", "--rtol has no value"),
        ("simulate --rate 0.1", "it is a flag of flowfa train"),
        ("simulate --rule FA", "did you mean 'fa'?"),
        ("simulate -q", "simulate has no flag -q"),
        ("simulate --rulee gd", "did you mean --rule NAME"),
        ("simulate --width ten", "--width is 'ten': expected a whole number"),
        ("simulate --width 0", "--width is 0"),
        ("simulate --width -5", "--width is -5"),
        ("simulate --width", "--width has no number"),
        ("simulate --samples 3.5", "--samples is '3.5': expected a whole number"),
        ("simulate --t-end ten", "--t-end is 'ten': expected a number"),
        ("simulate --signfa-scale wide", "expected a number or 'xavier'"),
        ("simulate --samples 0", "--samples is 0"),
        ("simulate --dim -2", "--dim is -2"),
        ("simulate --leak 1.5", "--leak is 1.5"),
        ("simulate --leak nan", "--leak is nan"),
        ("simulate --rtol 0", "--rtol is 0"),
        ("simulate --rtol -1e-6", "--rtol is -1e-06"),
        ("simulate --rtol small", "--rtol is 'small': expected a number"),
        ("simulate --atol -1", "--atol is -1"),
        ("simulate --t-end 0", "--t-end is 0"),
        ("simulate --t-end inf", "--t-end is inf"),
        ("simulate --step 0", "--step is 0"),
        ("simulate --trajectories 0", "--trajectories is 0"),
        ("simulate --seed -1", "--seed is -1"),
        ("simulate --save 1", "--save is 1"),
        ("simulate --bias hiden", "did you mean 'hidden'?"),
        ("simulate --spacing lgo", "did you mean 'log'?"),
        ("simulate --dtype float16", "did you mean 'float64'?"),
        ("simulate --controller p", "did you mean 'pi'?"),
        ("simulate --threads 0", "--threads is 0"),
        ("simulate --plot a.jpg", "expected a name that ends in .png"),
        ("simulate --config absent.toml", "there is no file absent.toml"),
        ("simulate --config .", "is a directory"),
        ("simulate --config bad.toml", "bad.toml is not TOML"),
        ("simulate --config typo.toml", "did you mean 'width'?"),
        ("plot", "plot needs RUN.nc"),
        ("info", "info needs RUN.nc"),
        ("data make nearly-orthogonal", "needs --out FILE.npz"),
    ],
)
def test_bad_words_end_with_64_and_one_line_and_no_file(empty_folder, capsys, line, fragment):
    (empty_folder / "bad.toml").write_text("width = \n")
    (empty_folder / "typo.toml").write_text("widht = 5\n")
    assert main(line.split()) == 64
    shown = capsys.readouterr()
    assert fragment in shown.err
    assert shown.err.count("\n") == 1 and shown.err.startswith("flowfa: ")
    assert shown.out == ""
    assert {path.name for path in empty_folder.iterdir()} == {"bad.toml", "typo.toml"}


FLAGS = [
    (command, setting)
    for command, group in SETTINGS.items()
    for setting in flags_of(group, group)
    if not setting.takes_no_value
]
POSITIONAL = {
    "check": ["run.nc"],
    "data certify": ["data.npz"],
    "data fetch": ["mnist"],
    "data make": ["gaussian"],
    "experiment": ["cifar100"],
    "falsify": ["L-1"],
    "info": ["run.nc"],
    "plot": ["run.nc"],
}


@pytest.mark.parametrize(("command", "setting"), FLAGS)
def test_flag_given_twice_is_refused(command, setting):
    """The parser takes the last, so that `--rule gd --rule fa` would run fa alone."""
    words = [*command.split(), *POSITIONAL.get(command, [])]
    with pytest.raises(InputError, match=f"{setting.flag} is given twice"):
        parse([*words, setting.flag, "1", setting.flag.replace("-", "_").replace("__", "--"), "2"])


def test_flag_given_twice_is_told_how_to_give_it_once(capsys):
    assert main(["train", "--rate", "0.1", "--rate=0.05"]) == 64
    assert "all values: --rate 0.1 0.05" in capsys.readouterr().err


def test_list_leaves_the_last_word_to_the_file():
    assert parsed("check --only L-1 C-1 run.nc").run == "run.nc"
    assert parsed("check run.nc --only L-1 C-1").only == ("L-1", "C-1")


def test_negative_numbers_are_values():
    with pytest.raises(InputError, match="`rtol` is -inf"):
        parsed("simulate --rtol -inf")
    with pytest.raises(InputError, match=r"`rtol` is -0\.001"):
        parsed("simulate --rtol=-1e-3")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    ("words", "status", "shown"),
    [
        (["--help"], 0, "simulate       Integrate"),
        (["simulate", "--help"], 0, "--rule"),
        (["simulate", "--config", "\udcff.toml"], 64, "there is no file \\udcff.toml"),
        (["simulate", "--config", "\N{GREEK SMALL LETTER ALPHA}.toml"], 64, "file \\u03b1.toml"),
    ],
)
def test_a_terminal_of_few_characters_gets_all_text(monkeypatch, encoding, words, status, shown):
    """A byte of a file name that is no UTF-8 is a lone surrogate in Python."""
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    stderr = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    assert main(words) == status
    text = stdout.buffer.getvalue() + stderr.buffer.getvalue()
    assert shown in text.decode(encoding)


def test_json_on_a_terminal_of_few_characters_is_json(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    say_json({"run": "\udcff\N{GREEK SMALL LETTER ALPHA}.nc"})
    assert json.loads(stdout.buffer.getvalue()) == {"run": "\udcff\N{GREEK SMALL LETTER ALPHA}.nc"}


@pytest.mark.parametrize(
    ("out", "figure"),
    [
        ("run.nc", "run.png"),
        ("rate_0.1", "rate_0.1.png"),
        ("rate_0.15", "rate_0.15.png"),
        ("rate_0.1.nc", "rate_0.1.png"),
        ("a.b/run", "a.b/run.png"),
        ("run.H5", "run.png"),
    ],
)
def test_figures_of_different_results_are_different(out, figure):
    assert parsed(f"simulate --out {out}").figure == Path(figure)
    assert parsed(f"train --out {out}").figure == Path(figure)
    assert figure_beside(out) == Path(figure)


def test_an_error_of_settings_is_one_line(capsys):
    main(["simulate", "--leak", "2"])
    assert capsys.readouterr().err.count("\n") == 1


def test_debug_shows_the_traceback(capsys):
    assert main(["simulate", "--leak", "2", "--debug"]) == 64
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.splitlines()[-1].startswith("flowfa: --leak is 2")


# --- other ends ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "fragment"),
    [
        (InputError("a\nb"), 64, "flowfa: a b\n"),
        (Interrupted("kept", 2), 130, "flowfa: kept\n"),
        (Interrupted("kept", 15), 143, "flowfa: kept\n"),
        (KeyboardInterrupt(), 130, "flowfa: stopped\n"),
        (PermissionError(13, "Permission denied", "/a/run.nc"), 64, "/a/run.nc: permission denied"),
        (OSError(28, "No space left on device"), 64, "no space left on device"),
        (OSError("odd"), 70, "internal error, OSError: odd"),
        (MemoryError(), 64, "out of memory"),
        (ValueError("odd\nindeed"), 70, "internal error, ValueError: odd indeed"),
        (FlowfaError("odd"), 70, "internal error"),
    ],
)
def test_every_error_is_one_line_with_its_exit_status(monkeypatch, capsys, error, status, fragment):
    failing(monkeypatch, error)
    assert main(["info", "run.nc"]) == status
    shown = capsys.readouterr().err
    assert fragment in shown
    assert shown.count("\n") == 1


def test_an_internal_error_has_its_traceback_with_debug(monkeypatch, capsys):
    failing(monkeypatch, ValueError("odd"))
    assert main(["info", "run.nc", "--debug"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error_worth_telling():
    # The reading end is closed before anything is written.
    reading, writing = os.pipe()
    os.close(reading)
    code = "from flowfa.cli.main import main; import sys; sys.exit(main(['--help']))"
    ended = run_python(code, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert ended.returncode == 128 + 13
    assert ended.stderr == ""


def test_the_entry_point_exits_with_the_status(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["flowfa", "simulate", "--leak", "2"])
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(SystemExit) as caught:
        cli_main.entry_point()
    assert caught.value.code == 64
