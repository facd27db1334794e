"""What the palette (Ctrl+P) offers: views, every action of the screen below, saved views, own
commands, themes, and the commands that are typed after ``:``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from rich.cells import cell_len
from textual.command import DiscoveryHit, Hit, Provider
from textual.content import Content

from tui.model import format as fmt
from tui.model.commands import VERBS
from tui.views import VIEWS
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.binding import Binding
    from textual.command import Hits
    from textual.dom import DOMNode

    from tui.model.settings import TopSettings
    from tui.model.themes import ColourTheme


ROOM: Final = 52
"""Cells for names, beside which what there is to say of them begins."""


_LEFT_OUT: Final = (
    *("move(", "page(", "go(", "shift(", "palette", "command_line", "show_view"),
    # The first offer is what Enter takes at once, and to leave is not what one came for.
    *("quit", "leave", "own_command"),
)


class PaletteLine(NamedTuple):
    """One line of the palette: what it is called, what it does, what to call then."""

    name: str
    about: str
    act: Callable[[], object]


class Commanded(Protocol):
    """What the palette knows of the application."""

    settings: TopSettings
    colour_themes: dict[str, ColourTheme]

    def run_line(self, line: str) -> None:
        """Do what a line says."""

    def action_command_line(self, text: str = "") -> None:
        """Type a command that begins so."""

    def action_own_command(self, name: str) -> None:
        """Run one of the user's own commands."""

    def wear(self, name: str) -> None:
        """Change the theme."""

    def get_key_display(self, binding: Binding) -> str:
        """Return a key as people read it."""

    async def run_action(self, action: str, default_namespace: DOMNode | None = None) -> bool:
        """Do what an action says."""

    def call_later(self, callback: Callable[[], object]) -> bool:
        """Call something once all that waits is done."""


class DashboardCommands(Provider):
    """All that can be done from where the palette was opened."""

    @property
    def top(self) -> Commanded:
        """The application."""
        return cast("Commanded", self.app)

    async def discover(self) -> Hits:
        """Offer everything."""
        for offer in self.offers():
            yield DiscoveryHit(_line(Content(offer.name), offer), offer.act, text=offer.name)

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for offer in self.offers():
            score = matcher.match(offer.name)
            shown = matcher.highlight(offer.name)
            if score <= 0:
                score, shown = matcher.match(offer.about) / 2, Content(offer.name)
            if score > 0:
                yield Hit(score, _line(shown, offer), offer.act, text=offer.name)

    def offers(self) -> list[PaletteLine]:
        """Return all of it: actions of the screen first."""
        return [*self._actions(), *self._views(), *self._own(), *self._commands(), *self._themes()]

    def _actions(self) -> Iterator[PaletteLine]:
        """Return the actions that have a key here; moving about is not among them."""
        seen = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            meaning = binding.tooltip or binding.description
            if not (active.enabled and binding.id and meaning) or binding.action in seen:
                continue
            if binding.action.startswith(_LEFT_OUT):
                continue
            seen.add(binding.action)
            key = self.top.get_key_display(binding)
            # For the screen below: the palette is closed by then.
            act = partial(self.top.run_action, binding.action, active.node)
            yield PaletteLine(fmt.printable(meaning), key, partial(_later, self.top, act))

    def _views(self) -> Iterator[PaletteLine]:
        for view in VIEWS:
            about = f"{view.key.upper()}  :{view.name}"
            yield PaletteLine(view.summary, about, partial(self.top.run_line, view.name))
        for name in self.top.settings.views:
            yield PaletteLine(
                f"View {name}", f":view {name}", partial(self.top.run_line, f"view {name}")
            )

    def _own(self) -> Iterator[PaletteLine]:
        for name, own in self.top.settings.commands.items():
            about = fmt.printable(own.description or own.command)
            yield PaletteLine(f"Run {name}", about, partial(self.top.action_own_command, name))

    def _commands(self) -> Iterator[PaletteLine]:
        for verb in VERBS.values():
            shown = f":{verb.name} {verb.argument}".strip()
            act: Callable[[], object] = partial(self.top.run_line, verb.name)
            if verb.argument:
                act = partial(self.top.action_command_line, f"{verb.name} ")
            yield PaletteLine(verb.summary, shown, act)

    def _themes(self) -> Iterator[PaletteLine]:
        for name in self.top.colour_themes:
            yield PaletteLine(f"Theme {name}", f":theme {name}", partial(self.top.wear, name))


def _line(name: Content, offer: PaletteLine) -> Content:
    """Return a name with what there is to say of it at the right."""
    gap = " " * max(2, ROOM - cell_len(offer.name))
    return Content.assemble(name, gap, (offer.about, palette.DIM))


def _later(app: Commanded, act: Callable[[], object]) -> None:
    """Do something once the palette has gone."""
    app.call_later(act)
