"""The command line before any computing: parsing, bad input, exit statuses, what is imported."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import flowfa
from flowfa.cli import main as cli_main
from flowfa.cli.main import main
from flowfa.cli.parsing import parse
from flowfa.errors import FlowfaError, InputError, Interrupted

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
        f"status = main({words})\n"
        f"print(status, [name for name in {HEAVY} if name in sys.modules])"
    )
    found = run_python(code, capture_output=True, check=True)
    assert found.stdout.splitlines()[-1] == "0 []"
    assert found.stderr == ""


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
        ("", "Missing subcommand"),
        ("simulat", "did you mean 'simulate'?"),
        ("sweep L-1", "unknown command 'sweep'"),
        ("data", "Expected one of {make, fetch, certify}"),
        ("data certfy x.npz", "did you mean 'certify'?"),
        ("simulate extra", "Unrecognized options: extra"),
        ("simulate --rulee gd", "--rule NAME"),
        ("simulate --width ten", "Error parsing --width"),
        ("simulate --width 0", "--width is 0"),
        ("simulate --width -5", "--width is -5"),
        ("simulate --width", "--width has no number"),
        ("simulate --samples 3.5", "Error parsing --samples"),
        ("simulate --samples 0", "--samples is 0"),
        ("simulate --dim -2", "--dim is -2"),
        ("simulate --leak 1.5", "--leak is 1.5"),
        ("simulate --leak nan", "--leak is nan"),
        ("simulate --rtol 0", "--rtol is 0"),
        ("simulate --rtol -1e-6", "--rtol is -1e-06"),
        ("simulate --rtol small", "Error parsing --rtol"),
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
        ("plot", "Missing from flowfa plot"),
        ("info", "Missing from flowfa info"),
        ("data make nearly-orthogonal", "--out"),
    ],
)
def test_bad_words_end_with_64_and_a_few_lines_and_no_file(empty_folder, capsys, line, fragment):
    (empty_folder / "bad.toml").write_text("width = \n")
    (empty_folder / "typo.toml").write_text("widht = 5\n")
    assert main(line.split()) == 64
    shown = capsys.readouterr()
    assert fragment in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""
    assert {path.name for path in empty_folder.iterdir()} == {"bad.toml", "typo.toml"}


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
