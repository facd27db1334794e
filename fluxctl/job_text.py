"""How events and output of a job read on a terminal: one line an event, task output with or without its rank (RFC 24)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from flux.idset import IDset
from flux.job.event import EventLogEvent
from flux.wire import json

MAX_LABELS = 1 << 17
"""Ranks that one piece of output may name; it is shown once for each."""

_LEVELS = {0: "FATAL: ", 1: "ALERT: ", 2: "CRIT: ", 3: "ERROR: ", 4: "WARN: ", 5: "", 6: "DEBUG: ", 7: "TRACE: "}


def io_data(context: Mapping[str, Any]) -> bytes:
    """Return the bytes of a ``data`` event or message; nothing if it has none or they are malformed."""
    data = context.get("data")
    if not isinstance(data, str):
        return b""
    if context.get("encoding") == "base64":
        try:
            return b64decode(data, validate=True)
        except ValueError:
            return b""
    return data.encode("utf-8", "surrogateescape")


def io_context(data: bytes) -> dict[str, str]:
    """Return the keys that carry bytes in an I/O message: text, or base64 where the bytes are no UTF-8."""
    try:
        return {"data": data.decode("utf-8")}
    except UnicodeDecodeError:
        from base64 import b64encode

        return {"encoding": "base64", "data": b64encode(data).decode("ascii")}


def labelled(rank: object, data: bytes) -> bytes:
    """Return task output with ``RANK: `` before each line."""
    prefix = f"{rank}: ".encode()
    return b"".join(prefix + line for line in data.splitlines(keepends=True))


def task_output(context: Mapping[str, Any], label: bool) -> bytes:
    """Return what a ``data`` event of the output eventlog shows."""
    data = io_data(context)
    if not label or not data:
        return data
    try:
        ranks = IDset(str(context.get("rank", "0")))
        if len(ranks) > MAX_LABELS:
            raise ValueError("too many ranks")
    except ValueError:
        return labelled(context.get("rank"), data)
    return b"".join(labelled(rank, data) for rank in ranks)


def event_line(prefix: str, event: EventLogEvent, start: float) -> str:
    """Return an event as ``0.012s: job.priority {"priority":16}``.

    Args:
        prefix: which eventlog it is from: ``job`` or ``exec``.
        event: the event.
        start: time stamp that the line counts from.
    """
    context = f" {json.dumps(event.context).decode('utf-8')}" if event.context else ""
    return f"{event.timestamp - start:.3f}s: {prefix}.{event.name}{context}"


def exception_line(event: EventLogEvent, start: float) -> str:
    """Return an exception as ``0.5s: job.exception type=timeout severity=0 note``."""
    context = event.context
    return (
        f"{event.timestamp - start:.3f}s: job.exception type={context.get('type')} "
        f"severity={context.get('severity')} {context.get('note', '')}"
    )


def shell_log_line(event: EventLogEvent, start: float) -> str:
    """Return a log event of the job shell as ``0.036s: flux-shell[0]: FATAL: message``."""
    context = event.context
    level = _LEVELS.get(context.get("level", 5), "")
    component = f"{context['component']}: " if context.get("component") else ""
    text = str(context.get("message", "")).rstrip("\n")
    return f"{event.timestamp - start:.3f}s: flux-shell[{context.get('rank')}]: {level}{component}{text}"


def exec_log_line(event: EventLogEvent, start: float) -> str:
    """Return what a shell wrote to its own stdout or stderr as ``0.03s: flux-shell[0]: stderr: text``."""
    context = event.context
    text = io_data(context).decode("utf-8", "replace").rstrip("\n")
    return (
        f"{event.timestamp - start:.3f}s: {context.get('component', 'flux-shell')}[{context.get('rank')}]: "
        f"{context.get('stream', 'stderr')}: {text}"
    )


def redirect_line(event: EventLogEvent) -> str:
    """Return a redirection of output as ``0: stdout redirected to FILE``."""
    context = event.context
    return f"{context.get('rank')}: {context.get('stream')} redirected to {context.get('path')}"


def exit_code_of(status: int) -> int:
    """Return the exit code of a wait status as shells count: 128 and the number for a signal."""
    return 128 + (status & 0x7F) if status & 0x7F else (status >> 8) & 0xFF
