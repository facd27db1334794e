"""The output of a command, line by line as it comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from tui.model import format as fmt
from tui.model.logs import Line
from tui.processes import LineCommand
from tui.screens.live import LiveScreen
from tui.screens.searching import SearchingScreen
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.header import Banner
from tui.widgets.log_view import LogView
from tui.widgets.palette import LINE_COLOUR
from tui.widgets.query_bar import QueryBar
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult

MOST_LINES: Final = 500_000
"""Lines after which a command is ended: they are kept in memory."""


class OutputScreen(SearchingScreen, LiveScreen):
    """Runs ``words`` and shows what they write; leaving ends the command."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back; ends the command", id="output.back"),
        Binding(
            "I",
            "interrupt",
            "Interrupt",
            tooltip="Interrupt the command, as Ctrl+C",
            id="output.interrupt",
        ),
        Binding("R", "again", "Again", tooltip="Run the command again", id="output.again"),
        *SearchingScreen.SEARCH_BINDINGS,
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="output.help"
        ),
    ]

    def __init__(self, title: str, words: Sequence[str], env: Mapping[str, str]) -> None:
        super().__init__()
        self._title = title
        self._words, self._env = list(words), dict(env)
        self.command = LineCommand(words, env)
        self._fresh: list[Line] = []
        self._ended = ""

    @property
    def crumb(self) -> str:
        """The command."""
        return self._title

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield TitleBar(self.dashboard, self.glyphs, id="title")
        yield Banner(self.dashboard, self.glyphs, id="banner")
        yield LogView(fmt.printable(self._title), self.glyphs, LINE_COLOUR, id="log")
        yield QueryBar("/", "text to find", id="search")
        yield self.message_line()
        yield KeysFooter(self.glyphs.more)

    @property
    def pane(self) -> LogView:
        """The pane to search."""
        return self.query_one(LogView)

    def on_mount(self) -> None:
        """Start the command."""
        self.composed = True
        self.pane.following = False  # what a command says begins at the top
        self.pane.focus()
        self._start()

    def _start(self) -> None:
        self._ended = ""
        self.run_worker(self._follow(), group="command", exit_on_error=False)
        self.live_update()

    async def _follow(self) -> None:
        """Take in what the command writes, and how it ended."""
        command, began, number = self.command, time.monotonic(), 0
        try:
            async for stream, lines in command.lines():
                number += len(lines)
                now = self.dashboard.clock()
                self._fresh += [Line(stream, "", fmt.output_line(line), now) for line in lines]
                self.dashboard.revision += 1
                if number > MOST_LINES:
                    self._say(f"ended after {fmt.count(MOST_LINES)} lines: more are not kept")
                    break
        except OSError as error:
            self._say(f"cannot be run: {error.strerror or error}")
        finally:
            await command.end()
        if command.status is not None:
            spent = fmt.duration(time.monotonic() - began)
            self._say(f"exit code {command.status} after {spent}", bad=command.status != 0)

    def _say(self, text: str, bad: bool = True) -> None:
        self._ended = text
        self._fresh.append(Line("exception" if bad else "exec", "", text))
        self.dashboard.revision += 1

    def live_update(self) -> None:
        """Show what arrived."""
        self.query_one(TitleBar).update()
        self.query_one(Banner).update()
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            self.pane.extend(fresh)
        running = not self._ended
        self.pane.set_source(
            "running" if running else self._ended, f"no output yet{self.glyphs.more}", live=running
        )
        self.grow_files()
        self.query_one(MessageLine).update()

    def action_interrupt(self) -> None:
        """Interrupt the command."""
        self.command.interrupt()

    async def action_again(self) -> None:
        """Run the command again, from an empty pane."""
        if not self._ended:
            self.notify("it still runs: I interrupts it", severity="warning")
            return
        self.command = LineCommand(self._words, self._env)
        self._fresh.clear()
        self.pane.replace([])
        self._start()

    async def on_unmount(self) -> None:
        """End the command."""
        await self.command.end()
