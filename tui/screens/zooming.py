"""Choosing the span of the charts: ``+`` for less and finer, ``-`` for more."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.model.trends import SPANS
from tui.screens.live import LiveScreen


class ZoomingScreen(LiveScreen):
    """A screen with charts. All screens of an instance show the same span."""

    ZOOM_BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "plus,equals_sign",
            "zoom(-1)",
            "Zoom in",
            tooltip="Charts show a shorter time",
            key_display="+",
            show=False,
            id="zoom.in",
        ),
        Binding(
            "minus",
            "zoom(1)",
            "Zoom out",
            tooltip="Charts show a longer time",
            key_display="-",
            show=False,
            id="zoom.out",
        ),
    ]

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
