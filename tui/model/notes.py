"""The notes of a recording: their kinds, and what takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject


class NoteKind:
    """The kinds of notes."""

    INSTANCE: Final = "instance"
    JOBS: Final = "jobs"
    EVENTS: Final = "events"
    PURGED: Final = "purged"
    RESOURCES: Final = "resources"
    WAITS: Final = "waits"
    NOTICES: Final = "notices"
    LOADING: Final = "loading"
    LINK: Final = "link"
    SILENT: Final = "silent"
    TIME: Final = "time"
    END: Final = "end"
    OPEN: Final = "open"
    ENTRIES: Final = "entries"
    LOG: Final = "log"
    ANSWER: Final = "answer"
    STREAMED: Final = "streamed"
    EVENT: Final = "event"


class Tape(Protocol):
    """What a dashboard tells of all that it is told."""

    def note(self, kind: str, facts: JsonMapping) -> None:
        """Write down something that was told now."""

    def tick(self, asked: float, heard: float) -> None:
        """Write down the time that passes; called several times a second. ``asked`` is since when
        the instance has owed an answer for long, 0 if it does not, ``heard`` when it was heard of.
        """


def waits_facts(before: dict[int, str], after: dict[int, str]) -> JsonObject:
    """Return what a note tells of why jobs wait: what differs."""
    facts: JsonObject = {
        "set": {str(jobid): text for jobid, text in after.items() if before.get(jobid) != text}
    }
    gone = [jobid for jobid in before if jobid not in after]
    if gone:
        facts["gone"] = gone
    return facts
