"""RFC 18 event logs: entries as text, one JSON object a line."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

from flux.wire import json
from flux.wire.json import JsonObject

if TYPE_CHECKING:
    from flux.eventlog_formatter import EventLogFormatter as EventLogFormatter
    from flux.job.event import EventLogEvent as EventLogEvent
    from flux.job.types import EventEntry


_HOME: Final = {
    "EventLogEvent": "flux.job.event",
    "EventLogFormatter": "flux.eventlog_formatter",
}


def __getattr__(name: str) -> object:
    """Load a class for programs, which is at home elsewhere, when it is named first."""
    if name not in _HOME:
        raise AttributeError(f"module 'flux.eventlog' has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(_HOME[name]), name)
    return found


Entry = JsonObject
"""An entry for those who change it or hand it on as any other object."""


def entry(
    name: str, context: Mapping[str, object] | None = None, timestamp: float | None = None
) -> EventEntry:
    """Return an event entry; ``timestamp`` is in seconds since the epoch, the current time by
    default.

    Raises OSError(EINVAL) for an empty name, a name with white space in it, a time that is negative
    or not a number, or a context that is not an object.
    """
    when = time.time() if timestamp is None else float(timestamp)
    if (
        not name
        or name.split() != [name]
        or not 0 <= when < math.inf
        or not (context is None or isinstance(context, Mapping))
    ):
        raise OSError(errno.EINVAL, "eventlog_entry_create: Invalid argument")
    event: EventEntry = {"timestamp": when, "name": name}
    if context is not None:
        event["context"] = dict(context)
    return event


def encode(event: Mapping[str, object]) -> str:
    """Return the line, newline included, that stands for ``event`` in a log."""
    return json.dumps_str(event) + "\n"


def parse(line: str) -> EventEntry:
    """Return the event of one ``line``; raises OSError(EINVAL) if it is not an RFC 18 event."""
    return cast("EventEntry", _checked(line))


def _checked(line: str) -> Entry:
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if (
        not isinstance(event, dict)
        or not isinstance(event.get("timestamp"), (int, float))
        or not isinstance(event.get("name"), str)
        or not isinstance(event.get("context", {}), dict)
    ):
        raise OSError(errno.EINVAL, "malformed event log entry")
    return event


def decode(log: str) -> Iterator[Entry]:
    """Yield the events of a whole ``log``; raises OSError(EINVAL) at a malformed line or a missing
    final newline.
    """
    if log and not log.endswith("\n"):
        raise OSError(errno.EINVAL, "event log does not end with a newline")
    for line in log.split("\n")[:-1]:
        yield _checked(line)
