"""``config.*``: what the configuration says, and reading it again."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.bootstrap.static import check_bootstrap
from broker.configuration import Config, from_payload, load
from broker.service import Reply, Request, Service, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.endpoint import ServiceHost
    from broker.modhost import ModuleHost

PATIENCE: Final = 10.0
"""Seconds that a module may take to accept a configuration."""
AT_START: Final = ("bootstrap", "fake-resources", "tbon")
"""Tables that are read at the start only."""


class ConfigService(Service):
    """Gives out the configuration and has it read again, by every module of this broker."""

    name = "config"

    def __init__(self, ctx: Context, host: ServiceHost, modules: ModuleHost) -> None:
        super().__init__(ctx)
        self._host = host
        self._modules = modules
        self._reloading = False
        self._given = host.config.given

    @request("get", allow="guest")
    def get(self, req: Request) -> Reply:
        """Return the tables of the configuration; an object without members if there is none."""
        return self._host.config.tables

    @request("reload")
    async def reload(self, req: Request) -> None:
        """Read the files of ``config.path`` again, below what the command line has said, and tell
        every module of this broker.

        If one refuses, those told before are told the configuration in force, which stays.
        """
        await self._replace(lambda: load(self.ctx.attrs.get("config.path"), self._given))

    @request("load")
    async def load(self, req: Request) -> None:
        """Take the tables of the request in place of all those there are, and tell every module of
        this broker, as ``config.reload`` does.
        """
        await self._replace(lambda: from_payload(req.raw if req.payload and req.raw else b"{}\0"))

    async def _replace(self, read: Callable[[], Config]) -> None:
        """Take the configuration that ``read`` returns, unless that is being done already."""
        if self._reloading:
            raise OSError(errno.EBUSY, "the configuration is being reloaded")
        self._reloading = True
        try:
            await self._reload(read())
        finally:
            self._reloading = False

    async def _reload(self, config: Config) -> None:
        before, told = self._host.config, list[str]()
        if config.bootstrap is not None and config.bootstrap != before.bootstrap:
            fanout = int(self.ctx.attrs.get("tbon.fanout") or 2)
            check_bootstrap(config.bootstrap, self.ctx.attrs.get("config.path"), fanout)
        self._host.config = config
        try:
            for name in self._modules.names:
                told.append(name)
                await self._tell(name, config)
        except OSError:
            self._host.config = before
            for name in reversed(told):
                await self._put_back(name, before)
            raise
        for table in AT_START:
            if config.tables.get(table) != before.tables.get(table):
                self.ctx.log.warning(f"[{table}] has changed, which counts from the next start on")

    async def _tell(self, name: str, config: Config) -> None:
        """Give a module the configuration; raises OSError, beginning with its name, if it refuses.

        One that does not know the request has no use for it.
        """
        topic = f"{name}.config-reload"
        try:
            await self.ctx.handle.rpc(topic, config.tables, nodeid=self.ctx.rank, timeout=PATIENCE)
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise OSError(exc.errno, f"{name}: {exc.strerror or exc}") from None

    async def _put_back(self, name: str, config: Config) -> None:
        try:
            await self._tell(name, config)
        except OSError as exc:
            self.ctx.log.err(f"the configuration is put back: {exc.strerror}")
