"""Downloading image sets from a server of our own."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

from flowfa.cli.main import main
from flowfa.datasets.images import fetch as fetching
from tests.support.image_files import pixels

pytestmark = pytest.mark.usefixtures("folder")


class Answers(http.server.BaseHTTPRequestHandler):
    """Sends `content`, or what a range asks of it; breaks off after `cut` bytes."""

    content = b""
    cut: int | None = None
    ranges: list[str | None] = []  # noqa: RUF012 - one for each test, set by the fixture

    def do_GET(self):
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(self.content):
            self.send_error(416)
            return
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : self.cut])

    def log_message(self, *words):
        pass


@pytest.fixture
def server(monkeypatch):
    pytest.importorskip("pooch")
    handler = type("Own", (Answers,), {"ranges": [], "content": bytes(pixels(300_000).data)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{serving.server_port}/file"
        digest = hashlib.md5(handler.content).hexdigest()
        download = fetching.Download(url, "cifar-100-binary.tar.gz", digest)
        monkeypatch.setitem(fetching.DOWNLOADS, "cifar100", (download,))
        yield handler
        serving.shutdown()
        thread.join()


def test_fetch_downloads_once_and_checks(folder, server, capsys):
    assert main(["data", "fetch", "cifar100"]) == 0
    path = folder / "cifar-100-binary.tar.gz"
    assert path.read_bytes() == server.content
    assert "its checksum is the official one" in capsys.readouterr().out
    assert main(["data", "fetch", "cifar100", "--quiet"]) == 0
    assert server.ranges == [None]
    assert [each.name for each in folder.iterdir()] == [path.name]


def test_fetch_goes_on_where_it_was_cut_off(folder, server, capsys):
    server.cut = 100_000
    assert main(["data", "fetch", "cifar100"]) == 64
    shown = capsys.readouterr().err
    assert "try again to go on" in shown
    assert shown.count("\n") == 1
    part = folder / "cifar-100-binary.tar.gz.part"
    assert 0 < part.stat().st_size <= 100_000
    size = part.stat().st_size
    server.cut = None
    assert main(["data", "fetch", "cifar100", "--quiet"]) == 0
    assert server.ranges == [None, f"bytes={size}-"]
    assert (folder / "cifar-100-binary.tar.gz").read_bytes() == server.content
    assert not part.exists()


def test_fetch_refuses_what_has_another_checksum(folder, server, capsys):
    server.content = b"something else"
    assert main(["data", "fetch", "cifar100"]) == 64
    assert "hash" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
    (folder / "cifar-100-binary.tar.gz").write_bytes(b"my own")
    assert main(["data", "fetch", "cifar100"]) == 64
    assert "is there but its MD5" in capsys.readouterr().err
    assert (folder / "cifar-100-binary.tar.gz").read_bytes() == b"my own"


def test_fetch_without_a_network_names_the_expected_files(folder, server, monkeypatch, capsys):
    unreachable = fetching.Download("http://127.0.0.1:9/file", "cifar-100-binary.tar.gz", "0" * 32)
    monkeypatch.setitem(fetching.DOWNLOADS, "cifar100", (unreachable,))
    assert main(["data", "fetch", "cifar100"]) == 64
    shown = capsys.readouterr().err
    assert "train.bin, test.bin and fine_label_names.txt into" in shown
    assert "refused" in shown
    assert shown.count("\n") == 1
