"""The part of the application that wears a theme."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from textual.app import App
from textual.widget import Widget

from tui.model.themes import ANSI, BUILT_IN, DARK
from tui.widgets.recolour import Recolour, textual_theme

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.filter import LineFilter
    from textual.screen import Screen

    from tui.model.themes import ColourTheme


class ThemedApp(App[None]):
    """An application whose themes give colours to roles, and can be changed while it runs."""

    def __init__(self) -> None:
        self.colour_themes: dict[str, ColourTheme] = dict(BUILT_IN)
        self._recolour = Recolour(DARK, "truecolor")
        self._colour_system: str | None = "truecolor"
        self._css_variables: dict[str, str] = {}
        self._outdated: WeakSet[Screen[object]] = WeakSet()
        super().__init__()

    def suit(self, colour_system: str | None) -> None:
        """Use the colours that a terminal has: ``colour_system`` is what Rich calls it. To be
        called before anything is drawn.
        """
        self._colour_system = colour_system

    @property
    def fitting_theme(self) -> str:
        """The theme for those who have named none."""
        return ANSI.name if self._colour_system == "standard" else DARK.name

    def add_themes(self, themes: Iterable[ColourTheme]) -> None:
        """Have these themes beside the built-in ones, and no others that were added before."""
        self.colour_themes = {**BUILT_IN, **{theme.name: theme for theme in themes}}

    def wear(self, name: str) -> None:
        """Show everything in the colours of that theme from now on; raises KeyError if there is
        none of that name.
        """
        theme = self.colour_themes[name]
        self._recolour = Recolour(theme, self._colour_system)
        self.register_theme(textual_theme(theme, self._colour_system))
        if self.theme == name:  # its colours are others than before
            self.mutate_reactive(ThemedApp.theme)
        else:
            self.theme = name
        for stack in self._screen_stacks.values():  # other tabs as well
            for screen in stack:
                screen.refresh(layout=True)
                for widget in screen.walk_children(Widget):
                    widget.refresh()

    def refresh_css(self, animate: bool = True) -> None:
        """Read the style sheets anew if their colours are others than before, which takes half a
        tenth of a second. Textual asks for it for each tab that is opened or shown, and three times
        before the first picture.
        """
        variables = self.get_css_variables()
        screens = [screen for stack in self._screen_stacks.values() for screen in stack]
        if variables != self._css_variables:
            self._css_variables = variables
            self._outdated.update(screens)
        if self._outdated.isdisjoint(self.screen_stack):
            return
        super().refresh_css(animate)
        self._outdated.difference_update(self.screen_stack)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what lines pass before they are shown: ours is first."""
        others = super().get_line_filters()
        return [self._recolour, *others] if self._recolour.enabled else others

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the colours of the style sheet for themes that do not have them."""
        return textual_theme(DARK, "truecolor").variables
