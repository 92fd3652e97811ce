"""A real browser, headless and without a network: Chromium over its DevTools pipe."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name but this machine's is found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)
NEW_FOLDERS = "--user-data-dir"
LONGEST_WAIT = 120.0
"""Seconds for an answer, on a machine that does much else."""


def chromium() -> str | None:
    """Return the path of the browser, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """Commands go in by one pipe, answers and events come out by another."""

    def __init__(self, program: str, folder: Path) -> None:
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        # The browser reads from 3 and writes to 4; neither may be overwritten by the other.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]

        def place_ends() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"{NEW_FOLDERS}={folder}", "about:blank"],
            preexec_fn=place_ends,
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._unread = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Return the answer to a command; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + LONGEST_WAIT
        while True:
            answer = self.receive(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer.get('error')}"
                return answer["result"]

    def receive(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._from, 1 << 20)
            assert piece, "the browser has gone"
            self._unread += piece
        text, _, self._unread = self._unread.partition(b"\0")
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message

    def close(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)


class Tab:
    """One tab of a given width; `troubles` and `addresses` are those of the last page."""

    def __init__(self, browser: Browser, width: int, height: int, *, telephone: bool) -> None:
        self._browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=telephone,
        )

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def open(self, address: str) -> None:
        """Go to a page, and wait until it, its fonts and its scripts are there."""
        self._browser.events.clear()
        self.call("Page.navigate", url=address)
        until = time.monotonic() + LONGEST_WAIT
        while not any(event["method"] == "Page.loadEventFired" for event in self._own()):
            self._browser.receive(until)
        self.run("document.fonts.ready.then(() => true)")

    def run(self, script: str) -> Any:
        """Return what a script comes to, a promise included."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Return what a script comes to as soon as that is true."""
        until = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < until:
            if value := self.run(script):
                return value
            time.sleep(0.1)
        raise AssertionError(f"never came true: {script}")

    @property
    def troubles(self) -> list[str]:
        """What the console or the network complained of."""
        found = []
        for event in self._own():
            method, parameters = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                found.append(f"exception: {parameters['exceptionDetails']['text']}")
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "assert"):
                found.append(f"console: {parameters['args']}")
            elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                entry = parameters["entry"]
                found.append(f"log: {entry['text']} {entry.get('url', '')}")
            elif method == "Network.loadingFailed" and not parameters.get("canceled"):
                found.append(f"not loaded: {parameters['errorText']}")
        return found

    @property
    def addresses(self) -> list[str]:
        """Everything that the page asked for."""
        sent = [e for e in self._own() if e["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def _own(self) -> list[dict[str, Any]]:
        return [e for e in self._browser.events if e.get("sessionId") == self._session]


@contextlib.contextmanager
def browsing(program: str, folder: Path) -> Iterator[Browser]:
    browser = Browser(program, folder)
    try:
        yield browser
    finally:
        browser.close()
