"""The words of the query language: fields and the names of states."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.job.state_names import (
    RESULT_FILTERS,
    SINGLE_STATES,
    STATE_FILTERS,
    result_name,
    state_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

TEXT: Final = "text"
NUMBER: Final = "number"
DURATION: Final = "duration"
STATE: Final = "state"
ID: Final = "id"


class Field(NamedTuple):
    """One field: its kind, its other names, what it is."""

    kind: str
    aliases: tuple[str, ...]
    meaning: str


FIELDS: Final[dict[str, Field]] = {
    "state": Field(STATE, ("result", "status", "st", "s"), "state or result of the job"),
    "id": Field(ID, ("jobid",), "job id in any form, or the beginning of its F58"),
    "name": Field(TEXT, ("n",), "name of the job"),
    "user": Field(TEXT, ("u", "username"), "who submitted it"),
    "queue": Field(TEXT, ("q",), "its queue"),
    "ranks": Field(TEXT, ("rank",), "ranks it runs or ran on"),
    "node": Field(TEXT, ("nodelist", "host"), "nodes it runs or ran on"),
    "info": Field(TEXT, ("why", "reason"), "why it waits, failed, or where it runs"),
    "exception": Field(TEXT, (), "type of its exception"),
    "bank": Field(TEXT, ("account",), "its bank"),
    "project": Field(TEXT, (), "its project"),
    "t": Field(DURATION, ("runtime", "time"), "how long it has run"),
    "wait": Field(DURATION, (), "how long it waited, or waits"),
    "age": Field(DURATION, (), "how long ago it was submitted"),
    "left": Field(DURATION, ("remaining",), "until its time limit"),
    "limit": Field(DURATION, ("duration",), "its time limit"),
    "ntasks": Field(NUMBER, ("tasks",), "number of tasks"),
    "nnodes": Field(NUMBER, ("nodes",), "number of nodes"),
    "ncores": Field(NUMBER, ("cores",), "number of cores"),
    "priority": Field(NUMBER, ("pri",), "priority"),
    "urgency": Field(NUMBER, (), "urgency"),
    "waitstatus": Field(NUMBER, (), "wait status, as wait(2) has it"),
    "exit": Field(NUMBER, ("returncode", "rc"), "exit code, negative for a signal"),
}
"""Every field by its name."""

NAMES: Final[dict[str, str]] = {
    name: field for field, known in FIELDS.items() for name in (field, *known.aliases)
}
"""Fields by all their names."""


class Statuses(NamedTuple):
    """What a word for states stands for: a mask of job states (RFC 21), and, for those that are
    over, of results.
    """

    states: int
    results: int


_ALL_RESULTS: Final = sum(RESULT_FILTERS.values())


def _state_words() -> dict[str, Statuses]:
    inactive = STATE_FILTERS["inactive"]
    words = {
        name: Statuses(states, _ALL_RESULTS if states & inactive else 0)
        for name, states in STATE_FILTERS.items()
        if name != "new"
    }
    for state in SINGLE_STATES[1:]:
        words[state_name(state, True).lower()] = words[state_name(state).lower()]
    for name, result in RESULT_FILTERS.items():
        words[name] = Statuses(inactive, result)
        words[result_name(result, True).lower()] = words[name]
    words["pd"], words["done"], words["r"] = words["pending"], words["inactive"], words["running"]
    words["cancelled"] = words["canceled"]
    return words


STATE_WORDS: Final[dict[str, Statuses]] = _state_words()
"""Every word for states, lower case: names, letters and unions."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, None if none is near."""
    near = get_close_matches(word, list(known), n=1)
    return near[0] if near else None
