"""A pane whose lines are replaced as a whole, again and again, and which stays where it was
scrolled to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.logs import Line


class SteadyLog(LogView):
    """Lines of which only the newest state is of interest: statistics, a value."""

    def on_mount(self) -> None:
        """Begin at the top."""
        self.following = False

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines instead, at the same place."""
        if list(lines) == self.content:
            return
        y = self.scroll_offset.y
        self.following = False
        self.replace(lines)
        self.scroll_to(y=y, animate=False, force=True, immediate=True)

    def _retitle(self) -> None:
        """Say what the lines are, and what there is to remark; their number tells nothing."""
        self._entitle(self.remark)
