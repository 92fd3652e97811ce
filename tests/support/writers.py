"""Other writers: a thread or a process that wants, or holds, the place of an output."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading


def in_another_thread(work):
    """Return what `work` returns in a thread of its own, or the error that it raises."""
    outcome = []

    def attempt():
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return outcome[0]


@contextlib.contextmanager
def other_writer(path):
    """Give a process that holds the lock of `path`; it is killed at the end."""
    words = (
        "import sys; from flowfa.files.lock import sole_writer\n"
        "with sole_writer(sys.argv[1]): print('holds', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", words, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        try:
            yield process
        finally:
            process.kill()
