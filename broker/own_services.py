"""The services that are part of every broker: scripts and clients find them whatever rc1 does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, TypeVar

from broker.builtin.attr import AttrService
from broker.builtin.broker import BrokerService, NameService
from broker.builtin.config import ConfigService
from broker.builtin.event import EventService
from broker.builtin.heaptrace import HeapTraceService
from broker.builtin.log import LogService
from broker.builtin.module import ModuleService
from broker.builtin.overlay import OverlayService
from broker.builtin.runat import RunAtService
from broker.builtin.shutdown import ShutdownService
from broker.builtin.state import StateMachineService
from broker.service import Service
from broker.services.connector_local.service import ConnectorLocalService
from broker.services.content.service import ContentService
from broker.services.rexec.service import RexecService
from broker.services.rexec.today import TodaysRexecService
from broker.services.shell_host.service import ShellHostService
from flux.modules import CONNECTOR

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.cleanup import CleanupCommands
    from broker.context import Context
    from broker.endpoint import InProcess
    from broker.foundation import Foundation
    from broker.modhost import ModuleHost
    from broker.overlay.network import Overlay
    from broker.runlevel import Runlevel

S = TypeVar("S", bound=Service)


class OwnServices:
    """Makes them, mounts them before rc1 and unmounts them after rc3.

    ``base`` is what the broker stands on, ``overlay`` its links, None for one that is alone,
    ``commands`` those of its clean-up; ``on_change`` is called on rank 0 when ranks came
    or went, ``finish`` ends the broker at once.
    """

    def __init__(
        self,
        base: Foundation,
        overlay: Overlay | None,
        modules: ModuleHost,
        runlevel: Runlevel,
        commands: CleanupCommands,
        on_change: Callable[[], None],
        finish: Callable[[], None],
    ) -> None:
        self._host = base.host
        self._modules = modules
        self._services: list[tuple[Service, InProcess]] = []
        router = base.router
        self.state = self._add(
            "state-machine", lambda ctx: StateMachineService(ctx, runlevel, router, on_change)
        )
        self._add("attr", AttrService)
        self._add("log", lambda ctx: LogService(ctx, base.ring))
        self.shutdown: ShutdownService | None = None
        if base.ctx.rank == 0:  # requests of the others come up to it
            self.shutdown = self._add(
                "shutdown",
                lambda ctx: ShutdownService(ctx, base.ring, lambda: runlevel.post("shutdown")),
            )
        self._add("event", lambda ctx: EventService(ctx, router))
        self._add("service", lambda ctx: NameService(ctx, router))
        self._add("broker", lambda ctx: BrokerService(ctx, modules, router, finish))
        self._add("module", lambda ctx: ModuleService(ctx, modules))
        self._add("heaptrace", HeapTraceService)
        self._add("config", lambda ctx: ConfigService(ctx, base.host, modules))
        self._add("runat", lambda ctx: RunAtService(ctx, commands))
        self._add("overlay", lambda ctx: OverlayService(ctx, overlay, self.state))
        self._add("content", ContentService)
        self._add("rexec", RexecService)
        self._add("rexec", TodaysRexecService)
        self.shells = self._add("shell-host", lambda ctx: ShellHostService(ctx, TodaysRexecService))
        # The last one: clients find the others mounted.
        self._add(CONNECTOR, lambda ctx: ConnectorLocalService(ctx, router))

    def _add(self, name: str, make: Callable[[Context], S]) -> S:
        ctx, endpoint = self._host.context(name)
        service = make(ctx)
        self._services.append((service, endpoint))
        return service

    async def mount(self) -> None:
        """Start them; raises OSError from one that cannot start."""
        for service, endpoint in self._services:
            await self._host.mount(service, endpoint, [])
            if service.name == CONNECTOR:
                self._modules.add(CONNECTOR, service, endpoint)

    async def unmount(self, patience: float | None = None) -> None:
        """Stop them, the last one first, each within its own time limit, or ``patience`` seconds;
        what one raises is of no interest any more.
        """
        for service, endpoint in reversed(self._services):
            limit = service.stop_timeout if patience is None else patience
            with contextlib.suppress(Exception):
                async with asyncio.timeout(limit):
                    await self._host.unmount(service, endpoint)
