"""Which jobs ``flux pgrep`` means: a pattern of names, ranges of ids. Decisions only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flux.patterns import compiled

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

RANGE: Final = ".."
NAME: Final = "name:"


@dataclass(frozen=True, slots=True)
class JobPattern:
    """A regular expression that is looked for in names, None for any name, and ranges of ids, from
    the first to the last one, of which one has to hold the job's if there are any.
    """

    name: re.Pattern[str] | None = None
    ranges: Sequence[tuple[int, int]] = field(default=())

    def matches(self, jobid: int, name: str) -> bool:
        """Whether a job is meant."""
        if self.ranges and not any(first <= jobid <= last for first, last in self.ranges):
            return False
        return self.name is None or self.name.search(name) is not None


def parse_pattern(expressions: Sequence[str]) -> JobPattern:
    """Return what expressions mean together: ``FIRST..LAST`` is a range of ids, anything else,
    ``name:`` before it or not, a regular expression, of which there is one at most.

    Raises ValueError: for a second one, or one that is malformed.
    """
    pattern: re.Pattern[str] | None = None
    ranges = []
    for text in expressions:
        found = _range(text)
        if found is not None:
            ranges.append(found)
            continue
        if pattern is not None:
            raise ValueError("Only one pattern can be provided")
        pattern = compiled(text.removeprefix(NAME))
    return JobPattern(pattern, tuple(ranges))


def _range(text: str) -> tuple[int, int] | None:
    """Return the bounds of a range of ids, None if a text is none."""
    from flux.job.JobID import id_parse

    first, dots, last = text.partition(RANGE)
    if not (dots and first and last):
        return None
    try:
        return int(id_parse(first)), int(id_parse(last))
    except (ValueError, OSError, OverflowError):
        return None
