"""The README's first screen is what flowfa says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from flowfa.cli.main import main
from tests.support.own_files import forgotten

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()


def test_the_counterexample_of_the_readme_is_one(tmp_path):
    shutil.copy(ROOT / "docs" / "my.py", tmp_path)
    program = re.search(r"```python\n(import numpy.*?)```", TEXT, re.DOTALL)
    assert program is not None
    done = subprocess.run(
        [sys.executable, "-c", program[1]],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    shown = re.search(r"margin (-[\d.e-]+) \+- ", TEXT)
    assert shown is not None and done.stdout.startswith(f"violated: margin {shown[1]},")


def test_the_table_of_the_readme_is_printed_by_its_commands(tmp_path, capsys, monkeypatch):
    shutil.copy(ROOT / "docs" / "my.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    lines = TEXT.splitlines()
    simulate, check = [line.split()[2:] for line in lines if line.startswith("$ flowfa ")][:2]
    with forgotten():
        assert main([*simulate, "--no-check", "--plot", "none", "--quiet"]) == 0
    with forgotten():
        assert main(check) == 1
    said = capsys.readouterr().out.splitlines()
    # The last digits are the machine's.
    verdicts = [line.split()[:2] for line in said if line[:1] not in " "]
    begin = lines.index(f"$ flowfa {' '.join(check)}") + 1
    shown = [line.split()[:2] for line in lines[begin : begin + 5] if line[:1] not in " "]
    assert shown == verdicts[: len(shown)] and ["balance", "VIOLATED"] in shown
