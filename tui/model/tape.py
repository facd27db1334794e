"""A recording of what a feed told a dashboard: JSON lines, the first of which says what it is.

Each line is a note: when it was, ``t``, of what kind, ``k``, and what was told. Notes that are
played into a dashboard, in their order, make it show what it showed. Kinds that this version does
not know are left out, as are keys: a later version may have more.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from tui.model.facts import InstanceInfo, StateCounts
from tui.model.nodestrip import NodeUse
from tui.model.notes import NoteKind, waits_facts
from tui.model.stats import ResourceCounts
from tui.model.unexpected import UNEXPECTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flux.wire.json import JsonMapping, JsonObject
    from tui.model.dashboard import Dashboard
    from tui.model.table import JobTable

VERSION: Final = 1
FORMAT: Final = "flux-top-recording"
PIECE: Final = 1000
"""Jobs in one note where all are written down."""


def header(started: float, version: str) -> JsonObject:
    """Return the first line: ``version`` is that of the program."""
    return {"t": started, "k": FORMAT, "version": VERSION, "program": f"fluxctl {version}"}


def check_header(note: JsonMapping) -> str:
    """Return why a recording with that first line cannot be played, nothing if it can."""
    if note.get("k") != FORMAT or not isinstance(note.get("t"), int | float):
        return "not a recording of flux top"
    if note.get("version") != VERSION:
        return f"a recording of version {note.get('version')}, this program plays {VERSION}"
    return ""


def state_of(dashboard: Dashboard) -> Iterator[tuple[str, JsonObject]]:
    """Give the notes that make another dashboard show what this one does, but for its jobs."""
    yield NoteKind.INSTANCE, asdict(dashboard.instance)
    yield NoteKind.JOBS, {"new": True, "jobs": []}
    if dashboard.loading is not None:
        yield NoteKind.LOADING, {"counts": dashboard.loading._asdict()}
    yield NoteKind.NOTICES, {"notices": list(dashboard.notices)}
    use = dashboard.utilisation
    if use.known:
        yield NoteKind.RESOURCES, {"counts": use.counts.as_list()}
    if dashboard.table.waits:
        yield NoteKind.WAITS, waits_facts({}, dashboard.table.waits)
    yield NoteKind.LINK, {**asdict(dashboard.link), "heard": dashboard.heard}


def jobs_of(table: JobTable) -> Iterator[tuple[str, JsonObject]]:
    """Give the notes of all jobs, each piece as it is when it is asked for: what is told of jobs
    meanwhile may be written down before them.
    """
    row = 0
    while row < len(table):
        last = min(len(table), row + PIECE)
        yield NoteKind.JOBS, {"jobs": [table.record(one) for one in range(row, last)]}
        row = last


# Playing


def _instance(dashboard: Dashboard, note: JsonMapping) -> None:
    known = {name: note[name] for name in InstanceInfo.__slots__ if name in note}
    dashboard.set_instance(InstanceInfo(**known))


def _jobs(dashboard: Dashboard, note: JsonMapping) -> None:
    if note.get("new"):
        dashboard.replace(note["jobs"])
    else:
        dashboard.load(note["jobs"])


def _purged(dashboard: Dashboard, note: JsonMapping) -> None:
    dashboard.forget({int(jobid) for jobid in note["gone"]})


def _events(dashboard: Dashboard, note: JsonMapping) -> None:
    dashboard.apply(note["events"])
    dashboard.table.undescribed.clear()


def _resources(dashboard: Dashboard, note: JsonMapping) -> None:
    *counts, uses = note["counts"]
    nodes = tuple(NodeUse._make(use) for use in uses)
    dashboard.set_resources(ResourceCounts._make([*map(int, counts), nodes]))


def _waits(dashboard: Dashboard, note: JsonMapping) -> None:
    waits = dict(dashboard.table.waits)
    for jobid in note.get("gone", ()):
        waits.pop(jobid, None)
    waits.update({int(jobid): str(text) for jobid, text in note["set"].items()})
    dashboard.set_waits(waits)


def _notices(dashboard: Dashboard, note: JsonMapping) -> None:
    dashboard.set_notices([str(text) for text in note["notices"]])


def _loading(dashboard: Dashboard, note: JsonMapping) -> None:
    counts = note["counts"]
    dashboard.set_loading(None if counts is None else StateCounts(**counts))


def _link(dashboard: Dashboard, note: JsonMapping) -> None:
    dashboard.set_link(
        bool(note["up"]), str(note["text"]), float(note["retry_at"]), int(note["attempts"])
    )
    dashboard.heard = float(note["heard"])


def _silent(dashboard: Dashboard, note: JsonMapping) -> None:
    """The instance owes an answer since then; 0 when it has answered."""
    dashboard.asked = float(note["since"])
    dashboard.heard = float(note["heard"])
    dashboard.revision += 1


_PLAYED: Final[dict[str, Callable[[Dashboard, JsonMapping], None]]] = {
    NoteKind.INSTANCE: _instance,
    NoteKind.JOBS: _jobs,
    NoteKind.PURGED: _purged,
    NoteKind.EVENTS: _events,
    NoteKind.RESOURCES: _resources,
    NoteKind.WAITS: _waits,
    NoteKind.NOTICES: _notices,
    NoteKind.LOADING: _loading,
    NoteKind.LINK: _link,
    NoteKind.SILENT: _silent,
}


def play(dashboard: Dashboard, note: JsonMapping) -> None:
    """Tell ``dashboard`` what a note says. Raises ValueError if it makes no sense."""
    handler = _PLAYED.get(note["k"])
    if handler is None:
        return
    try:
        handler(dashboard, note)
    except UNEXPECTED as error:
        raise ValueError(f"a note of kind {note['k']} makes no sense: {error!r}") from None


def size_of(note: JsonMapping) -> int:
    """Return how much work a note is to play, in events."""
    return 1 + len(note.get("events") or ()) + len(note.get("jobs") or ()) // 8
