"""Python files of the user's own: imported for what they register, and told by their digests."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowfa.errors import InputError
from flowfa.files.paths import as_path

_OWN = ("flowfa", "theory_checks")
"""Packages whose code is told by their version."""


@dataclass(frozen=True)
class OwnFile:
    """A Python file.

    Attributes
    ----------
    name : str
        Without its folder, which is another one on another machine.
    digest : str
        SHA-256 of its bytes.
    """

    name: str
    digest: str


_imported: dict[str, OwnFile] = {}
"""The files that `import_file` has imported, by the names of their modules."""


def import_file(path: str | Path) -> OwnFile:
    """Import a Python file, so that the rules, losses, ... that it registers can be named.

    A file that was imported before is not run again, as long as it is unchanged. What it imports
    from its own folder is found.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    InputError
        If there is no such file, or it cannot be imported; the message names the line.
    """
    path = as_path(path)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"there is no file {path}: give `import` the name of a Python file"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if path.suffix != ".py":
        raise InputError(f"`import` is {path}: expected a Python file, whose name ends in .py")
    own = OwnFile(path.name, hashlib.sha256(text).hexdigest())
    module_name = f"{path.stem}_{own.digest[:12]}"
    if module_name not in _imported:
        _imported[module_name] = own
        try:
            _execute(path, module_name)
        except BaseException:
            del _imported[module_name]
            raise
    return own


def _execute(path: Path, module_name: str) -> None:
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.modules[module_name] = module
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise InputError(
            f"{path}{_line(error, path)} cannot be imported ({type(error).__name__}: {error}): "
            f"mend it so that python {path} runs"
        ) from error
    finally:
        sys.path.remove(folder)


def _line(error: Exception, path: Path) -> str:
    """Return where in a file an error came from, as ``, line 3``."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.filename == str(path) else ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    return f", line {lines[-1]}" if lines else ""


def source_of(component: Any) -> OwnFile | None:
    """Return the file that defines an object's class, or a function; None if it is of flowfa.

    Also None for what is in no file, such as a cell of a notebook. Of a module that was imported
    in another way than by `import_file` it is the file as it is now.
    """
    definition = component if hasattr(component, "__qualname__") else type(component)
    module_name = str(getattr(definition, "__module__", ""))
    if module_name in _imported:
        return _imported[module_name]
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if module_name.partition(".")[0] in _OWN or file is None or not file.endswith(".py"):
        return None
    try:
        text = Path(file).read_bytes()
    except OSError:
        return None
    # A notebook's cells belong to the module __main__, whose file is that of the kernel.
    name = definition.__qualname__.partition(".")[0].encode()
    if b"class " + name not in text and b"def " + name not in text:
        return None
    return OwnFile(Path(file).name, hashlib.sha256(text).hexdigest())


def import_lines(*components: Any) -> list[str]:
    """Return the lines of a program that import the files of the user's own that it needs."""
    sources = dict.fromkeys(source_of(component) for component in components)
    files = [f"flowfa.import_file({source.name!r})" for source in sources if source is not None]
    return ["import flowfa", *files] if files else []


def origins(components: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Return the files that define components, ready for JSON, and what each of them gives.

    Parameters
    ----------
    components : iterable of (str, object)
        What the object is, such as ``rule half-fa``, and the object, its class, or a function.
    """
    gives: dict[OwnFile, list[str]] = {}
    for title, component in components:
        source = source_of(component)
        if source is not None:
            gives.setdefault(source, []).append(title)
    return [
        {"file": source.name, "sha256": source.digest, "gives": titles}
        for source, titles in gives.items()
    ]
