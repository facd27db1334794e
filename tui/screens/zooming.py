"""Choosing the span of the charts: ``+`` for less and finer, ``-`` for more."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.model.trends import SPANS
from tui.screens.live import LiveScreen


def _zoom_bindings(show: bool) -> list[BindingType]:
    """Return the keys; they are the same on every screen, shown where charts are what it is for."""
    facts = (
        ("plus,equals_sign", -1, "Zoom in", "Charts show a shorter time", "+", "zoom.in"),
        ("minus", 1, "Zoom out", "Charts show a longer time", "-", "zoom.out"),
    )
    return [
        Binding(key, f"zoom({step})", word, tooltip=tooltip, key_display=shown, show=show, id=name)
        for key, step, word, tooltip, shown, name in facts
    ]


class ZoomingScreen(LiveScreen):
    """A screen with charts. All screens of an instance show the same span."""

    ZOOM_BINDINGS: ClassVar[list[BindingType]] = _zoom_bindings(False)
    SHOWN_ZOOM_BINDINGS: ClassVar[list[BindingType]] = _zoom_bindings(True)

    def action_zoom(self, step: int) -> None:
        """Show the next shorter or longer span."""
        zoom = self.dashboard.zoom + step
        if 0 <= zoom < len(SPANS):
            self.dashboard.zoom = zoom
            self.live_update()
        else:
            self.notify(
                "charts show no more than all there is"
                if step > 0
                else f"charts show no less than {SPANS[0][0]}",
                timeout=3,
            )
