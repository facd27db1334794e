"""How events and output of a job read on a terminal: one line an event, task output with or without
its rank (RFC 24).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job import io
from flux.wire import json

if TYPE_CHECKING:
    from flux.job.event import EventLogEvent


def event_line(prefix: str, event: EventLogEvent, start: float) -> str:
    """Return an event as ``0.012s: job.priority {"priority":16}``. ``prefix`` is the eventlog it is
    from, ``job`` or ``exec``; seconds count from the time stamp ``start``.
    """
    context = f" {json.dumps(event.context).decode('utf-8')}" if event.context else ""
    return f"{event.timestamp - start:.3f}s: {prefix}.{event.name}{context}"


def exception_line(event: EventLogEvent, start: float, job: str = "") -> str:
    """Return an exception as ``0.5s: job.exception type=timeout severity=0 note``, with the name of
    the ``job`` before the type unless it is empty.
    """
    context = event.context
    named = f"{job} " if job else ""
    return (
        f"{event.timestamp - start:.3f}s: job.exception {named}type={context.get('type')} "
        f"severity={context.get('severity')} {context.get('note', '')}"
    )


def shell_log(event: EventLogEvent) -> str:
    """Return a log event of the job shell as ``flux-shell[0]: FATAL: message``."""
    return f"flux-shell[{event.context.get('rank')}]: {io.log_text(event.context)}"


def shell_log_line(event: EventLogEvent, start: float) -> str:
    """Return a log event of the job shell as ``0.036s: flux-shell[0]: FATAL: message``."""
    return f"{event.timestamp - start:.3f}s: {shell_log(event)}"


def exec_log_line(event: EventLogEvent, start: float) -> str:
    """Return what a shell wrote to its own stdout or stderr as ``0.03s: flux-shell[0]: stderr:
    text``.

    Raises OSError(EPROTO) if the event carries nothing that can be read.
    """
    context = event.context
    text = io.decode_data(context).decode("utf-8", "replace").rstrip("\n")
    return (
        f"{event.timestamp - start:.3f}s: "
        f"{context.get('component', 'flux-shell')}[{context.get('rank')}]: "
        f"{context.get('stream', 'stderr')}: {text}"
    )


def malformed(error: OSError) -> str:
    """Return what stands in the place of an event of the output that cannot be read."""
    return f"flux-job: {error.strerror}"


def redirect_line(event: EventLogEvent) -> str:
    """Return a redirection of output as ``0: stdout redirected to FILE``."""
    context = event.context
    return f"{context.get('rank')}: {context.get('stream')} redirected to {context.get('path')}"
