"""Eventlog entries and job exceptions (RFC 18, RFC 21; flux.job.event in the manual)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flux.wire import json


class EventLogEvent(dict[str, Any]):
    """One entry of an eventlog: a dict with attributes for the RFC 18 keys.

    Args:
        event: the entry as JSON text or as a mapping with ``timestamp``, ``name`` and optionally ``context``.

    Raises:
        ValueError: the entry is no JSON object or lacks timestamp or name.
    """

    def __init__(self, event: Mapping[str, Any] | str | bytes) -> None:
        entry = json.loads(event) if isinstance(event, str | bytes) else event
        if not isinstance(entry, Mapping):
            raise ValueError("eventlog entry is not a JSON object")
        super().__init__(entry)
        if not isinstance(self.get("timestamp"), int | float) or not isinstance(self.get("name"), str):
            raise ValueError("eventlog entry has no timestamp or name")
        self.setdefault("context", {})

    @property
    def timestamp(self) -> float:
        """Seconds since the epoch."""
        return float(self["timestamp"])

    @property
    def name(self) -> str:
        """Name of the event, such as ``submit``."""
        return str(self["name"])

    @property
    def context(self) -> dict[str, Any]:
        """The event's own data; empty if it has none."""
        context: dict[str, Any] = self["context"]
        return context

    @property
    def context_string(self) -> str:
        """The context as compact JSON, empty if there is none."""
        return json.dumps(self.context).decode("utf-8") if self.context else ""

    def __str__(self) -> str:
        return f"{self.timestamp:-20.5f}: {self.name} {self.context}"


def parse_eventlog(text: str | bytes) -> list[EventLogEvent]:
    """Return the entries of an eventlog, one JSON object a line; ValueError if a line is malformed."""
    return [EventLogEvent(line) for line in text.splitlines() if line.strip()]


class JobException(Exception):
    """The ``exception`` event of a job.

    Attributes:
        timestamp: when the exception occurred, in seconds since the epoch.
        type: kind of exception, such as ``cancel``.
        note: explanation for people.
        severity: 0 is fatal to the job, any other value is not.
    """

    def __init__(self, event: EventLogEvent | Mapping[str, Any]) -> None:
        entry = event if isinstance(event, EventLogEvent) else EventLogEvent(event)
        self.timestamp: float = entry.timestamp
        self.type: str = entry.context["type"]
        self.note: str = entry.context.get("note", "")
        self.severity: int = entry.context["severity"]
        super().__init__(self)

    def __str__(self) -> str:
        return f"job.exception: type={self.type} severity={self.severity} {self.note}"
