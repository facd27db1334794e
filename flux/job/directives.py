"""Options that stand in a batch script (RFC 36): lines that begin with ``flux:`` or ``FLUX:``,
behind a comment sign or another prefix of no letters.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE: Final = re.compile(r"(([^\w\n]*)(?:flux|FLUX):)(.*)")
_TRIPLE: Final = re.compile("(\"\"\"|''')(.*?)\\1")
_OPEN: Final = re.compile("(\"\"\"|''')\\s*$")


SETARGS: Final = "SETARGS"
NOOP: Final = "NOOP"


class Directive:
    """One directive: ``args``, the words of its text ``value`` as a shell would split them, and
    ``lineno``, the number of its line, from 1.

    ``action`` is ``SETARGS``, which is all that there is, or ``NOOP`` for one without words. Raises
    ValueError, which names the line, for quotes without an end, or words that are no options.
    """

    __slots__ = ("action", "args", "lineno")

    def __init__(self, value: str, lineno: int = -1) -> None:
        self.lineno = lineno
        try:
            self.args = shlex.split(value, comments=True)
        except ValueError as error:
            raise ValueError(f"line {lineno}: {value.strip()}: {error}") from error
        self.action = SETARGS if self.args else NOOP

    def __str__(self) -> str:
        return f"{self.action}({self.args})" if self.args else self.action


class DirectiveParser:
    """The directives of a batch script that a file holds: ``directives``, those with words, and
    ``script``, the whole text.

    Raises ValueError, which names the line, for one that is malformed or no list of options, see
    `parse_directives`.
    """

    def __init__(self, inputfile: IO[str]) -> None:
        self.script = inputfile.read()
        self.directives = parse_directives(self.script)
        for directive in self.directives:
            if not directive.args[0].startswith("-"):
                text = " ".join(directive.args)
                raise ValueError(f"line {directive.lineno}: Unknown directive: {text}")


def parse_directives(script: str, name: str = "") -> list[Directive]:
    """Return the directives of a script that have words; ``name`` is what errors call it.

    Raises ValueError, which names the line, for one behind the end of the directives, which is
    the first line with another prefix, for another prefix or tag, and for quotes without an end.
    """
    found: list[Directive] = []
    lines = _Lines(script, name)
    for number, text in lines:
        start, whole = number, _TRIPLE.sub(lambda match: shlex.quote(match[2]), text)
        if (opened := _OPEN.search(whole)) is not None:
            whole = whole[: opened.start()] + shlex.quote(_literal(lines, number, opened[1]))
        try:
            directive = Directive(whole, start)
        except ValueError as error:
            raise lines.error(start, f"{text.strip()}: {error.__cause__ or error}") from None
        if directive.args:
            found.append(directive)
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

    def error(self, line: int, text: str) -> ValueError:
        """Return the error of a line."""
        where = f"{self._name}: " if self._name else ""
        return ValueError(f"{where}line {line}: {text}")

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
