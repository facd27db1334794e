"""What a service is given: its handle, its broker's facts, a log, a way to start tasks and to read
the clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple

from msgspec import Struct, field

from broker.configuration import Config, setting_error
from broker.stored import store_outlives
from flux.wire.counters import MessageCounters

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from broker.attributes import Attributes
    from broker.log import Logger
    from flux.aio import AsyncFlux
    from flux.toml_positions import Path

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Names(Protocol):
    """Where a service registers names besides its own."""

    def add(self, name: str, /) -> None:
        """Have requests for ``name.*`` come here; raises OSError(EEXIST) if the name is taken."""

    def remove(self, name: str, /) -> None:
        """Undo `add`; raises OSError(ENOENT) for a name that is not this service's."""


class NoNames:
    """Stands for `Names` where there is no router."""

    def add(self, name: str) -> None:
        """Do nothing."""

    def remove(self, name: str) -> None:
        """Do nothing."""


class Context(Struct):
    """One service's view of its broker.

    ``handle`` sends RPCs and events as the instance owner; ``attrs`` are the broker's attributes;
    ``owner`` is the user id that owns the instance; ``uuid`` identifies the service in routes,
    ``broker_uuid`` its broker; ``config`` is the broker's configuration,
    ``counters`` has how many messages the service has sent and received, ``names`` are the names it
    serves besides its own.
    """

    name: str
    rank: int
    size: int
    handle: AsyncFlux
    attrs: Attributes
    log: Logger
    rundir: str
    owner: int
    uuid: str = ""
    broker_uuid: str = ""
    config: Config = field(default_factory=Config)
    counters: MessageCounters = field(default_factory=MessageCounters)
    tasks: set[asyncio.Task[object]] = field(default_factory=set)
    names: Names = field(default_factory=NoNames)
    _loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the service runs on: asked for once, for that asks the system for the
        process id each time.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        return loop

    @property
    def store_persists(self) -> bool:
        """Whether the content store is kept beyond the instance: ``content.backing-path`` leads out
        of the run directory.
        """
        return store_outlives(self.attrs, self.rundir)

    def setting_error(self, key: Path, error: OSError) -> OSError:
        """Return ``error``, about the value that the configuration has for ``key``, with file, line
        and key.
        """
        return setting_error(self.attrs.get("config.path"), key, error)

    def spawn(self, work: Coroutine[object, object, R], name: str) -> asyncio.Task[R]:
        """Start a task that ends with the service; an exception in it is logged."""
        task = self.loop.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[object]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self.log.exception(f"{task.get_name()}: {type(exc).__name__}: {exc}", exc)

    async def cancel_tasks(self) -> None:
        """Cancel every task started with `spawn` and wait for their ends."""
        tasks = [task for task in self.tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def call_soon(self, function: Callable[[*Ts], object], *args: *Ts) -> asyncio.Handle:
        """Call ``function`` after the messages of this loop turn, which is how work is batched."""
        return self.loop.call_soon(function, *args)

    def call_later(
        self, delay: float, function: Callable[[*Ts], object], *args: *Ts
    ) -> asyncio.TimerHandle:
        """Call ``function`` after ``delay`` seconds."""
        return self.loop.call_later(delay, function, *args)

    def loop_time(self) -> float:
        """Return seconds on the monotonic clock of the loop."""
        return self.loop.time()

    def now(self) -> float:
        """Return seconds since the epoch, for timestamps."""
        return time.time()
