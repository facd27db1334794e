"""The request that pushes clean-up commands."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from broker.builtin.runat import RunAtService
from broker.cleanup import CleanupCommands
from broker.testing import ServiceHarness


class Pushed(RunAtService):
    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx, CleanupCommands())


async def test_a_block_is_pushed() -> None:
    harness = ServiceHarness(Pushed)
    await harness.request("runat.push", {"name": "cleanup", "commands": ["a", "b"]})
    await harness.request("runat.push", {"name": "cleanup", "commands": ["c"]})
    commands = harness.service.commands
    assert [commands.pop() for _ in range(4)] == ["c", "a", "b", None]


@pytest.mark.parametrize(
    ("payload", "number"),
    [
        ({"name": "rc3", "commands": ["a"]}, errno.ENOENT),
        ({"name": "cleanup", "commands": "a"}, errno.EPROTO),
        ({"name": "cleanup", "commands": ["a", 1]}, errno.EPROTO),
        ({"commands": ["a"]}, errno.EPROTO),
        (None, errno.EPROTO),
    ],
)
async def test_refusals(payload: Any, number: int) -> None:
    harness = ServiceHarness(Pushed)
    with pytest.raises(OSError) as caught:
        await harness.request("runat.push", payload)
    assert (caught.value.errno, len(harness.service.commands)) == (number, 0)


async def test_guests_push_nothing() -> None:
    harness = ServiceHarness(Pushed)
    with pytest.raises(PermissionError):
        await harness.request("runat.push", {"name": "cleanup", "commands": ["a"]}, userid=7)
