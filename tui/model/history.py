"""What was typed before, to be brought back by the arrow keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MOST: Final = 500
"""Lines that are remembered."""
LONGEST: Final = 2000
"""Letters of a line that is remembered."""


class TypedLines:
    """Lines from the oldest to the newest; ``keep`` is told of each new one.

    Going back begins with what is being typed, shows older lines that begin with it, and ends with
    it again.
    """

    def __init__(
        self, lines: Iterable[str] = (), keep: Callable[[str], None] = lambda _line: None
    ) -> None:
        self._lines: list[str] = []
        for line in lines:
            self._append(line)
        self._keep = keep
        self._typed = ""
        self._at: int | None = None

    @property
    def lines(self) -> list[str]:
        """All lines."""
        return list(self._lines)

    def add(self, line: str) -> None:
        """Remember a line; the same once more is only the newest of all."""
        self._at = None
        line = line.strip()
        if line and len(line) <= LONGEST and line.isprintable() and self._append(line):
            self._keep(line)

    def _append(self, line: str) -> bool:
        if self._lines and self._lines[-1] == line:
            return False
        if line in self._lines:
            self._lines.remove(line)
        self._lines.append(line)
        del self._lines[:-MOST]
        return True

    def start(self) -> None:
        """Begin at the newest again: something else is typed."""
        self._at = None

    def older(self, typed: str) -> str | None:
        """Return the next older line than the one shown, None if there is none."""
        if self._at is None:
            self._typed, self._at = typed, len(self._lines)
        for place in range(self._at - 1, -1, -1):
            if self._fits(self._lines[place]):
                self._at = place
                return self._lines[place]
        return None

    def newer(self) -> str | None:
        """Return the next newer line, or what was typed; None if nothing older is shown."""
        if self._at is None:
            return None
        for place in range(self._at + 1, len(self._lines)):
            if self._fits(self._lines[place]):
                self._at = place
                return self._lines[place]
        self._at = None
        return self._typed

    def _fits(self, line: str) -> bool:
        return line.startswith(self._typed) and line != self._typed
