"""The stack of clean-up commands."""

from __future__ import annotations

import errno

import pytest

from broker import cleanup
from broker.cleanup import CleanupCommands


def drain(commands: CleanupCommands) -> list[str]:
    found = []
    while (command := commands.pop()) is not None:
        found.append(command)
    return found


def test_the_newest_block_comes_first_in_its_own_order() -> None:
    commands = CleanupCommands()
    for block in (["stop", "cancel", "idle"], [], ["echo one"], ["a", "b"]):
        commands.push(block)
    assert len(commands) == 6
    assert drain(commands) == ["a", "b", "echo one", "stop", "cancel", "idle"]
    assert len(commands) == 0


def test_what_a_command_pushes_is_run_next() -> None:
    commands = CleanupCommands()
    commands.push(["first", "second"])
    assert commands.pop() == "first"
    commands.push(["pushed"])
    assert drain(commands) == ["pushed", "second"]


def test_nothing_is_taken_when_the_time_is_over() -> None:
    commands = CleanupCommands()
    commands.push(["a"])
    commands.close()
    assert drain(commands) == []
    with pytest.raises(PermissionError):
        commands.push(["b"])


@pytest.mark.parametrize("command", ["nul\0byte", "x" * cleanup.MAX_LENGTH])
def test_what_no_shell_could_get_is_refused(command: str) -> None:
    commands = CleanupCommands()
    with pytest.raises(OSError, match="bytes") as caught:
        commands.push(["fine", command])
    assert (caught.value.errno, len(commands)) == (errno.EINVAL, 0)


def test_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "MAX_COMMANDS", 2)
    commands = CleanupCommands()
    commands.push(["a", "b"])
    with pytest.raises(OSError, match="at most 2") as caught:
        commands.push(["c"])
    assert caught.value.errno == errno.ENOSPC
    assert drain(commands) == ["a", "b"]
