"""Keys of a terminal are read when they come; nothing looks for them meanwhile."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import threading
import time
import tty
from typing import TYPE_CHECKING, Any

import pytest
from textual import events

from tests.system.watching import PATIENCE
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample
from tui.terminal_input import HangupWatch, RestingDriver, WakingEvent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal: a person's and a program's."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    yield ours, theirs
    for descriptor in (ours, theirs):
        try:
            os.close(descriptor)
        except OSError:
            continue  # closed by the test


class Typing:
    """A driver that reads a terminal in a thread of its own, as Textual has it do."""

    def __init__(self, theirs: int) -> None:
        self.driver = RestingDriver.__new__(RestingDriver)
        self.driver.fileno, self.driver.exit_event = theirs, WakingEvent()
        self.driver._debug = False  # noqa: SLF001 - made without an application
        self.messages: list[Any] = []
        self.driver.process_message = self.messages.append  # type: ignore[assignment, method-assign]
        self.thread = threading.Thread(target=self.driver.run_input_thread)
        self.thread.start()

    def keys(self, number: int) -> list[str]:
        """Return the keys that were typed, once there are so many."""
        deadline = time.monotonic() + PATIENCE
        while len(self.messages) < number:
            assert time.monotonic() < deadline, self.messages
            time.sleep(0.001)
        return [message.key for message in self.messages if isinstance(message, events.Key)]

    def end(self) -> None:
        """Stop reading."""
        self.driver.exit_event.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        self.driver.exit_event.close()


def test_keys_come_through_and_a_lone_escape_is_one(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    typing = Typing(theirs)
    os.write(ours, b"j\x1b[A")
    assert typing.keys(2) == ["j", "up"]
    os.write(ours, b"\x1b")
    assert typing.keys(3)[-1] == "escape"
    os.write(ours, b"\xff")
    typing.keys(4)
    os.write(ours, "ƒ".encode())
    assert typing.keys(5)[-1] == "ƒ"
    typing.end()


def test_nothing_looks_for_keys_while_none_come(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int | None] = []
    poll = select.poll

    class Counted:
        def __init__(self) -> None:
            self.inner = poll()
            self.register, self.unregister = self.inner.register, self.inner.unregister

        def poll(self, milliseconds: int | None) -> list[tuple[int, int]]:
            waits.append(milliseconds)
            return self.inner.poll(milliseconds)

    monkeypatch.setattr(select, "poll", Counted)
    ours, theirs = terminal
    typing = Typing(theirs)
    os.write(ours, b"j")
    typing.keys(1)
    os.write(ours, b"k")
    typing.keys(2)
    deadline = time.monotonic() + PATIENCE
    while len(waits) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert waits == [None, None, None]
    typing.end()


def test_a_terminal_that_is_gone_is_not_read_for_ever(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    typing = Typing(theirs)
    os.close(ours)
    typing.thread.join(PATIENCE)
    assert not typing.thread.is_alive()
    typing.end()


def test_an_event_that_is_closed_wakes_nobody_and_is_still_one() -> None:
    event = WakingEvent()
    event.set()
    event.clear()
    assert not select.select([event.descriptor], [], [], 0)[0]
    event.set()
    assert select.select([event.descriptor], [], [], 0)[0]
    event.close()
    event.close()
    event.clear()
    event.set()
    assert event.is_set()


async def test_the_end_of_the_terminal_is_told_whoever_reads_it(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = terminal
    monkeypatch.setattr("tui.terminal_input.TERMINAL", theirs)
    gone = asyncio.Event()
    told: list[None] = []

    def tell() -> None:
        told.append(None)
        gone.set()

    watch = HangupWatch(tell)
    os.write(ours, b"keys of another program")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not told
    os.close(ours)
    await asyncio.wait_for(gone.wait(), PATIENCE)
    assert told == [None]
    watch.close()


def test_the_dashboard_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    app = TopApp(SyntheticFeed(sample.jobs(1, time.time())))
    assert app.get_driver_class() is RestingDriver
