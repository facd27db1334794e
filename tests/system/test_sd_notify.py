"""What a broker tells systemd: that it has started, and what it does."""

from __future__ import annotations

import os
import re
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from .test_startlog import start
from .watching import PATIENCE

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

KEYS = 11


class Systemd(threading.Thread):
    """A socket that a broker talks to, which takes a few words only that nobody has read."""

    END = b"the end of the test"

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._words: list[str] = []
        self._read = threading.Event()
        self.start()

    def run(self) -> None:
        while True:
            data = self._socket.recv(4096)
            if data == self.END:
                self._read.set()
            elif not data:
                break
            else:
                self._words.append(data.decode())

    def _say(self, data: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(data, self._path)

    def told(self) -> list[str]:
        """Return what has come since the last time."""
        self._read.clear()
        self._say(self.END)
        assert self._read.wait(PATIENCE)
        found, self._words = self._words, []
        return found

    def close(self) -> None:
        self._say(b"")
        self.join(PATIENCE)
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = os.path.relpath(tmp_path / "notify")
    listener = Systemd(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield listener
    listener.close()


def test_states_are_told(systemd: Systemd) -> None:
    script = "test -z $NOTIFY_SOCKET"
    start("-Sbroker.sd-notify=1", script)
    assert systemd.told() == [
        "READY=1",
        "STATUS=Running rc1: built-in",
        "STATUS=Waiting for instance quorum",
        f"STATUS=Running as leader of 1 node Flux instance: {script}",
        "STATUS=Ending jobs",
        "STATUS=Waiting for overlay peers to shutdown",
        "STATUS=Running rc3: built-in",
        "STATUS=Exiting",
    ]


def test_nothing_is_told_to_who_was_not_asked_for(systemd: Systemd) -> None:
    start("flux dump -q --sd-notify - >/dev/null")
    assert systemd.told() == []


def test_progress_of_an_archive(systemd: Systemd, tmp_path: pathlib.Path) -> None:
    archive = tmp_path / "dump.tar"
    puts = " ".join(f"key{number}=1" for number in range(KEYS))
    start("-Sbroker.sd-notify=1", f"flux kvs put {puts}; flux dump -q --sd-notify {archive}")
    dumped = [text for text in systemd.told() if "flux-dump" in text]
    assert dumped[0] == "STATUS=flux-dump(1) has archived 1 keys"
    last = re.fullmatch(r"STATUS=flux-dump\(1\) has archived ([0-9]+) keys", dumped[-1])
    assert last
    assert int(last[1]) >= KEYS
    start("-Sbroker.sd-notify=1", f"flux restore -q --sd-notify --key=copy {archive}")
    assert f"STATUS=flux-restore(1) has restored {last[1]} keys" in systemd.told()
    refused = start(f"flux restore --sd-notify --store={tmp_path}/new {archive}", code=1)
    said = "flux-restore: --sd-notify is for an instance, and --store asks none\n"
    assert refused.stderr.startswith(said)
