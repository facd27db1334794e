"""Queries as tests: a tree of terms, together with the way to read a job, is a function that says
whether a job is meant.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from flux.duration import parse_fsd
from flux.job.JobID import f58_digits, id_parse
from flux.job.query.fields import (
    DURATION,
    FIELDS,
    ID,
    NAMES,
    STATE,
    STATE_WORDS,
    TEXT,
    Statuses,
    nearest,
)
from flux.job.query.sets import check_set, hosts_of, in_set
from flux.job.query.syntax import Either, Every, Negation, QueryError, Term, Word, terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.job.query.syntax import Node

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
Test: TypeAlias = "Callable[[R], bool]"
_PREFIXES: Final = ("ƒ", "f")
_F58: Final = re.compile(r"[ƒf][1-9A-HJ-NP-Za-km-z]*").fullmatch
"""A job id in F58, or its beginning."""


class JobReader(Protocol[R_contra]):
    """How jobs of one kind are read."""

    def text(self, field: str) -> Callable[[R_contra], str]:
        """Return what reads a text field; raises KeyError if these jobs have no such field."""

    def number(self, field: str) -> Callable[[R_contra], float]:
        """Return what reads a number or a duration in seconds, nan if it is not known, which no
        comparison finds; raises KeyError.
        """

    def statuses(self, wanted: tuple[Statuses, ...]) -> Callable[[R_contra], bool]:
        """Return the test for jobs in one of some states."""

    def jobid(self) -> Callable[[R_contra], int]:
        """Return what reads the id."""


def predicate(tree: Node, reader: JobReader[R], *, typing: bool = False) -> Test[R] | None:
    """Return the test that a query is, None if every job passes.

    With ``typing`` a term without a value, which is being typed, passes every job. Raises
    `QueryError` for fields that are not there and values that they cannot have.
    """
    match tree:
        case Negation(part):
            return _opposite(predicate(part, reader, typing=typing))
        case Every(parts):
            tests = [predicate(part, reader, typing=typing) for part in parts]
            return _every([test for test in tests if test is not None])
        case Either(parts):
            return _either([predicate(part, reader, typing=typing) for part in parts])
        case Word(value):
            return _fuzzy(value, reader) if value else None
        case Term() as term:
            return _term(term, reader, typing=typing)


def depends_on_time(tree: Node) -> bool:
    """Whether time alone can change which jobs a query finds."""
    named = (NAMES.get(it.field.lower(), "") for it in terms(tree) if isinstance(it, Term))
    return any(FIELDS[name].kind == DURATION for name in named if name)


def names_field(tree: Node, field: str) -> bool:
    """Whether a term of the query is about ``field``."""
    return any(isinstance(it, Term) and NAMES.get(it.field.lower()) == field for it in terms(tree))


def _opposite(test: Test[R] | None) -> Test[R] | None:
    if test is None:
        return None  # what is being typed does not hide everything
    return lambda job: not test(job)


def _every(tests: list[Test[R]]) -> Test[R] | None:
    if len(tests) <= 1:
        return tests[0] if tests else None
    return lambda job: all(test(job) for test in tests)


def _either(tests: list[Test[R] | None]) -> Test[R] | None:
    known = [test for test in tests if test is not None]
    if len(known) < len(tests):
        return None
    return lambda job: any(test(job) for test in known)


def _term(term: Term, reader: JobReader[R], *, typing: bool) -> Test[R] | None:
    name = _field(term)
    kind = FIELDS[name].kind
    if not term.value and not term.quoted:
        if typing:
            return None
        raise _wrong_value(term, f"{term.field}{term.op} needs a value")
    if kind in (TEXT, STATE, ID) and term.op in ("<", "<=", ">", ">="):
        place = term.start + len(term.field)
        reason = f"{term.field} is not a number: write {term.field}:{term.value}"
        raise QueryError(reason, place, place + len(term.op), ":")
    if kind not in (TEXT,) and term.op == "~":
        place = term.start + len(term.field)
        raise QueryError(f"{term.field} is no text: use : < >", place, place + 1, ":")
    try:
        test = _MAKERS[kind](name, term, reader)
    except KeyError:
        raise QueryError(
            f"nothing is known of {name} here", term.start, term.start + len(term.field)
        ) from None
    return _opposite(test) if term.op == "!=" else test


def _field(term: Term) -> str:
    name = NAMES.get(term.field.lower())
    if name is not None:
        return name
    near = nearest(term.field.lower(), NAMES)
    hint = f"; did you mean {near}?" if near else f"; there are {', '.join(FIELDS)}"
    end = term.start + len(term.field)
    raise QueryError(f"no field {term.field}{hint}", term.start, end, near)


def _wrong_value(term: Term, reason: str, replacement: str | None = None) -> QueryError:
    return QueryError(reason, term.value_start, term.end, replacement)


def _text(name: str, term: Term, reader: JobReader[R]) -> Test[R]:
    read = reader.text(name)
    literal = term.quoted or term.op == "~"
    if not literal:
        try:
            check_set(name, term.value)
        except ValueError as exc:
            raise _wrong_value(term, str(exc)) from None
    found = _host(term.value) if name == "node" and not literal else _pattern(term)
    among = in_set(name, term.value, found) if term.op != "~" and not term.quoted else None
    known: dict[str, bool] = {}

    def test(job: R) -> bool:
        text = read(job)
        hit = known.get(text)
        if hit is None:
            if len(known) > 10_000:
                known.clear()
            hit = found(text) is not None or (among is not None and among(text))
            known[text] = hit
        return hit

    return test


def _pattern(term: Term) -> Callable[[str], object]:
    """Return a search for wildcards with commas between, or for a regular expression."""
    if term.op == "~":
        try:
            return re.compile(term.value, re.IGNORECASE).search
        except re.error as exc:
            start = term.value_start + int(term.quoted) + (exc.pos or 0)
            raise QueryError(f"no regular expression: {exc.msg}", start, start + 1) from None
    return _wild([term.value] if term.quoted else term.value.split(","))


def _wild(parts: list[str]) -> Callable[[str], object]:
    return re.compile("|".join(translate(part) for part in parts), re.IGNORECASE).match


def _host(value: str) -> Callable[[str], object]:
    """Return a search for the hosts of a list: words with wildcards, and ranges in brackets."""
    words, hosts = hosts_of(value)
    if not hosts:
        return _wild(words)
    named = _wild(words) if words else None
    return lambda text: True if text in hosts else named and named(text)


def _state(_: str, term: Term, reader: JobReader[R]) -> Test[R]:
    wanted, place = [], term.value_start
    for word in term.value.split(","):
        if word:
            wanted.append(STATE_WORDS[_state_word(word, place)])
        place += len(word) + 1
    return reader.statuses(tuple(wanted))


def _state_word(word: str, place: int) -> str:
    low = word.lower()
    if low in STATE_WORDS:
        return low
    starting = [known for known in STATE_WORDS if known.startswith(low)]
    if starting:
        return starting[0]
    near = nearest(low, STATE_WORDS)
    names = ", ".join(known for known in STATE_WORDS if len(known) > 2)
    hint = f"; did you mean {near}?" if near else f"; there are {names}"
    raise QueryError(f"no state {word}{hint}", place, place + len(word), near)


def _jobid(_: str, term: Term, reader: JobReader[R]) -> Test[R]:
    read = reader.jobid()
    wanted: set[int] = set()
    prefixes: tuple[str, ...] = ()
    place = term.value_start
    for word in term.value.split(","):
        if _F58(word):
            prefixes += (word[1:],)
        try:
            if word:
                wanted.add(id_parse(word))
        except ValueError:
            if not _F58(word):
                raise QueryError(f"{word} is no job id", place, place + len(word)) from None
        place += len(word) + 1
    return lambda job: (
        read(job) in wanted or (bool(prefixes) and f58_digits(read(job)).startswith(prefixes))
    )


def parsed_id(text: str) -> int | None:
    """Return the id written as F58, decimal or 0x hexadecimal, None if it is not an id."""
    if "." in text or "-" in text:
        return None
    try:
        return id_parse(text)
    except ValueError:
        return None


def _number(name: str, term: Term, reader: JobReader[R]) -> Test[R]:
    read = reader.number(name)
    if term.op in (":", "="):
        return _among(read, [_span(name, part, term) for part in term.value.split(",") if part])
    value = _value(name, term.value, term)
    if term.op == "!=":
        return lambda job: read(job) == value
    if term.op == "<":
        return lambda job: read(job) < value
    if term.op == "<=":
        return lambda job: read(job) <= value
    if term.op == ">":
        return lambda job: read(job) > value
    return lambda job: read(job) >= value


def _span(name: str, text: str, term: Term) -> tuple[float, float]:
    """Return the least and the greatest number of ``4`` or ``2..5``."""
    least, dots, most = text.partition("..")
    if not dots:
        value = _value(name, text, term)
        return value, value
    low = _value(name, least, term) if least else 0.0
    return low, _value(name, most, term) if most else float("inf")


def _among(read: Callable[[R], float], spans: list[tuple[float, float]]) -> Test[R]:
    if len(spans) == 1:
        low, high = spans[0]
        return lambda job: low <= read(job) <= high
    return lambda job: any(low <= read(job) <= high for low, high in spans)


def _value(name: str, text: str, term: Term) -> float:
    duration = FIELDS[name].kind == DURATION
    try:
        return parse_fsd(text) if duration else float(text)
    except ValueError:
        what = "a duration: write 30s, 5m, 1.5h or 2d" if duration else "a number"
        raise _wrong_value(term, f"{text} is not {what}") from None


def letters_search(word: str) -> Callable[[str], object]:
    """Return what finds the letters of ``word`` in a text, one after the other; capitals in
    ``word`` make case count.
    """
    flags = re.IGNORECASE if word == word.lower() else 0
    return re.compile(".*?".join(map(re.escape, word)), flags).search


def may_be_id(word: str) -> bool:
    """Whether a word without a field may be meant as a job id, or as how one begins."""
    return word[:1] == _PREFIXES[0] or _whole_id(word) is not None


def _whole_id(word: str) -> int | None:
    return parsed_id(word) if len(word) > 4 else None


def _fuzzy(word: str, reader: JobReader[R]) -> Test[R]:
    """Match the letters of ``word`` in order in the name or the user; capitals in ``word`` make
    case count. Ids match by their beginning.
    """
    search = letters_search(word)
    jobid = _whole_id(word)
    prefix = word[1:] if word[:1] == _PREFIXES[0] else None
    name, user, read_id = reader.text("name"), reader.text("user"), reader.jobid()
    seen: dict[str, bool] = {}

    def known(text: str) -> bool:
        hit = seen.get(text)
        if hit is None:
            if len(seen) > 10_000:
                seen.clear()
            hit = seen[text] = search(text) is not None
        return hit

    def test(job: R) -> bool:
        if known(name(job)) or known(user(job)):
            return True
        if jobid is None and prefix is None:
            return False
        this = read_id(job)
        return this == jobid or (prefix is not None and f58_digits(this).startswith(prefix))

    return test


_MAKERS: Final = {
    TEXT: _text,
    STATE: _state,
    ID: _jobid,
    DURATION: _number,
    "number": _number,
}
