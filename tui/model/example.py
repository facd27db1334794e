"""Which job of a set is shown for all of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tui.model import format as fmt
from tui.model.states import STATUS, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.table import JobTable

_FIRST: Final = (Status.FAILED, Status.TIMEOUT, Status.RUN)
"""What is worth a look before all else."""


def example(table: JobTable, rows: Sequence[int]) -> tuple[int, str]:
    """Return the row of the job that stands for those in ``rows``, at least one: one that failed
    before one that runs, and what to say of all of them.
    """
    statuses = [table.status[row] for row in rows]
    counts = Counter(statuses)
    chosen = next((status for status in _FIRST if counts[status]), statuses[0])
    parts = [
        f"{fmt.count(counts[status])} {STATUS[status].word}" for status in Status if counts[status]
    ]
    words = f"one of {fmt.count(len(rows))} jobs: {', '.join(parts)}"
    return rows[statuses.index(chosen)], words
