"""A scripted handle that streams eventlogs and has a reactor with watchers."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from flux.core.watchers import FDWatcher, TimerWatcher
from flux.testing.scripted import ScriptedFlux
from flux.wire import json
from flux.wire.message import Message, response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WATCH = "job-info.eventlog-watch"


def event(name: str, timestamp: float = 1.0, **context: Any) -> dict[str, Any]:
    """Return an eventlog entry."""
    entry: dict[str, Any] = {"timestamp": timestamp, "name": name}
    if context:
        entry["context"] = context
    return entry


def life(status: int = 0) -> list[dict[str, Any]]:
    """Return the eventlog of a job that ran."""
    return [
        event("submit", 10.0, userid=0, urgency=16, flags=0),
        event("depend", 11.0),
        event("priority", 12.0, priority=16),
        event("alloc", 13.0, annotations={"sched": {"resource_summary": "rank0/core0"}}),
        event("start", 14.25),
        event("finish", 15.0, status=status),
        event("release", 16.0, ranks="all", final=True),
        event("free", 17.0),
        event("clean", 18.0),
    ]


class StreamingFlux(ScriptedFlux):
    """Streams ``logs[id, path]``, or else ``logs[id]``, to those who watch it.

    A log that ends with None stays open, one that ends with an OSError fails.
    """

    def __init__(
        self,
        logs: Mapping[int | tuple[int, str], list[Any]],
        script: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        super().__init__({"job-info.lookup": self._lookup, **(script or {})})
        self.logs = dict(logs)
        self._open: dict[int, Message] = {}

    def send_wire(self, msg: Message) -> None:
        """Answer a request, a watch with all of its events."""
        if msg.topic == f"{WATCH}-cancel":
            self._cancel(msg.json())
            return
        if msg.topic != WATCH:
            super().send_wire(msg)
            return
        payload = msg.json()
        self.sent.append((WATCH, payload))
        rpc = self._pending[msg.matchtag]
        log = self.logs.get((payload["id"], payload["path"]), self.logs.get(payload["id"]))
        if log is None:
            rpc.fulfill(response(msg, errnum=errno.ENOENT))
            return
        for entry in log:
            if entry is None:
                self._open[msg.matchtag] = msg
                return
            if isinstance(entry, OSError):
                rpc.fulfill(response(msg, errnum=entry.errno or errno.EINVAL))
                return
            rpc.fulfill(response(msg, {"event": json.dumps(entry).decode() + "\n"}))
        rpc.fulfill(response(msg, errnum=errno.ENODATA))

    def _lookup(self, payload: Any) -> dict[str, str]:
        """Return the main eventlog of a job, empty if there is none."""
        log = self.logs.get((payload["id"], "eventlog"), self.logs.get(payload["id"], []))
        lines = [json.dumps(entry).decode() for entry in log if isinstance(entry, dict)]
        return {"eventlog": "".join(f"{line}\n" for line in lines)}

    def _cancel(self, payload: dict[str, int]) -> None:
        self.sent.append((f"{WATCH}-cancel", payload))
        watch = self._open.pop(payload["matchtag"], None)
        if watch is not None:
            self._pending[watch.matchtag].fulfill(response(watch, errnum=errno.ENODATA))

    def fd_watcher_create(
        self, fd: int, callback: Callable[..., Any], events: int | None = None
    ) -> FDWatcher:
        """Return a watcher of a descriptor."""
        return FDWatcher(self, fd, events, callback)

    def timer_watcher_create(
        self, after: float, callback: Callable[..., Any], repeat: float = 0.0
    ) -> TimerWatcher:
        """Return a timer."""
        return TimerWatcher(self, after, callback, repeat)

    def reactor_run(self) -> int:
        """Run the reactor."""
        return self.reactor.run()

    def reactor_stop(self) -> None:
        """Stop the reactor."""
        self.reactor.stop()
