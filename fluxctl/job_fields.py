"""What fields of ``flux jobs`` are made of: the attributes of jobs that a format asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fluxctl.errors import CommandError
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.info import JobInfoFormat

_RUNTIME = ("t_run", "t_cleanup")
_REASON = (
    "state",
    "priority",
    "dependencies",
    "annotations",
    "result",
    "exception_type",
    "exception_note",
    "waitstatus",
)
_FIELD_ATTRS: dict[str, tuple[str, ...]] = {
    "id": (),
    "username": ("userid",),
    "status": ("state", "result"),
    "status_abbrev": ("state", "result"),
    "state_single": ("state",),
    "result_abbrev": ("result",),
    "returncode": ("waitstatus", "result"),
    "runtime": _RUNTIME,
    "nnodes": ("nnodes", "state"),
    "node_count": ("nnodes",),
    "phase": ("state", "result"),
    "phase_abbrev": ("state", "result"),
    "status_emoji": ("state", "result"),
    "state_emoji": ("state",),
    "result_emoji": ("result",),
    "contextual_info": (
        *("annotations", "dependencies", "nodelist"),
        *("priority", "state", "urgency"),
    ),
    "contextual_time": ("state", "duration", *_RUNTIME),
    "inactive_reason": ("exception_severity", *_REASON),
    "reason": _REASON,
    "where": ("nodelist", *_REASON),
    "t_remaining": ("state", "expiration"),
    "exception.occurred": ("exception_occurred",),
    "exception.severity": ("exception_severity",),
    "exception.type": ("exception_type",),
    "exception.note": ("exception_note",),
    "sched": ("annotations",),
    "user": ("annotations",),
    "uri": ("annotations",),
    "instance": ("annotations", "state"),
}

_PLACED: Final = frozenset(("t_run", "ranks", "nodelist"))
"""What tells that a job that is over had nodes, and did not only ask for them."""

REASON_FIELDS: Final = frozenset(("reason", "where"))
"""Fields that say why jobs wait, which is asked for."""


def attributes_of(fields: Iterable[str]) -> list[str]:
    """Return the job-list attributes that output fields are made of; ``result`` is always among
    them, for the color.
    """
    wanted, fields = {"result": None}, list(fields)
    for field in fields:
        attrs = _FIELD_ATTRS.get(field)
        if attrs is None:
            attrs = _FIELD_ATTRS.get(field.partition(".")[0], (field.partition(".")[0],))
        wanted.update(dict.fromkeys(attrs))
    if "nnodes" in fields and not wanted.keys() & _PLACED:
        wanted["t_run"] = None
    return list(wanted)


def parse_format(text: str) -> JobInfoFormat:
    """Return the format of a listing of jobs; raises CommandError for one that cannot be read."""
    from flux.job.info import JobInfoFormat
    from flux.output_format import UnknownField

    try:
        return JobInfoFormat(text)
    except ValueError as exc:
        field = exc.field if isinstance(exc, UnknownField) else ""
        hint = suggestion(field, JobInfoFormat.headings)
        raise CommandError(f"ERROR: Error in user format: {exc}", hint=hint) from None
