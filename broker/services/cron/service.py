"""The cron module: commands on a time interval, at dates, and on events (flux-cron(1))."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from broker.service import Request, Service, request
from broker.services.cron.entry import CommandTask, RegisteredCommand, Stats, options_of
from broker.services.cron.runner import TaskRun
from broker.services.cron.triggers import (
    MAX_SECONDS,
    DateTrigger,
    EventTrigger,
    IntervalTrigger,
    make_trigger,
)
from flux.util import parse_fsd
from flux.wire.errors import os_error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from broker.context import Context
    from flux.wire.message import Message

DEFAULT_EPSILON = 0.015


class _Registered(Struct):
    """An entry with what belongs to it while it is registered."""

    entry: RegisteredCommand
    trigger: IntervalTrigger | DateTrigger | EventTrigger
    timer: asyncio.TimerHandle | None = None
    run: TaskRun | None = None
    on_event: Callable[[Message], None] | None = None


class CronService(Service):
    """``cron.create``, ``delete``, ``stop``, ``start``, ``list`` and ``sync``.

    Module arguments: ``sync=TOPIC`` puts tasks off until the next event of that topic,
    ``sync_epsilon=FSD`` lets those run at once that are due within that time after one.
    """

    name = "cron"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._entries: dict[int, _Registered] = {}
        self._last_id = 0
        self._deferred: list[tuple[_Registered, CommandTask]] = []
        self._sync: str | None = None
        self._epsilon = DEFAULT_EPSILON
        self._last_sync = float("-inf")

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        _sync_options(args)

    async def start(self, args: list[str]) -> None:
        sync, self._epsilon = _sync_options(args)
        if sync is not None:
            await self._set_sync(sync)

    async def stop(self) -> None:
        for item in self._entries.values():
            self._unset(item)
            if item.run is not None:
                item.run.kill()

    # Requests

    @request("create")
    async def create(self, req: Request) -> dict[str, object]:
        """Register a command {type, name, command, args, repeat?, rank?, timeout?, …}."""
        now = self.ctx.now()
        kind, command = req.get("type", str), req.get("command", str)
        name = req.get("name", str, "") or command.split(" ", 1)[0]
        options = options_of(req.payload)
        trigger = make_trigger(kind, req.get("args", dict), now)
        self._last_id += 1
        entry = RegisteredCommand(self._last_id, name, command, kind, options, Stats(now, now))
        item = self._entries[entry.id] = _Registered(entry, trigger)
        if isinstance(trigger, EventTrigger):
            item.on_event = partial(self._on_event, item, trigger)
            await self.ctx.handle.on_event(trigger.topic, item.on_event)
        trigger.start(now)
        self._set(item)
        return self._told(item)

    @request("delete")
    def delete(self, req: Request) -> dict[str, object]:
        """Forget an entry {id, kill?}.

        While its task runs it is still told of, but runs no more; ``kill`` ends the task.
        """
        item = self._find(req)
        told = self._told(item)
        self._pause(item)
        item.entry.stopped = item.entry.deleted = True
        if item.run is None:
            del self._entries[item.entry.id]
        self._deferred = [(owner, task) for owner, task in self._deferred if owner is not item]
        if isinstance(item.trigger, EventTrigger) and item.on_event is not None:
            self.ctx.handle.off_event(item.trigger.topic, item.on_event)
            item.on_event = None
        if req.payload.get("kill") and item.run is not None:
            item.run.kill()
        return told

    @request("stop")
    def stop_entry(self, req: Request) -> dict[str, object]:
        """Stop an entry {id} from being run; EINVAL if it is stopped."""
        item = self._find(req)
        if item.entry.stopped:
            raise os_error(errno.EINVAL)
        item.entry.stopped = True
        self._pause(item)
        return self._told(item)

    @request("start")
    def start_entry(self, req: Request) -> dict[str, object]:
        """Start a stopped entry {id} with fresh counters; EINVAL if it is not stopped."""
        item = self._find(req)
        now = self.ctx.now()
        if item.entry.deleted:
            raise OSError(errno.EINVAL, "the entry is deleted and only waits for its task to end")
        if not item.entry.stopped:
            raise os_error(errno.EINVAL)
        item.trigger.start(now)
        item.entry.restart(now)
        self._set(item)
        return self._told(item)

    @request("list")
    def list_entries(self, req: Request) -> dict[str, object]:
        """Tell of every entry."""
        return {"entries": [self._told(item) for item in self._entries.values()]}

    @request("sync")
    async def sync(self, req: Request) -> dict[str, object]:
        """Query {}, set {topic?, sync_epsilon?} or disable {disable} synchronisation to an event;
        EPROTO without a payload.
        """
        if req.raw is None:
            raise os_error(errno.EPROTO)
        epsilon = req.payload.get("sync_epsilon")
        if epsilon is not None:
            if isinstance(epsilon, bool) or not isinstance(epsilon, int | float):
                raise os_error(errno.EPROTO)
            if not 0 <= epsilon <= MAX_SECONDS:
                raise OSError(errno.EINVAL, "sync_epsilon is out of range")
            self._epsilon = float(epsilon)
        if req.payload.get("disable"):
            await self._set_sync(None)
        elif "topic" in req.payload:
            await self._set_sync(req.get("topic", str))
        if self._sync is None:
            return {"sync_disabled": True}
        return {"sync_event": self._sync, "sync_epsilon": self._epsilon}

    def _find(self, req: Request) -> _Registered:
        item = self._entries.get(req.get("id", int))
        if item is None:
            raise OSError(errno.ENOENT, "")
        return item

    def _told(self, item: _Registered) -> dict[str, object]:
        return item.entry.to_json(item.trigger.to_json(self.ctx.now()))

    # Synchronisation

    async def _set_sync(self, topic: str | None) -> None:
        if self._sync is not None:
            self.ctx.handle.off_event(self._sync, self._on_sync)
        self._sync = topic
        if topic is not None:
            await self.ctx.handle.on_event(topic, self._on_sync)
            self.ctx.log.info(f"synchronizing cron tasks to event {topic}")
        else:
            self._run_deferred()

    def _on_sync(self, ev: Message) -> None:
        self._last_sync = self.ctx.now()
        self._run_deferred()

    def _run_deferred(self) -> None:
        deferred, self._deferred = self._deferred, []
        for item, task in deferred:
            self._run(item, task)

    # Triggers and tasks

    def _set(self, item: _Registered) -> None:
        """Set the entry's timer for when its trigger is due."""
        self._unset(item)
        due = None if item.entry.stopped else item.trigger.due()
        if due is not None:
            delay = max(0.0, min(due - self.ctx.now(), 86400.0))
            item.timer = self.ctx.call_later(delay, self._on_timer, item)

    @staticmethod
    def _unset(item: _Registered) -> None:
        if item.timer is not None:
            item.timer.cancel()
            item.timer = None

    def _pause(self, item: _Registered) -> None:
        self._unset(item)
        item.trigger.stop(self.ctx.now())

    def _on_timer(self, item: _Registered) -> None:
        now = self.ctx.now()
        due = item.trigger.due()
        if due is not None and due <= now:
            item.trigger.fire(now)
            self._trigger(item)
        self._set(item)

    def _on_event(self, item: _Registered, trigger: EventTrigger, ev: Message) -> None:
        if item.entry.stopped:
            return
        now = self.ctx.now()
        if trigger.arrived(now):
            self._trigger(item)
            return
        due = trigger.due()
        if due is not None and item.timer is None:
            delay = f"delaying {due - now:.3f}s due to min interval"
            self.ctx.log.debug(f"cron-{item.entry.id}: {delay}")
        self._set(item)

    def _trigger(self, item: _Registered) -> None:
        """The entry is due: run its command now or at the next event, unless the last task has not
        ended.
        """
        entry = item.entry
        if entry.busy:
            self.ctx.log.info(f"cron-{entry.id}: {entry.name}: task still running or scheduled")
            return
        task = entry.new_task(self.ctx.now())
        if entry.stopped:
            self._pause(item)
        if self._sync is not None and self.ctx.now() - self._last_sync > self._epsilon:
            entry.stats.deferred += 1
            self.ctx.log.debug(f"deferring cron-{entry.id} to next {self._sync} event")
            self._deferred.append((item, task))
        else:
            self._run(item, task)

    def _run(self, item: _Registered, task: CommandTask) -> None:
        def ended(entry: RegisteredCommand, task: CommandTask) -> None:
            item.run = None
            entry.finish(task)
            if entry.deleted:
                self._entries.pop(entry.id, None)
            if entry.stopped:
                self._pause(item)

        item.run = TaskRun(self.ctx, item.entry, task, ended)
        item.run.start()

    def facts(self) -> dict[str, object]:
        """Entries and tasks that wait."""
        return {"entries": len(self._entries), "deferred": len(self._deferred)}


def _sync_options(args: list[str]) -> tuple[str | None, float]:
    """Return the topic and the epsilon that module arguments ask for; raises OSError(EINVAL) for
    an unknown argument.
    """
    sync, epsilon = None, DEFAULT_EPSILON
    for arg in args:
        key, _, value = arg.partition("=")
        if key == "sync":
            sync = value
        elif key == "sync_epsilon":
            epsilon = _seconds(value)
        else:
            raise OSError(errno.EINVAL, f"{arg}: unknown module option")
    return sync, epsilon


def _seconds(text: str) -> float:
    try:
        return parse_fsd(text)
    except ValueError:
        raise OSError(errno.EINVAL, f"{text}: not a duration") from None
