"""What all that is asked or listed above a screen has in common."""

from __future__ import annotations

from typing import Final

from textual.screen import ModalScreen, ScreenResultType

from tui.screens.sparing import Sparing

ROOMY: Final = 16
"""Lines of a terminal from which on a dialog has room for lines that are empty."""
WIDE: Final = 48
"""Columns from which on its buttons have room about their words."""


class Dialog(Sparing, ModalScreen[ScreenResultType]):
    """Stands above another screen. Where there are few lines or columns it goes without those that
    are empty (``-short`` and ``-narrow`` in the style sheet); what has the focus is scrolled to.
    """

    # Not ClassVar: they override what Textual declares as variables of instances.
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-short"),
        (ROOMY, "-roomy"),
    ]

    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-narrow"),
        (WIDE, "-wide"),
    ]

    def on_resize(self) -> None:
        """Keep what has the focus in sight."""
        self.call_after_refresh(self.show_focus)

    def show_focus(self) -> None:
        """Scroll to what has the focus, if it is out of sight."""
        if self.focused is not None:
            self.focused.scroll_visible(animate=False)
