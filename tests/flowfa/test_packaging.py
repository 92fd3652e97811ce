"""What a built package contains beside its modules."""

from pathlib import Path

import pytest
from setuptools.dist import Distribution

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["flowfa", "theory_checks"])
def test_a_built_package_is_marked_as_typed(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files()
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    files = {name: packed for name, _, _, packed in command.data_files}
    assert files[package] == ["py.typed"]
