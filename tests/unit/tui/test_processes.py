"""Processes that the dashboard starts."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from tui import processes
from tui.flux_words import FluxWord, FluxWords, choices_in
from tui.processes import LineCommand, LineReader, output_of


async def collected(command: LineCommand) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"stdout": [], "stderr": []}
    async for name, lines in command.lines():
        found[name] += lines
    return found


def shell(text: str) -> LineCommand:
    return LineCommand(["/bin/sh", "-c", text], os.environ)


async def test_lines_come_from_both_streams_with_the_exit_code() -> None:
    command = shell("echo one; echo two >&2; printf three; exit 3")
    assert await collected(command) == {"stdout": ["one", "three"], "stderr": ["two"]}
    assert command.status == 3


async def test_a_signal_is_told_as_shells_do() -> None:
    command = shell("kill -9 $$")
    await collected(command)
    assert command.status == 137


async def test_a_hundred_thousand_lines_all_come() -> None:
    found = await collected(shell("seq 100000"))
    assert len(found["stdout"]) == 100_000
    assert found["stdout"][-1] == "100000"


async def test_what_ignores_signals_is_ended_with_all_its_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.05)
    command = shell("trap '' INT TERM; echo ready; sleep 1000 & wait; sleep 1000")
    async for _, lines in command.lines():
        assert lines == ["ready"]
        await command.end()
    assert command.status == 137


async def test_an_interrupt_is_the_commands_to_take() -> None:
    command = shell("trap 'echo bye; exit 7' INT; echo ready; while :; do sleep 0.01; done")
    found = []
    async for _, lines in command.lines():
        found += lines
        if lines[-1] == "ready":
            command.interrupt()
    assert found == ["ready", "bye"]
    assert command.status == 7


async def test_what_cannot_be_started_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await collected(LineCommand(["/no/such/program"], os.environ))


async def test_short_commands_have_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.05)
    words = ["/bin/sh", "-c"]
    assert await output_of([*words, "echo a; echo b"], os.environ, 60) == "a\nb"
    with pytest.raises(TimeoutError):
        await output_of([*words, "sleep 1000"], os.environ, 0.05)


def test_lines_are_made_of_pieces() -> None:
    reader = LineReader()
    assert reader.feed(b"one\ntw") == ["one"]
    assert reader.feed(b"o\r\n\xff") == ["two"]
    assert reader.end() == ["\ufffd"]
    assert reader.end() == []


def test_a_line_without_an_end_is_broken() -> None:
    reader = LineReader()
    lines = reader.feed(b"x" * (processes.LONGEST_LINE * 2 + 1))
    assert [len(line) for line in lines] == [processes.LONGEST_LINE] * 2


def test_the_instance_is_that_of_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_URI", "local:///other")
    env = processes.environment("local:///this", {"FLUX_JOBID": "f1"})
    assert (env["FLUX_URI"], env["FLUX_JOBID"]) == ("local:///this", "f1")


def test_choices_are_read_from_the_answer_to_a_shell() -> None:
    text = "plain\nget\nget -- Print it\nplain\nls\n_\nfile\nx\n_\nplain\nb\x1bad\n_"
    assert choices_in(text) == [FluxWord("get", "Print it"), FluxWord("ls")]


async def test_flux_says_what_its_words_may_become_and_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.flux_words.SECONDS", 60.0)
    words = FluxWords()
    found = await words.choices(["kvs", "l"], "")
    assert [choice.word for choice in found] == ["link", "ls"]
    monkeypatch.setattr(processes, "flux_program", lambda: sys.executable)
    assert await words.choices(["kvs", "l"], "") == found
    assert words.known(["kvs", "l"], "") == found
    assert words.known(["kvs", "x"], "") is None


async def test_a_flux_that_does_not_answer_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "flux_program", lambda: "/no/such/flux")
    assert await FluxWords().choices(["kvs", ""], "") == []
    await asyncio.sleep(0)
