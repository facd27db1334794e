"""Eventlog entries and job exceptions (RFC 18, RFC 21; flux.job.event in the manual)."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from flux.rpc import RPC
from flux.wire import json
from flux.wire.json import JsonObject
from flux.wire.text import Text, as_integer, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.job.JobID import JobID

E = TypeVar("E", covariant=True)

MAIN_EVENTS: Final = frozenset(
    {
        *("alloc", "clean", "debug", "depend", "exception", "finish", "flux-restart", "free"),
        *("priority", "release", "start", "submit", "urgency"),
    }
)
"""The events of a job's main eventlog; others are of its guest eventlogs (RFC 21)."""


class EventLogEvent(JsonObject):
    """One entry of an eventlog (RFC 18): a dict whose keys ``timestamp``, ``name`` and ``context``
    are attributes, too.

    It is made from JSON text or from a mapping; ``context`` may be absent and is an empty dict
    then. Raises ValueError if the entry is not an object, has no time stamp or name, or a context
    that is not an object.
    """

    def __init__(self, event: Mapping[str, object] | str | bytes) -> None:
        try:
            entry = json.loads(event) if isinstance(event, str | bytes) else event
        except json.JSONDecodeError:
            raise ValueError("eventlog entry is not JSON") from None
        if not isinstance(entry, Mapping):
            raise ValueError("eventlog entry is not a JSON object")
        super().__init__(entry)
        if not isinstance(self.get("timestamp"), int | float) or not isinstance(
            self.get("name"), str
        ):
            raise ValueError("eventlog entry has no timestamp or name")
        if not isinstance(self.setdefault("context", {}), dict):
            raise ValueError("the context of an eventlog entry is not a JSON object")

    @property
    def timestamp(self) -> float:
        """Seconds since the epoch."""
        return float(self["timestamp"])

    @property
    def name(self) -> str:
        """Name of the event, such as ``submit``."""
        return str(self["name"])

    @property
    def context(self) -> JsonObject:
        """The event's own data; empty if it has none."""
        context: JsonObject = self["context"]
        return context

    @property
    def context_string(self) -> str:
        """The context as compact JSON, empty if there is none."""
        return json.dumps(self.context).decode("utf-8") if self.context else ""

    def __str__(self) -> str:
        return f"{self.timestamp:.5f}: {self.name} {self.context}"


def parse_eventlog(text: str | bytes) -> list[EventLogEvent]:
    """Return the entries of an eventlog, one JSON object a line; ValueError if a line is
    malformed.
    """
    return [EventLogEvent(line) for line in text.splitlines() if line.strip()]


class JobException(Exception):
    """The ``exception`` event of a job (RFC 21), raised by who waits for another one.

    ``timestamp`` is when it occurred, in seconds since the epoch, ``type`` its kind, such as
    ``cancel``, ``note`` an explanation for people. ``severity`` 0 is fatal to the job, any other
    number up to 7 is not.
    """

    def __init__(self, event: EventLogEvent | Mapping[str, object]) -> None:
        entry = event if isinstance(event, EventLogEvent) else EventLogEvent(event)
        self.timestamp: float = entry.timestamp
        self.type: str = entry.context.get("type", "unknown")
        self.note: str = entry.context.get("note", "")
        self.severity: int = entry.context.get("severity", 0)
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"job.exception: type={self.type}: {self.note}"


class JobEventWatchFuture(RPC):
    """A watch of an eventlog; `get_event` returns one event after the other."""

    def __init__(
        self,
        flux_handle: Flux,
        jobid: JobID | int | Text,
        eventlog: Text = "eventlog",
        flags: int = 0,
    ) -> None:
        from flux.job.JobID import JobID

        payload = {
            "id": int(JobID(jobid)),
            "path": as_text(eventlog, "the path of an eventlog"),
            "flags": as_integer(flags, "flags"),
        }
        super().__init__(flux_handle, "job-info.eventlog-watch", payload, flags=FLUX_RPC_STREAMING)

    def get_line(self, autoreset: bool = True) -> str | None:
        """Return the next event as the line in the eventlog, None after the last one; see
        `get_event`.
        """
        try:
            line: object = self.answer()["event"]
        except OSError as exc:
            if exc.errno == errno.ENODATA:
                return None
            raise
        except (KeyError, TypeError):
            line = None
        if not isinstance(line, str):
            raise OSError(errno.EPROTO, "malformed answer to the watch of an eventlog")
        if autoreset:
            self.reset()
        return line

    def answer(self) -> JsonObject:
        """Wait for the answer that is there next and return it as it came; raises OSError."""
        answer: JsonObject = super().get()
        return answer

    def awaited(self) -> JsonObject:
        """Return what ``await`` gives: the answer as it came, that `get_event` tells next, too."""
        return self.answer()

    def get(self, autoreset: bool = True) -> EventLogEvent | None:
        """Return the next event; see `get_event`."""
        return self.get_event(autoreset)

    def get_event(self, autoreset: bool = True) -> EventLogEvent | None:
        """Return the next event, waiting for it, or None after the last one.

        The event after it becomes the current one, unless ``autoreset`` is false: then the same is
        returned again until ``reset`` is called. Raises OSError: ENOENT for an unknown job or
        eventlog, EPERM for somebody else's job, EPROTO if what came is not an event.
        """
        line = self.get_line(autoreset)
        if line is None:
            return None
        try:
            return EventLogEvent(line)
        except ValueError as exc:
            raise OSError(errno.EPROTO, str(exc)) from None

    def cancel(self, stop: bool = False) -> None:
        """Ask for the end of the watch; `get_event` returns None once it has come. With ``stop``
        its ``then`` callback is not called any more.
        """
        assert self.flux_handle is not None
        payload = {"matchtag": self.matchtag}
        RPC(self.flux_handle, "job-info.eventlog-watch-cancel", payload, flags=FLUX_RPC_NORESPONSE)
        if stop:
            super().cancel()


def event_watch_async(
    flux_handle: Flux, jobid: JobID | int | Text, eventlog: Text = "eventlog", flags: int = 0
) -> JobEventWatchFuture:
    """Watch an eventlog of a job; returns a future to call ``get_event`` of, from its ``then``
    callback for instance.
    """
    return JobEventWatchFuture(flux_handle, jobid, eventlog, flags)


def event_watch(
    flux_handle: Flux, jobid: JobID | int | Text, eventlog: Text = "eventlog"
) -> Iterator[EventLogEvent]:
    """Yield the events of an eventlog of a job as they come, until it ends.

    ``eventlog`` is the path in the job's KVS directory, such as ``guest.exec.eventlog``. The watch
    is cancelled when the iteration is left early. Raises OSError: ENOENT if there is no such job or
    eventlog, EPERM if the job is somebody else's.
    """
    from flux.job.JobID import JobID

    # Wrong arguments are told now, not when the first event is asked for.
    path = as_text(eventlog, "the path of an eventlog")
    number = JobID(jobid)
    return events_of(lambda: event_watch_async(flux_handle, number, path))


class EventWatch(Protocol[E]):
    """A watch that gives one event after the other."""

    def get_event(self) -> E | None:
        """Return the next event, None after the last one; raises OSError."""

    def cancel(self) -> None:
        """End the watch."""


def events_of(begin: Callable[[], EventWatch[E]]) -> Iterator[E]:
    """Yield the events of the watch that ``begin`` returns, which is cancelled when the iteration
    is left early; raises OSError as the watch does.
    """
    watcher = begin()
    ended = False
    try:
        while (event := watcher.get_event()) is not None:
            yield event
        ended = True
    except OSError:
        ended = True
        raise
    finally:
        if not ended:
            watcher.cancel()


def event_wait(
    flux_handle: Flux,
    jobid: JobID | int | Text,
    name: Text,
    eventlog: Text = "eventlog",
    raiseJobException: bool = True,
) -> EventLogEvent:
    """Wait for the first event called ``name`` of a job and return it.

    ``eventlog`` is its path in the job's KVS directory. Raises OSError(ENODATA) if the eventlog
    ends without the event, and as `event_watch` does. A fatal exception that comes first is raised
    as `JobException`, unless ``raiseJobException`` is false.
    """
    wanted = as_text(name, "the name of an event")
    for event in event_watch(flux_handle, jobid, eventlog):
        if event.name == wanted:
            return event
        if raiseJobException and event.name == "exception" and event.context.get("severity") == 0:
            raise JobException(event)
    raise OSError(errno.ENODATA, f"eventlog ended before event='{wanted}'")
