"""What can be changed of jobs: which jobs each change is for, and how what is typed is read."""

from __future__ import annotations

from typing import Final, NamedTuple

from flux.constants import (
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
)
from flux.duration import parse_fsd

URGENCIES: Final = {
    "hold": FLUX_JOB_URGENCY_HOLD,
    "default": FLUX_JOB_URGENCY_DEFAULT,
    "expedite": FLUX_JOB_URGENCY_EXPEDITE,
}
NO_LIMIT: Final = ("", "0", "none", "unlimited")


class Unreadable(ValueError):
    """What was typed says nothing that can be done; its text says why."""


class RaisedException(NamedTuple):
    """An exception to raise: one of severity 0 ends the job, up to 7 is only noted."""

    kind: str
    severity: int
    note: str


def urgency_of(text: str) -> int:
    """Return the urgency that a word or a number from 0 to 31 means; raises Unreadable."""
    word = text.strip().lower()
    if word in URGENCIES:
        return URGENCIES[word]
    if word.isascii() and word.isdigit() and int(word) <= FLUX_JOB_URGENCY_EXPEDITE:
        return int(word)
    raise Unreadable("an urgency is a number from 0 to 31, hold, default or expedite")


def exception_of(text: str) -> RaisedException:
    """Return the exception of ``TYPE [SEVERITY [NOTE]]``; raises Unreadable."""
    kind, _, rest = text.strip().partition(" ")
    severity, _, note = rest.strip().partition(" ")
    if not kind:
        raise Unreadable("an exception needs a type, such as cancel or my-check")
    if severity and not (severity.isascii() and severity.isdigit() and int(severity) <= 7):
        return RaisedException(kind, 0, rest.strip())
    return RaisedException(kind, int(severity or 0), note.strip())


def annotation_of(text: str) -> tuple[str, str | None]:
    """Return key and value of ``KEY VALUE`` or ``KEY=VALUE``, None for no value, which takes the
    key away; raises Unreadable.
    """
    text = text.strip()
    place = min((place for place in map(text.find, " =") if place >= 0), default=len(text))
    key, value = text[:place], text[place + 1 :].strip()
    if not key:
        raise Unreadable("an annotation is a key and a value: note needs more memory")
    return key, value or None


def limit_of(text: str) -> float:
    """Return the seconds of a duration such as ``30m``, 0 for no limit; raises Unreadable."""
    if text.strip().lower() in NO_LIMIT:
        return 0.0
    try:
        return float(parse_fsd(text.strip()))
    except ValueError:
        raise Unreadable("a time limit is a number with s, m, h or d: 90m; 0 is none") from None
