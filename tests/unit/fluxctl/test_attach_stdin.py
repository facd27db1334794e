"""The stdin of a command that attaches, when the attachment ends."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from fluxctl.attach_stdin import StdinForwarder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flux.core.handle import Flux


class Answer:
    """What became of a chunk."""

    def __init__(self, error: OSError | None) -> None:
        self.error = error

    def get(self) -> None:
        if self.error is not None:
            raise self.error


class Shell:
    """Stands in for the handle of the attachment and the shell that gets the chunks."""

    def __init__(self) -> None:
        self.chunks: list[dict[str, Any]] = []
        self.waiting: list[Callable[[Any], None]] = []

    def rpc(self, topic: str, payload: dict[str, Any], nodeid: int) -> Shell:
        assert (topic, nodeid) == ("1-shell-x.stdin", 0)
        self.chunks.append(payload)
        return self

    def then(self, callback: Callable[[Any], None]) -> None:
        self.waiting.append(callback)

    def answer(self, error: OSError | None = None) -> None:
        self.waiting.pop(0)(Answer(error))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def forwarder_of(shell: Shell, told: list[object], fd: int) -> StdinForwarder:
    return StdinForwarder(cast("Flux", shell), "1-shell-x.stdin", 0, told.append, fd=fd)


def test_what_was_there_is_sent_and_its_refusal_told_before_the_end(pipe: tuple[int, int]) -> None:
    shell = Shell()
    told: list[object] = []
    forwarder = forwarder_of(shell, told, pipe[0])
    os.write(pipe[1], b"late")
    forwarder.settle(lambda: told.append("settled"))
    assert (len(shell.chunks), told) == (1, [])
    gone = OSError(errno.ENOSYS, "no such service")
    shell.answer(gone)
    assert told == [gone, "settled"]


def test_input_that_never_comes_is_not_waited_for(pipe: tuple[int, int]) -> None:
    shell = Shell()
    told: list[object] = []
    forwarder = forwarder_of(shell, told, pipe[0])
    forwarder.settle(lambda: told.append("settled"))
    assert (shell.chunks, told) == ([], ["settled"])


def test_one_chunk_is_enough(pipe: tuple[int, int]) -> None:
    shell = Shell()
    told: list[object] = []
    forwarder = forwarder_of(shell, told, pipe[0])
    os.write(pipe[1], b"taken")
    forwarder.settle(lambda: told.append("settled"))
    os.write(pipe[1], b"more")
    shell.answer()
    assert (len(shell.chunks), told) == (1, ["settled"])
