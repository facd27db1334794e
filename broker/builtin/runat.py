"""``runat.push``: commands that are run at a point of the broker's life."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import Request, Service, request
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from broker.cleanup import CleanupCommands
    from broker.context import Context

CLEANUP = "cleanup"
"""The one point there is: when the initial program has ended."""


class RunAtService(Service):
    """Takes commands for the clean-up of this broker."""

    name = "runat"

    def __init__(self, ctx: Context, commands: CleanupCommands) -> None:
        super().__init__(ctx)
        self.commands = commands

    @request("push")
    def push(self, req: Request) -> None:
        """Add a block of ``commands`` that are run, by a shell and in their order, before those of
        earlier blocks; ``name`` is ``cleanup``.
        """
        if req.get("name", str) != CLEANUP:
            raise OSError(errno.ENOENT, f"commands can be pushed for {CLEANUP} only")
        commands = req.get("commands", list)
        if not all(isinstance(command, str) for command in commands):
            raise os_error(errno.EPROTO)
        self.commands.push(commands)
