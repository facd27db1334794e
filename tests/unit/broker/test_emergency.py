"""The lifeline and the deadline."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from broker.emergency import LIFELINE, STATE_LIMITS, Emergency, take_lifeline
from broker.runlevel import TRANSITIONS


async def test_the_end_of_the_lifeline_is_told_and_starts_the_deadline() -> None:
    read, write = os.pipe()
    cut, finished = asyncio.Event(), threading.Event()
    emergency = Emergency(read, finished.set, deadline=0.05)
    emergency.watch(asyncio.get_running_loop(), cut.set)
    assert not emergency.begun
    os.close(write)
    await asyncio.wait_for(cut.wait(), 60)
    assert emergency.begun
    assert await asyncio.to_thread(finished.wait, 60)
    os.close(read)


def test_a_hung_loop_does_not_keep_the_process() -> None:
    read, write = os.pipe()
    finished = threading.Event()
    loop = asyncio.new_event_loop()
    loop.close()
    Emergency(read, finished.set, deadline=0.05).watch(loop, lambda: None)
    os.close(write)
    assert finished.wait(60)
    os.close(read)


def test_a_process_that_ends_in_time_is_left_alone() -> None:
    finished = threading.Event()
    emergency = Emergency(None, finished.set, deadline=0.05)
    emergency.begin()
    emergency.over()
    emergency.begin()
    assert not finished.wait(0.2)


@pytest.mark.parametrize("text", ["", "x", "-1", "99999", "9" * 30, "0.5", "²"])
def test_a_lifeline_that_is_none_is_ignored(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(LIFELINE, text)
    assert take_lifeline() is None
    assert LIFELINE not in os.environ


def test_only_a_pipe_is_a_lifeline(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    null = os.open(os.devnull, os.O_RDONLY)
    monkeypatch.setenv(LIFELINE, str(null))
    assert take_lifeline() is None
    monkeypatch.setenv(LIFELINE, str(read))
    assert take_lifeline() == read
    for fd in (read, write, null):
        os.close(fd)


def test_every_state_can_be_ended() -> None:
    states = {state for state, _ in TRANSITIONS} - {"none"}
    assert states == STATE_LIMITS.keys()
    assert all((state, event) in TRANSITIONS for state, (event, _) in STATE_LIMITS.items())
