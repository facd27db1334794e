"""The filter language: ``state:running user:alice -name:test* t>5m`` and free words.

A query is a list of terms, all of which must hold. ``field:value`` compares with shell wildcards,
``field:a,b`` with any of several; ``t>5m``, ``ntasks>=4`` compare numbers; ``-`` before a term
turns it round; a free word matches a job whose name, user or id contains its letters in order.
Quotes keep spaces: ``name:"my job"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import translate
from typing import Final

from tui.model import format as fmt
from tui.model import reasons
from tui.model.jobid import PREFIX, f58_sought, parse
from tui.model.states import GROUPS, STATUS
from tui.model.table import JobTable
from tui.model.users import user_name

Test = Callable[[int], bool]
Maker = Callable[[JobTable, float], Test]

_TERM: Final = re.compile(
    r'(?P<not>-)?(?:(?P<field>[A-Za-z_]+)(?P<op>[:=]|[<>]=?))?(?P<value>"[^"]*"?|[^\s"]*)'
)


class QueryError(ValueError):
    """A filter that cannot be read; the text says where and what would be right."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter. ``live`` is true if time alone can change what it matches."""

    text: str
    makers: tuple[Maker, ...]
    live: bool

    @staticmethod
    def parse(text: str) -> Query:
        """Read ``text``; raises ``QueryError``."""
        makers: list[Maker] = []
        live = False
        position = 0
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            found = _TERM.match(text, position)
            if found is None or found.end() == position:
                raise QueryError(f"cannot read {text[position:]!r}")
            maker, timed = _term(found)
            if maker is not None:
                makers.append(_negate(maker) if found["not"] else maker)
                live = live or timed
            position = found.end()
        return Query(text.strip(), tuple(makers), live)

    def compile(self, table: JobTable, now: float) -> Test | None:
        """Return the test of one row at time ``now``, or None if everything matches."""
        if not self.makers:
            return None
        tests = [make(table, now) for make in self.makers]
        if len(tests) == 1:
            return tests[0]
        return lambda row: all(test(row) for test in tests)


def _term(found: re.Match[str]) -> tuple[Maker | None, bool]:
    """Return the maker of one term and whether it looks at the clock; None for a term still being
    typed.
    """
    field, op, value = found["field"], found["op"], found["value"].strip('"')
    if field is None:
        return (_fuzzy(value), False) if value else (None, False)
    name = _ALIASES.get(field.lower(), field.lower())
    if not value:
        _check_field(name, field)
        return None, False
    if name in _TEXT_FIELDS and op in ":=":
        return _text(name, value), False
    if name in _SPECIAL_FIELDS and op in ":=":
        return _SPECIAL_FIELDS[name](value), False
    if name in _NUMBER_FIELDS:
        get, is_time = _NUMBER_FIELDS[name]
        return _compare(get, "=" if op == ":" else op, value, is_time), is_time
    _check_field(name, field)
    raise QueryError(f"{field} is not a number: write {field}:{value}")


def _check_field(name: str, written: str) -> None:
    known = [*_TEXT_FIELDS, *_NUMBER_FIELDS, *_SPECIAL_FIELDS]
    if name in known:
        return
    near = get_close_matches(name, [*known, *_ALIASES], n=1)
    hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
    raise QueryError(f"no field {written}{hint}")


def _negate(maker: Maker) -> Maker:
    def make(table: JobTable, now: float) -> Test:
        test = maker(table, now)
        return lambda row: not test(row)

    return make


def _pattern(value: str) -> re.Pattern[str]:
    """Return one expression for the comma-separated wildcards of ``value``, deaf to case."""
    return re.compile(
        "|".join(translate(part) for part in value.split(",") if part) or r"(?!)", re.IGNORECASE
    )


def _text(name: str, value: str) -> Maker:
    get = _TEXT_FIELDS[name]
    match = _pattern(value).match

    def make(table: JobTable, _now: float) -> Test:
        seen: dict[str, bool] = {}
        read = get(table)

        def test(row: int) -> bool:
            text = read(row)
            known = seen.get(text)
            if known is None:
                known = seen[text] = match(text) is not None
            return known

        return test

    return make


def _state(value: str) -> Maker:
    wanted: set[int] = set()
    for word in value.lower().split(","):
        if word and word not in GROUPS:
            starts = [known for known in GROUPS if known.startswith(word)]
            if not starts:
                near = get_close_matches(word, list(GROUPS), n=1)
                hint = (
                    f"; did you mean {near[0]}?"
                    if near
                    else f"; there are {', '.join(s.word for s in STATUS)}"
                )
                raise QueryError(f"no state {word}{hint}")
            word = starts[0]
        wanted.update(GROUPS.get(word, ()))

    def make(table: JobTable, _now: float) -> Test:
        status = table.status
        return lambda row: status[row] in wanted

    return make


def _jobid(value: str) -> Maker:
    wanted = {jobid for jobid in map(parse, value.split(",")) if jobid is not None}
    prefixes = tuple(
        v if v[:1] == PREFIX else PREFIX + v[1:] for v in value.split(",") if v[:1] in ("f", PREFIX)
    )

    def make(table: JobTable, _now: float) -> Test:
        ids = table.ids
        return lambda row: (
            ids[row] in wanted or (bool(prefixes) and f58_sought(ids[row]).startswith(prefixes))
        )

    return make


def _fuzzy(word: str) -> Maker:
    """Match the letters of ``word`` in order in the name or the user; capitals in ``word`` make
    case count. Ids match by their beginning.
    """
    flags = 0 if word != word.lower() else re.IGNORECASE
    search = re.compile(".*?".join(map(re.escape, word)), flags).search
    wanted = parse(word) if len(word) > 4 else None
    by_prefix = word[:1] == PREFIX

    def make(table: JobTable, _now: float) -> Test:
        seen: dict[str, bool] = {}
        names, users, ids = table.name, table.userid, table.ids

        def known(text: str) -> bool:
            hit = seen.get(text)
            if hit is None:
                hit = seen[text] = search(text) is not None
            return hit

        def test(row: int) -> bool:
            if known(names[row]) or known(user_name(users[row])):
                return True
            return ids[row] == wanted or (by_prefix and f58_sought(ids[row]).startswith(word))

        return test

    return make


def _compare(
    get: Callable[[JobTable, int, float], float], op: str, value: str, is_time: bool
) -> Maker:
    try:
        limit = fmt.parse_duration(value) if is_time else float(value)
    except ValueError as error:
        raise QueryError(str(error) if is_time else f"{value}: not a number") from None
    holds = _OPERATORS[op]

    def make(table: JobTable, now: float) -> Test:
        return lambda row: holds(get(table, row, now), limit)

    return make


_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: 0 <= a < b,
    "<=": lambda a, b: 0 <= a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_TEXT_FIELDS: Final[dict[str, Callable[[JobTable], Callable[[int], str]]]] = {
    "name": lambda table: table.name.__getitem__,
    "user": lambda table: lambda row: user_name(table.userid[row]),
    "ranks": lambda table: table.ranks.__getitem__,
    "node": lambda table: table.nodelist.__getitem__,
    "info": lambda table: lambda row: reasons.info(table, row),
    "exception": lambda table: lambda row: table.exception.get(row, ("", 0, ""))[0],
}
_NUMBER_FIELDS: Final[dict[str, tuple[Callable[[JobTable, int, float], float], bool]]] = {
    "t": (lambda table, row, now: table.runtime(row, now), True),
    "wait": (lambda table, row, now: table.waited(row, now), True),
    "age": (lambda table, row, now: now - table.t_submit[row], True),
    "ntasks": (lambda table, row, now: table.ntasks[row], False),
    "nnodes": (lambda table, row, now: table.nnodes[row], False),
    "priority": (lambda table, row, now: table.priority[row], False),
    "urgency": (lambda table, row, now: table.urgency[row], False),
    "status": (lambda table, row, now: table.waitstatus[row], False),
}
_SPECIAL_FIELDS: Final[dict[str, Callable[[str], Maker]]] = {"state": _state, "id": _jobid}
_ALIASES: Final = {
    "runtime": "t",
    "time": "t",
    "jobid": "id",
    "result": "state",
    "st": "state",
    "s": "state",
    "n": "name",
    "u": "user",
    "tasks": "ntasks",
    "nodes": "nnodes",
    "nodelist": "node",
    "rank": "ranks",
    "pri": "priority",
    "waitstatus": "status",
}
