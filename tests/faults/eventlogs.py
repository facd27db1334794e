"""What an eventlog must look like (RFC 18, RFC 21), and what it says about runs; no brokers here.

The order is stated here once more, apart from the job manager's own table: two descriptions that
must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

ONCE = ("submit", "depend", "start", "finish", "free", "clean")
"""Events that a job has once at most."""
AFTER = {
    "depend": ("submit",),
    "priority": ("depend",),
    "alloc": ("priority", "exception"),
    "start": ("alloc",),
    "finish": ("start", "exception"),
    "release": ("alloc",),
    "free": ("alloc",),
    "clean": ("finish", "exception"),
}
"""Event to the events of which one must stand before it."""


@dataclass(frozen=True)
class Entry:
    """One entry of an eventlog."""

    name: str
    context: dict[str, Any]
    timestamp: float = 0.0


def illegal(entries: Sequence[Entry]) -> list[str]:
    """Return what is wrong in a job's eventlog, nothing for a legal one."""
    names = [entry.name for entry in entries]
    found = []
    if names[:1] != ["submit"]:
        found.append(f"the first event is {names[:1]}")
    found += [f"{name} stands {names.count(name)} times" for name in ONCE if names.count(name) > 1]
    for place, name in enumerate(names):
        needed = AFTER.get(name)
        if needed and not set(needed) & set(names[:place]):
            found.append(f"{name} without {' or '.join(needed)} before it")
    if "clean" in names and names[-1] != "clean":
        found.append(f"{names[-1]} after clean")
    if names.count("alloc") > names.count("free") + 1:
        found.append("alloc twice without free between")
    return found


def ended(entries: Sequence[Entry]) -> bool:
    """Tell whether the job is inactive."""
    return bool(entries) and entries[-1].name == "clean"


def status(entries: Sequence[Entry]) -> int | None:
    """Return the wait status of the job's finish event, None without one."""
    return next((entry.context.get("status") for entry in entries if entry.name == "finish"), None)


def says_run_again(entries: Sequence[Entry]) -> bool:
    """Tell whether the eventlog says that the job may have been begun before.

    That is an event after a restart of the instance which names a rerun (docs/decisions).
    """
    after = False
    for entry in entries:
        after = after or entry.name == "flux-restart"
        if after and ("rerun" in entry.name or "rerun" in str(entry.context)):
            return True
    return False
