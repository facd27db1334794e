"""Where each key of a TOML document stands: parsers do not tell.

The text has been accepted by the parser, so what is here follows the structure only and checks
nothing. It runs when there is a mistake to report, never on the way of a good file.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and places in arrays, counted from 0."""

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK: Final = re.compile(r"[ \t]*")
_KEY: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*'""")
_STRING: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")|' + r"'''.*?'''(?!')|" + r'"(?:\\.|[^"\\])*"|' + r"'[^']*'",
    re.DOTALL,
)
_SCALAR: Final = re.compile(r"[^,\]}#\r\n]*")


def key_lines(text: str) -> dict[Path, int]:
    """Return the number, from 1, of the line in which each key, table and element begins."""
    return _Scanner(text).document()


class _Scanner:
    """Reads a document once from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        self._line = 1
        self._counted = 0

    def document(self) -> dict[Path, int]:
        prefix: Path = ()
        self._skip(_SPACE)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                prefix = self._header()
            else:
                self._assignment(prefix)
            self._skip(_SPACE)
        return self._lines

    def _skip(self, pattern: re.Pattern[str]) -> str:
        """Move behind what ``pattern`` matches here and return it; always by one character."""
        match = pattern.match(self._text, self._at)
        end = match.end() if match else self._at
        if end == self._at and pattern not in (_SPACE, _BLANK):
            end += 1
        found = self._text[self._at : end]
        self._at = end
        return found

    def _note(self, path: Path) -> None:
        if path not in self._lines:
            self._line += self._text.count("\n", self._counted, self._at)
            self._counted = self._at
            self._lines[path] = self._line

    def _header(self) -> Path:
        double = self._text.startswith("[[", self._at)
        begin = self._at
        self._at += 2 if double else 1
        names = self._names()
        behind, self._at = self._at, begin
        path: Path = ()
        for index, name in enumerate(names):
            path += (name,)
            last = index == len(names) - 1
            if last and double:
                self._note(path)
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path += (self._counts[path] - 1,)
            self._note(path)
        self._at = behind + (2 if double else 1)
        return path

    def _names(self) -> list[str]:
        """Read a dotted key up to what follows it."""
        names = []
        while self._at < len(self._text):
            self._skip(_BLANK)
            names.append(_name(self._skip(_KEY)))
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                break
            self._at += 1
        return names

    def _assignment(self, prefix: Path) -> None:
        begin = self._at
        names = self._names()
        behind, self._at = self._at, begin
        path = prefix
        for name in names:
            path += (name,)
            self._note(path)
        self._at = behind + 1  # the sign of equality
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        first = self._text[self._at : self._at + 1]
        if first == "[":
            self._elements(path)
        elif first == "{":
            self._members(path)
        elif first in ('"', "'"):
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _elements(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._more("]"):
            self._note((*path, index))
            self._value((*path, index))
            index += 1

    def _members(self, path: Path) -> None:
        self._at += 1
        while self._more("}"):
            self._assignment(path)

    def _more(self, end: str) -> bool:
        """Whether another element follows in an array or inline table, which then begins here."""
        self._skip(_SPACE)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_SPACE)
        if self._at < len(self._text) and not self._text.startswith(end, self._at):
            return True
        self._at += 1
        return False


def _name(text: str) -> str:
    """Return the key that is written as ``text``."""
    if not text.startswith(('"', "'")):
        return text
    import tomli

    value = tomli.loads(f"key = {text}")["key"]
    return str(value)
