"""rc1 without a script: the built-in modules, in the order of their table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.config import backing_store
from broker.recovery import LEFT_OUT, NEEDED, recovering
from flux.modules import BACKING_STORE, MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker.archives import Archives
    from broker.context import Context
    from broker.modhost import ModuleHost

NO_STORE = "none"
"""The value of ``content.backing-module`` by which everything stays in memory."""


class BuiltInRc:
    """Loads the modules of one broker and, on rank 0, reads the archive that it starts from.

    Raises OSError(EINVAL) if ``content.backing-module`` names no store.
    """

    def __init__(self, ctx: Context, modules: ModuleHost, archives: Archives) -> None:
        self._ctx = ctx
        self._modules = modules
        self._archives = archives
        self._store = backing_store(ctx.attrs)
        self._recovering = recovering(ctx.attrs)
        self._tables = ctx.config.tables

    async def run(self) -> int:
        """Load them and return the exit code of rc1: 0, or 1 in recovery mode if a module is
        missing.

        Raises OSError from a module that cannot start, and for an archive that cannot be read.
        """
        code = 0
        for name, args in self._wanted():
            if name == "kvs" and self._ctx.rank == 0:
                await self._archives.restore()
            if not await self._load(name, args):
                code = 1
        return code

    async def restore(self) -> None:
        """Read the archive that the store is read from, if there is one, before a command loads the
        modules; raises OSError as `run` does.
        """
        if self._ctx.rank or not self._archives.to_restore:
            return
        for name, args in self._wanted():
            if name == "kvs":
                break
            await self._load(name, args)
        await self._archives.restore()

    def _wanted(self) -> Iterator[tuple[str, list[str]]]:
        leader = self._ctx.rank == 0
        for name, module in MODULES.items():
            if name == BACKING_STORE:
                if leader and self._store != NO_STORE:
                    yield self._store, []
            elif self._asked_for(name) and (leader or not module.leader_only):
                yield name, list(module.args)

    def _asked_for(self, name: str) -> bool:
        module = MODULES[name]
        if self._recovering and name in LEFT_OUT:
            return False
        return not module.on_demand and (not module.table or module.table in self._tables)

    async def _load(self, name: str, args: list[str]) -> bool:
        """Load a module; in recovery mode the log says why it could not be."""
        try:
            await self._modules.load(name, args)
        except Exception as exc:
            if not self._recovering or name in NEEDED or name == self._store:
                raise
            reason = exc.strerror if isinstance(exc, OSError) else f"{type(exc).__name__}: {exc}"
            self._ctx.log.err(f"{name}: {reason}")
            return False
        return True
