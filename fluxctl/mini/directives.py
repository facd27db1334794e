"""Options that stand in a batch script (RFC 36): lines that begin with ``flux:`` or ``FLUX:``,
behind a comment sign or another prefix of no letters.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fluxctl.mini.options import failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluxctl.errors import CommandError

_DIRECTIVE: Final = re.compile(r"(([^\w\n]*)(?:flux|FLUX):)(.*)")
_TRIPLE: Final = re.compile("(\"\"\"|''')(.*?)\\1")
_OPEN: Final = re.compile("(\"\"\"|''')\\s*$")


@dataclass(frozen=True, slots=True)
class Directive:
    """The words of a directive, and the number of its line, from 1."""

    line: int
    words: list[str]


def parse_directives(script: str, name: str) -> list[Directive]:
    """Return the directives of a script; ``name`` is what errors call it.

    Raises CommandError, which names the line, for one behind the end of the directives, which is
    the first line with another prefix, for another prefix or tag, and for quotes without an end.
    """
    found: list[Directive] = []
    lines = _Lines(script, name)
    for number, text in lines:
        start, whole = number, _TRIPLE.sub(lambda match: shlex.quote(match[2]), text)
        if (opened := _OPEN.search(whole)) is not None:
            whole = whole[: opened.start()] + shlex.quote(_literal(lines, number, opened[1]))
        try:
            words = shlex.split(whole, comments=True)
        except ValueError as error:
            raise lines.error(start, f"{text.strip()}: {error}") from None
        if words:
            found.append(Directive(start, words))
    return found


def _literal(lines: _Lines, start: int, quote: str) -> str:
    """Return the lines up to the one that ends with the closing quotes."""
    inner: list[str] = []
    for _, text in lines:
        if not text.rstrip().endswith(quote):
            inner.append(text)
            continue
        last = text.rstrip().removesuffix(quote)
        literal = "".join(f"{line}\n" for line in inner) + (last if last.strip() else "")
        return textwrap.dedent(literal)
    raise lines.error(start, f"{quote} without an end")


class _Lines:
    """Iterates over the directives of a script: number and text behind the colon of each."""

    def __init__(self, script: str, name: str) -> None:
        self._name = name
        self._left = iter(enumerate(script.splitlines(), 1))
        self._sentinel = self._prefix = ""
        self._ended = 0

    def error(self, line: int, text: str) -> CommandError:
        """Return the error of a line."""
        return failure(f"{self._name}: line {line}: {text}")

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        for number, line in self._left:
            match = _DIRECTIVE.match(line)
            if match is not None:
                return number, self._checked(number, match)
            other = bool(line.strip()) and not line.startswith(self._prefix)
            if self._sentinel and not self._ended and other:
                self._ended = number
        raise StopIteration

    def _checked(self, number: int, match: re.Match[str]) -> str:
        sentinel, prefix, text = match.groups()
        if self._ended:
            told = f"orphan '{sentinel.strip()}': directives ended before line {self._ended}"
            raise self.error(number, told)
        if not self._sentinel:
            self._sentinel, self._prefix = sentinel, prefix
        if sentinel != self._sentinel:
            raise self.error(number, f"sentinel changed from '{self._sentinel}' to '{sentinel}'")
        return str(text)
