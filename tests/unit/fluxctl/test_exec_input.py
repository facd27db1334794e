"""What ``flux exec`` reads from its stdin: as much as there is room for."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, cast

import pytest

from flux.core.reactor import Reactor
from flux.core.reactor_handle import ReactorHandle
from fluxctl.exec_input import READ_SIZE, Input

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flux.core.handle import Flux

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(params=["file", "pipe"])
def stdin(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    if request.param == "file":
        (tmp_path / "in").write_bytes(CONTENT)
        fd = os.open(tmp_path / "in", os.O_RDONLY)
        writer = None
    else:
        fd, end = os.pipe()

        def write() -> None:
            with os.fdopen(end, "wb") as pipe:
                pipe.write(CONTENT)

        writer = threading.Thread(target=write)
        writer.start()
    with os.fdopen(fd) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield
    if writer is not None:
        writer.join()


@pytest.mark.usefixtures("stdin")
def test_no_more_is_read_than_there_is_room_for() -> None:
    handle = ReactorHandle(Reactor())
    room = 1000
    pieces: list[bytes] = []
    ends: list[bool] = []

    def write(data: bytes, end: bool) -> None:
        nonlocal room
        assert len(data) <= min(room, READ_SIZE)
        room -= len(data)
        pieces.append(data)
        ends.append(end)

    source = Input(cast("Flux", handle), lambda: room, write)
    source.go_on()  # nothing to go on with yet
    source.begin()
    handle.reactor_run()
    assert len(b"".join(pieces)) == 1000
    while not ends[-1]:
        room += 100_000
        source.go_on()
        handle.reactor_run()
    assert b"".join(pieces) == CONTENT
    assert ends.count(True) == 1
    source.go_on()
    assert handle.reactor_run() == 0
    handle.reactor.close()
