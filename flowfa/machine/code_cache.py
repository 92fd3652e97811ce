"""Compiled functions kept on disk, as long as no source that they are made of has changed.

numba's own cache looks at the file of the outermost function only: after a change of a function
that it calls the old machine code would run on.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher

VERSIONS_KEPT = 4
"""Versions kept of each function: enough for two branches under two versions of Python."""


def keep_on_disk(function: Any) -> None:
    """Let a compiled function be loaded from numba's cache instead of compiled in each process.

    The files lie where numba puts them: in ``NUMBA_CACHE_DIR``, else in ``__pycache__`` beside the
    source, else in the user's cache folder. If none of them can be written, the function is
    compiled in each process. A temporary folder would not do: it may be another user's, and what
    is loaded from it is executed.

    Parameters
    ----------
    function : numba dispatcher
        Made by ``njit`` without ``cache=True``, of a module in a package. Under
        ``NUMBA_DISABLE_JIT=1`` it is a plain function, which is left alone.
    """
    if isinstance(function, Dispatcher):
        # numba raises RuntimeError where no folder can be written, OSError where no source is read.
        try:
            # As numba's own enable_caching does; its type stubs do not know the attribute.
            function._cache = _SourceKeyedCache(function.py_func)  # type: ignore[attr-defined]
        except (OSError, RuntimeError):
            return


def is_kept(function: Any) -> bool:
    """Return whether a compiled function is to be found on disk by the next process."""
    return isinstance(function, Dispatcher) and function.stats.cache_path is not None


def sources_of(path: Path) -> dict[str, Path]:
    """Return the files that a module is made of: its own, and all that it imports of its package.

    Parameters
    ----------
    path : Path
        Of the module's file.

    Returns
    -------
    dict
        From the file's name within the folder that holds the package to its path, in order.

    Raises
    ------
    OSError
        If a source cannot be read.
    """
    path = path.resolve()
    root = path.parent
    while (root / "__init__.py").exists():
        root = root.parent
    reached, pending = {path}, [path]
    while pending:
        new = _imports(pending.pop(), root) - reached
        reached |= new
        pending += new
    return {file.relative_to(root).as_posix(): file for file in sorted(reached)}


@functools.cache
def digest_of_sources(path: Path) -> str:
    """Return a digest of all that `sources_of` returns, names and contents.

    Parameters
    ----------
    path : Path
        Of the module's file; read once in a process, as Python reads it.

    Raises
    ------
    OSError
        If a source cannot be read.
    """
    digest = hashlib.sha256()
    for name, file in sources_of(path).items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@functools.cache
def _imports(path: Path, root: Path) -> frozenset[Path]:
    """Return the files below `root` that a module imports, wherever in it the imports stand."""
    package = ".".join(path.relative_to(root).parent.parts)
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            # What is imported from a package may be one of its modules.
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    bases = [root.joinpath(*name.split(".")) for name in names]
    files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py")]
    return frozenset(file for file in files if file.is_file())


class _SourceKeyedCache(FunctionCache):
    """numba's cache of a function, with the digest of its sources in the names of its files.

    The digest is in the names, and not only in the index, so that a process that still runs the
    old sources can never write what a process with the new ones reads.
    """

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        digest = digest_of_sources(Path(py_func.__code__.co_filename))
        # numba's name is MODULE.FUNCTION-LINE.pyVERSION.
        self._stem, _, suffix = self._impl.filename_base.rpartition("-")
        self._cache_file = IndexDataCacheFile(
            cache_path=self.cache_path,
            filename_base=f"{self._stem}-{digest[:16]}-{suffix}",
            source_stamp=digest,
        )

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save what was compiled; if that fails, as on a full disk, say so once and go on."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self.disable()
            _say_not_kept(str(self.cache_path), error.strerror or type(error).__name__)
        else:
            # Another process may remove the same files now; a later call removes the rest.
            with contextlib.suppress(OSError):
                self._drop_old_versions()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load what was compiled; None if there is none, or if it cannot be read."""
        try:
            return super().load_overload(sig, target_context)
        except OSError:
            return None

    def _drop_old_versions(self) -> None:
        """Remove the files of all but the latest digests of this function's sources."""
        changed: dict[str, float] = {}
        files = [file for file in Path(self.cache_path).iterdir() if self._is_ours(file)]
        for file in files:
            version = self._version(file)
            changed[version] = max(changed.get(version, 0.0), file.stat().st_mtime)
        latest = sorted(changed, key=lambda version: changed[version])[-VERSIONS_KEPT:]
        for file in files:
            if self._version(file) not in latest:
                file.unlink(missing_ok=True)

    def _is_ours(self, file: Path) -> bool:
        return file.name.startswith(f"{self._stem}-")

    def _version(self, file: Path) -> str:
        return file.name.removeprefix(f"{self._stem}-").split(".")[0].split("-")[0]


@functools.cache
def _say_not_kept(folder: str, reason: str) -> None:
    sys.stderr.write(f"flowfa: compiled code could not be kept in {folder}: {reason}\n")
