"""The log of an instance's starts and ends, ``admin.eventlog`` in its key-value store.

It has an event ``start`` for each start and ``finish`` for each end in good order, as flux-core
writes them, where the store outlives the instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from flux import CORE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.wire.json import JsonMapping

KEY: Final = "admin.eventlog"
START: Final = "start"
FINISH: Final = "finish"
VERSION: Final = 1
"""The form of the events; those of another form are passed over."""

STARTED: Final = {"version": VERSION, "core_version": CORE_VERSION}
"""The context of ``start``: which flux-core it is, or conforms to."""
FINISHED: Final = {"version": VERSION}
"""The context of ``finish``."""


class Run(Struct):
    """One time that the instance ran: from ``began`` to ``ended``, seconds since the epoch.

    ``ended`` is None for one without a last event, which is the one that runs if it is the last of
    all, and otherwise ``crashed``; ``core_version`` is empty if it does not say.
    """

    began: float
    core_version: str = ""
    ended: float | None = None
    crashed: bool = False


def runs_of(events: Iterable[JsonMapping]) -> list[Run]:
    """Return the runs that a log tells of, in its order; an end without a start tells of none."""
    runs: list[Run] = []
    for event in events:
        context = event.get("context") or {}
        if context.get("version") != VERSION:
            continue
        last = runs[-1] if runs and runs[-1].ended is None else None
        if event["name"] == START:
            if last is not None:
                last.crashed = True
            runs.append(Run(float(event["timestamp"]), str(context.get("core_version", ""))))
        elif event["name"] == FINISH and last is not None:
            last.ended = float(event["timestamp"])
    return runs


def ended_well(runs: list[Run]) -> bool:
    """Whether the run before the present one ended in good order, or there was none; whether the
    last one did, if none is under way.
    """
    return len(runs) < 2 or runs[-1].ended is not None or not runs[-2].crashed
