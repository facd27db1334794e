"""Programs on terminals of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.system.watching import PATIENCE, still_there, tree
from tui.serve import terminal as module
from tui.serve.terminal import ServedTerminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLAIN = {"PATH": os.environ["PATH"]}


@pytest.fixture
async def started() -> AsyncIterator[list[ServedTerminal]]:
    """Terminals that end with the test."""
    terminals: list[ServedTerminal] = []
    yield terminals
    for one in terminals:
        await one.end()


async def start(started: list[ServedTerminal], script: str) -> ServedTerminal:
    terminal = await ServedTerminal.start(["sh", "-c", script], PLAIN, (120, 40))
    started.append(terminal)
    return terminal


async def read_until(terminal: ServedTerminal, text: str) -> str:
    """Read until ``text`` comes, or the end."""
    found = ""
    async with asyncio.timeout(PATIENCE):
        while text not in found:
            data = await terminal.read()
            found += data.decode()
            if not data:
                break
    return found


async def test_a_program_has_a_terminal_of_that_size(started: list[ServedTerminal]) -> None:
    terminal = await start(started, "test -t 0 && test -t 2 && stty size </dev/tty; exit 3")
    assert "40 120" in await read_until(terminal, "40 120")
    assert await terminal.read() == b""
    assert await terminal.read() == b""


async def test_a_change_of_size_is_told(started: list[ServedTerminal]) -> None:
    terminal = await start(
        started, "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done"
    )
    await read_until(terminal, "ready")
    terminal.resize((77, 22))
    assert "22 77" in await read_until(terminal, "22 77")


async def test_much_is_typed_while_the_program_takes_its_time(
    started: list[ServedTerminal],
) -> None:
    terminal = await start(started, "stty raw -echo; echo ready; sleep 0.2; head -c 300000 | wc -c")
    await read_until(terminal, "ready")
    async with asyncio.timeout(PATIENCE):
        await terminal.write(b"x" * 300_000)
    assert "300000" in await read_until(terminal, "300000")


async def test_it_ends_a_program_and_what_waits_for_it(started: list[ServedTerminal]) -> None:
    terminal = await start(started, "echo ready; exec sleep inf")
    await read_until(terminal, "ready")
    reading = asyncio.create_task(terminal.read())
    await asyncio.sleep(0)
    await terminal.end()
    assert await reading == b""
    await terminal.write(b"nothing happens")
    terminal.resize((1, 1))
    await terminal.end()


@pytest.mark.parametrize(
    "script",
    ["trap '' HUP TERM; echo ready; while :; do sleep 1; done", "echo ready; kill -STOP $$"],
    ids=["stubborn", "stopped"],
)
async def test_it_ends_whatever_the_program_does(
    started: list[ServedTerminal], monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.2)
    terminal = await start(started, script)
    await read_until(terminal, "ready")
    processes = tree(terminal.pid)[:1]
    await terminal.end()
    assert still_there(processes) == []


async def test_what_cannot_be_started_is_said() -> None:
    with pytest.raises(FileNotFoundError):
        await ServedTerminal.start(["/no/such/program"], PLAIN, (80, 24))


async def test_the_program_hears_of_the_end_of_the_terminal() -> None:
    """Even if nobody is left to tell it: the kernel does."""
    terminal = await ServedTerminal.start(
        ["sh", "-c", "trap 'exit 0' HUP; echo ready; while :; do sleep 0.01; done"], PLAIN, (80, 24)
    )
    await read_until(terminal, "ready")
    processes = tree(terminal.pid)[:1]
    assert os.getsid(terminal.pid) == terminal.pid
    os.kill(terminal.pid, signal.SIGCONT)
    await terminal.end()
    assert still_there(processes) == []
