"""Records of the job list as columns: one attribute of many at once, whatever a broker may have put
there, fit for a terminal.
"""

from __future__ import annotations

from array import array
from itertools import repeat
from operator import itemgetter
from sys import intern
from typing import TYPE_CHECKING, Any, Final

from flux.wire.json import JsonObject
from tui.model import states
from tui.model.format import printable
from tui.model.states import STATUS_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.job.lifecycle import Annotations

Job = JsonObject

_MOST_STATUSES: Final = 1000


def summary_alone(notes: Annotations) -> str | None:
    """Return the resource summary of annotations that hold nothing else and can be shown as they
    are, None for others.
    """
    if len(notes) == 1:
        sched = notes.get("sched")
        if type(sched) is dict and len(sched) == 1:
            summary = sched.get("resource_summary")
            if type(summary) is str and summary.isprintable():
                return summary
    return None


def summaries_of(notes: Sequence[JsonObject]) -> list[str]:
    """Return the resource summaries of annotations that hold nothing else, empty for others; if all
    are of that kind, without a look at each.
    """
    try:
        scheds = list(map(itemgetter("sched"), notes))
        found = list(map(itemgetter("resource_summary"), scheds))
        if {*map(len, notes), *map(len, scheds)} <= {1} and "".join(found).isprintable():
            return list(map(intern, found))
    except (TypeError, KeyError):
        pass
    return [(summary_alone(note) or "") if type(note) is dict else "" for note in notes]


class _StatusByResult(dict[tuple[int, int], int]):
    """Status by state and result, which counts for inactive jobs only."""

    def __missing__(self, key: tuple[int, int]) -> int:
        code, result = key
        found = STATUS_INDEX[code << 4 | (result if code == states.INACTIVE else 0)]
        if len(self) < _MOST_STATUSES:
            self[key] = found
        return found


STATUS_OF: Final = _StatusByResult()


def values_of(jobs: Sequence[Job], name: str, default: float | str) -> list[Any]:
    """Return one attribute of many records; if all have it, that is twice as fast."""
    try:
        if name in jobs[0]:
            return list(map(itemgetter(name), jobs))
    except KeyError:
        pass
    return list(map(dict.get, jobs, repeat(name), repeat(default)))


def numbers_of(jobs: Sequence[Job], name: str, kind: str, default: float) -> array[float]:
    """Return one attribute of many records as an array; what is not a number in range is
    ``default``.
    """
    if nobody_has(jobs, name):
        return array(kind, [default]) * len(jobs)
    try:
        return array(kind, values_of(jobs, name, default))
    except (TypeError, OverflowError):
        return array(kind, [as_number(job.get(name), kind, default) for job in jobs])


def nobody_has(jobs: Sequence[Job], name: str) -> bool:
    """Whether no record has that attribute."""
    return name not in jobs[0] and not any(map(dict.__contains__, jobs, repeat(name)))


def texts_of(jobs: Sequence[Job], name: str) -> list[str]:
    """Return one text attribute of many records, empty where there is none."""
    if nobody_has(jobs, name):
        return [""] * len(jobs)
    values = values_of(jobs, name, "")
    if not any(values):
        return [""] * len(values)
    try:
        if "".join(values).isprintable():
            # Names that are nearly all different are not worth sharing.
            different = len(set(values)) * 2 > len(values)
            return values if different else list(map(intern, values))
    except TypeError:
        pass
    return [shown_text(value) for value in values]


def shown_text(value: object) -> str:
    """Return ``value`` as a string shared by all equal ones, fit for a terminal; empty for what is
    not a string.
    """
    if type(value) is not str:
        return ""
    return intern(value if value.isprintable() else printable(" ".join(value.split())))


def as_number(value: object, kind: str, default: float) -> float:
    """Return ``value`` as the array's type; anything that is not a number in range becomes
    ``default``.
    """
    if not isinstance(value, int | float | str):
        return default
    try:
        number: float = int(value) if kind == "q" else float(value)
    except (ValueError, OverflowError):
        return default
    return default if kind == "q" and not -(2**63) <= number < 2**63 else number
