"""Which part of a line is what: for its colours. No colour is chosen here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tui.model.logs import Line

Span = tuple[int, int, str]
"""First character, the one after the last, and the role: ``key``, ``number``, ``word``, ``name`` or
``mark``.
"""
_KEY: Final = re.compile(r"(?<![^ .])[\w.-]+=")
_PAIR: Final = re.compile(r"^ *(?:- )*([^:]+:)(?: (.*))?$")
_JSON: Final = re.compile(r'"(?:[^"\\]|\\.)*"(?=:)|-?\d+(?:\.\d+)?\b|\b(?:true|false|null)\b')
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\Z")
_WORDS: Final = frozenset({"true", "false", "null"})
_LONGEST: Final = 4000
"""Characters that are looked at: a line of a megabyte is drawn in one colour."""

ERROR: Final = re.compile(
    r"\b(?:error|errors|fail|failed|failure|fatal|exception|traceback|panic|segfault|abort(?:ed)?"
    r"|killed|cannot|denied)\b",
    re.IGNORECASE,
)
_ERROR_KINDS: Final = frozenset({"stderr", "exception", "emerg", "alert", "crit", "err"})


def is_error(line: Line) -> bool:
    """Tell whether a line tells of something that went wrong: by what it is, or by its words."""
    return line.kind in _ERROR_KINDS or ERROR.search(line.text[:_LONGEST]) is not None


_STEMS: Final = (
    *("err", "fail", "fatal", "except", "trace", "panic", "segf", "abort", "kill", "cannot"),
    "denied",
)
"""Without any of these in it, in small letters, no text has one of the words of `ERROR`."""


def may_have_error(lines: Sequence[Line]) -> bool:
    """Tell whether any of many lines may tell of something wrong, much sooner than one by one."""
    if not _ERROR_KINDS.isdisjoint({line.kind for line in lines}):
        return True
    text = "\n".join([line.text for line in lines]).lower()
    return any(stem in text for stem in _STEMS)


def spans(line: Line) -> Iterator[Span]:
    """Return the parts of a line's text that have a role of their own, in order."""
    if len(line.text) > _LONGEST:
        return
    if line.kind in ("event", "exec"):
        yield from _event(line.text)
    elif line.kind in ("pair", "setting"):
        yield from _pair(line.text, line.kind)
    elif line.kind == "json":
        for found in _JSON.finditer(line.text):
            role = "key" if found[0].startswith('"') else _role(found[0])
            yield found.start(), found.end(), role


def _event(text: str) -> Iterator[Span]:
    if text.startswith("{"):
        return
    name = text.find(" ")
    if name < 0:
        yield 0, len(text), "name"
        return
    yield 0, name, "name"
    for found in _KEY.finditer(text, name):
        yield found.start(), found.end(), "key"


def _pair(text: str, kind: str) -> Iterator[Span]:
    if kind == "setting":
        yield 0, text.find("=") + 1, "key"
        return
    found = _PAIR.match(text)
    if found is None:
        return
    yield found.start(1), found.end(1), "key"
    role = _role(found[2] or "")
    if role:
        yield found.start(2), found.end(2), role


def _role(text: str) -> str:
    if text in _WORDS:
        return "word"
    return "number" if _NUMBER.match(text) else ""
