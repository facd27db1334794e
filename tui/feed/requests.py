"""What the feed asks an instance for when it loads it, ours or any flux-core since 0.29."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Final

from flux.job.attributes import JOB_ATTRIBUTES
from flux.job.states import JobState
from tui.model.facts import StateCounts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.aio import AsyncFlux
    from flux.wire.json import JsonMapping
    from tui.model.table import JobTable

STREAMING_LIST: Final = (0, 47)
SHOWN_LATER: Final = ("queue", "bank", "project", "cwd", "ncores", "duration")
"""What the table shows of what brokers of 0.29 do not tell."""


class LostConnection(OSError):
    """The broker's end of the socket closed."""


async def counts(handle: AsyncFlux) -> StateCounts:
    """Return how many jobs the instance has in which state, as its job list counts them."""
    try:
        stats = await handle.rpc("job-list.job-stats")
    except OSError:
        return StateCounts()
    states = stats.get("job_states") or {}

    def number(found: JsonMapping, *names: str) -> int:
        return sum(int(found.get(name) or 0) for name in names)

    # Those that failed are all that did not succeed: canceled and timed out ones are among them.
    failed, canceled, timeout = (number(stats, name) for name in ("failed", "canceled", "timeout"))
    return StateCounts(
        number(states, "run", "cleanup"),
        number(states, "depend", "priority", "sched"),
        max(0, number(states, "inactive") - failed),
        max(0, failed - canceled - timeout),
        canceled,
        timeout,
    )


async def known_attributes(handle: AsyncFlux, version: str) -> tuple[str, ...]:
    """Return the attributes of jobs to ask for: brokers of 0.29 do not know all, and refuse what
    they do not know.
    """
    if release(version) >= STREAMING_LIST:
        return (*JOB_ATTRIBUTES, *SHOWN_LATER)
    try:
        known = (await handle.rpc("job-list.list-attrs")).get("attrs") or ()
    except OSError:
        known = ()
    return (*JOB_ATTRIBUTES, *(name for name in SHOWN_LATER if name in known))


def release(version: str) -> tuple[int, ...]:
    """Return ``0.88.0-12-gabc`` as (0, 88), (0, 0) if it is not a version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


async def roundtrip(handle: AsyncFlux, service: str) -> None:
    """Return once ``service`` has seen everything sent before, whatever it answers."""
    with contextlib.suppress(OSError):
        await handle.rpc(
            f"{service}.ping", {"seq": 0, "time.tv_sec": 0, "time.tv_nsec": 0, "pad": ""}
        )


def news(events: Iterable[JsonMapping], table: JobTable) -> list[JsonMapping]:
    """Return what the journal told while the jobs were read into ``table``, without the annotations
    of ``alloc`` events of jobs that were read as placed already.

    The journal begins with the whole eventlogs of active jobs. Their job-list records have what was
    annotated since: a volatile memo, such as the URI of an instance, is in no eventlog, and an
    ``alloc`` that is told again would take it away.
    """
    found: list[JsonMapping] = []
    for event in events:
        entry = event.get("entry")
        row = table.row_of.get(event["id"])
        placed = row is not None and table.state[row] >= JobState.RUN
        if placed and isinstance(entry, dict) and entry.get("name") == "alloc":
            found.append({**event, "entry": {**entry, "context": {}}})
        else:
            found.append(event)
    return found


def reason_of(group: BaseExceptionGroup[OSError]) -> str:
    """Return the sentence for the banner out of whatever ended a session."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = next(
            (e for e in error.exceptions if isinstance(e, LostConnection)), error.exceptions[0]
        )
    return str(getattr(error, "strerror", None) or error) or "connection lost"
