"""How keys of the key-value store look in their list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.model import format as fmt
from tui.model.kvs import DIRECTORY, LINK, KvsRow
from tui.widgets import palette
from tui.widgets.listing import Painter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.dashboard import Dashboard
    from tui.widgets.cells import Piece
    from tui.widgets.palette import Glyphs


class KvsPainter(Painter[KvsRow]):
    """Keys in the list."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs) -> None:
        self.dashboard = dashboard
        self.glyphs = glyphs

    def quiet(self, row: KvsRow) -> bool:
        """What was read before the connection was lost is dim."""
        return self.dashboard.stale

    def colour(self, row: KvsRow, column: str) -> str:
        """Return the colour of a cell's text."""
        if column == "key":
            return palette.BRIGHT if row.kind == DIRECTORY else palette.TEXT
        return palette.DIM

    def pieces(self, row: KvsRow, column: str, width: int) -> Sequence[Piece] | None:
        """Draw a key below its directory."""
        if column != "key":
            return None
        sign = " "
        if row.kind == DIRECTORY:
            sign = self.glyphs.opened if row.opened else self.glyphs.closed
        name = fmt.printable(row.name)
        pieces = [
            (f"{'  ' * row.depth}{sign} ", palette.ACCENT),
            (name, self.colour(row, column)),
        ]
        if row.kind == LINK:
            pieces.append((f" -> {fmt.printable(row.target)}", palette.DIM))
        return pieces
