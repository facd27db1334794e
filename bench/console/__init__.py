"""The dashboard: its table with 100,000 jobs, and ``flux top`` on a terminal.

``python -m bench.console.table`` and ``python -m bench.console.terminal`` measure one of them; the
latter with ``--soak MINUTES`` runs the dashboard over a busy instance and shows what it takes each
minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.measure import Figure


def figures() -> list[Figure]:
    """Everything but the soak."""
    from bench.console import table, terminal

    return [*table.figures(), *terminal.figures()]
