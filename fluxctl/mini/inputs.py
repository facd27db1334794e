"""Inputs of ``flux mini bulksubmit``: ``:::``, ``:::+``, ``::::``, ``::::+`` and stdin, read as
they are needed.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from dataclasses import dataclass, field
from itertools import cycle, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_CHUNK = 1 << 16

Token = str | None
"""One input, or None: nothing can be read just now, ask again when the file descriptor is readable.
"""


class Splitter:
    """Cuts text that arrives in pieces into inputs.

    ``separator`` is a string, ``none`` for runs of white space, or None for the ends of lines.
    """

    def __init__(self, separator: str | None = None) -> None:
        self._white = separator == "none"
        self._separator = "\n" if separator is None else separator
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Return the inputs that `text` completes."""
        text = self._rest + text
        if not self._white:
            *whole, self._rest = text.split(self._separator)
            return whole
        words = text.split()
        self._rest = ""
        if words and not text[-1].isspace():
            self._rest = words.pop()
        return words

    def finish(self) -> list[str]:
        """Return the last input, which nothing terminates."""
        rest, self._rest = self._rest, ""
        if self._separator != "\n" and not self._white:
            rest = rest.removesuffix("\n")
        return [rest] if rest else []


def read_tokens(fd: int, separator: str | None = None, may_wait: bool = False) -> Iterator[Token]:
    """Yield the inputs of a file descriptor.

    ``separator`` is that of ``Splitter``. With ``may_wait`` None is yielded instead of blocking
    when a pipe, socket or terminal has nothing to read yet.
    """
    from codecs import getincrementaldecoder

    decoder = getincrementaldecoder("utf-8")(errors="surrogateescape")
    splitter = Splitter(separator)
    may_wait = may_wait and not stat.S_ISREG(os.fstat(fd).st_mode)
    while True:
        while may_wait and not select.select([fd], [], [], 0)[0]:
            yield None
        data = os.read(fd, _CHUNK)
        yield from splitter.feed(decoder.decode(data, final=not data))
        if not data:
            yield from splitter.finish()
            return


@dataclass(slots=True)
class Source:
    """One list of inputs: words of the command line, or files."""

    words: list[str] = field(default_factory=list)
    from_files: bool = False
    linked: bool = False


_DELIMITERS = {
    ":::": (False, False),
    ":::+": (False, True),
    "::::": (True, False),
    "::::+": (True, True),
}


def split_command(words: Sequence[str]) -> tuple[list[str], list[Source]]:
    """Split the words after the options into the command template and the sources of inputs.

    Without any source the inputs come from stdin; without a command each input is a command.
    """
    command: list[str] = []
    sources: list[Source] = []
    target = command
    for word in words:
        if word in _DELIMITERS:
            from_files, linked = _DELIMITERS[word]
            sources.append(Source([], from_files, linked and bool(sources)))
            target = sources[-1].words
        else:
            target.append(word)
    return command or ["{}"], sources or [Source(["-"], True)]


def told_sources(sources: list[Source]) -> list[Source]:
    """Return sources without those that were given no words, which tell nothing in today's
    spelling; all of them if there is no other.
    """
    return [source for source in sources if source.words] or sources


class InputReader:
    """Makes the tuples of inputs, one per job, out of the sources.

    There is at least one source. ``separator`` is that of inputs in files, ``on_terminal`` is
    called before inputs are read from a terminal, and with ``blocking`` inputs are waited for
    instead of yielding None. ``skip_empty`` leaves out the empty inputs of files.

    Raises OSError if a file of inputs cannot be opened.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        separator: str | None = None,
        on_terminal: Callable[[], None] = lambda: None,
        blocking: bool = False,
        *,
        skip_empty: bool = False,
    ) -> None:
        self._skip_empty = skip_empty
        self._blocking = blocking
        self._separator = separator
        self._on_terminal = on_terminal
        for path in (path for source in sources if source.from_files for path in source.words):
            if path != "-":
                # A missing file is an error before the first job is submitted.
                os.close(os.open(path, os.O_RDONLY))
        self._groups: list[list[Source]] = []
        for source in sources:
            if source.linked:
                self._groups[-1].append(source)
            else:
                self._groups.append([source])

    def _tokens(self, source: Source, may_wait: bool) -> Iterator[Token]:
        if not source.from_files:
            yield from source.words
        elif self._skip_empty:
            yield from (token for token in self._read(source, may_wait) if token != "")
        else:
            yield from self._read(source, may_wait)

    def _read(self, source: Source, may_wait: bool) -> Iterator[Token]:
        for path in source.words:
            if path == "-":
                if sys.stdin.isatty():
                    self._on_terminal()
                yield from read_tokens(sys.stdin.fileno(), self._separator, may_wait)
                continue
            fd = os.open(path, os.O_RDONLY)
            try:
                yield from read_tokens(fd, self._separator, may_wait=False)
            finally:
                os.close(fd)

    def _all(self, source: Source) -> list[str]:
        return [token for token in self._tokens(source, may_wait=False) if token is not None]

    def _group(self, sources: Sequence[Source], may_wait: bool) -> Iterator[tuple[str, ...] | None]:
        """Yield the tuples of a source and those linked to it, which start over when they are
        shorter.
        """
        links = [cycle(self._all(source) or [""]) for source in sources[1:]]
        for token in self._tokens(sources[0], may_wait):
            yield None if token is None else (token, *map(next, links))

    def __iter__(self) -> Iterator[tuple[str, ...] | None]:
        """Yield the inputs of one job after the other; None when stdin has none to read yet."""
        inner = [list(self._group(group, may_wait=False)) for group in self._groups[1:]]
        for first in self._group(self._groups[0], may_wait=not self._blocking):
            if first is None:
                yield None
                continue
            for rest in product(*inner):
                yield first + tuple(word for part in rest if part is not None for word in part)

    @property
    def reads_stdin(self) -> bool:
        """Whether the first source, which is read as jobs are submitted, is stdin."""
        first = self._groups[0][0]
        return first.from_files and "-" in first.words


def count_known(sources: Iterable[Source]) -> int | None:
    """Return how many jobs the sources make, None if files have to be read to know."""
    total = 1
    for source in sources:
        if source.from_files:
            return None
        if not source.linked:
            total *= len(source.words)
    return total
