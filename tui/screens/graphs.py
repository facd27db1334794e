"""What the instance did over time, in large: queue depth, rates, cores, delays."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from flux.time_text import time_text
from tui.model import format as fmt
from tui.screens.zooming import ZoomingScreen
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.graph import Graph
from tui.widgets.graphs import CORES, DEPTH, GRAPHS, LAUNCH, RATES, WAIT, GraphKind, span_name
from tui.widgets.header import Banner
from tui.widgets.painted import Painted
from tui.widgets.palette import BRIGHT, DIM, SOFT
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from textual.app import ComposeResult

ROWS: Final = ((DEPTH, RATES), (CORES, (WAIT, LAUNCH)))


class ReadingLine(Painted):
    """Which moment is read, and what the charts show."""

    pointed: float | None = None

    def lines(self, width: int) -> list[Text]:
        """Return the line."""
        dashboard, dot = self.dashboard, f" {self.glyphs.separator} "
        now = dashboard.moment
        if self.pointed is None:
            text = Text.assemble((" newest", f"bold {BRIGHT}"))
        else:
            stamp = time_text(self.pointed, "%H:%M:%S")
            ago = fmt.duration(max(0.0, now - self.pointed))
            text = Text.assemble((f" {stamp}", f"bold {BRIGHT}"), (f"  {ago} ago", SOFT))
        text.append(f"{dot}{span_name(dashboard)}", SOFT)
        hint = f"{dot}faint: told by the job list afterwards{dot}{self.glyphs.gap * 3}: not watched"
        return [text.append(hint if text.cell_len + len(hint) <= width else "", DIM)]


class GraphsScreen(ZoomingScreen):
    """All charts, with a cursor that reads them at a moment."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="To the newest, then back", id="graphs.back"),
        Binding("q", "leave_graphs", "Back", show=False, id="graphs.leave"),
        Binding(
            "left,h", "read(-1)", "Earlier", tooltip="Read an earlier moment", id="graphs.left"
        ),
        Binding("right,l", "read(1)", "Later", tooltip="Read a later moment", id="graphs.right"),
        Binding("pageup,ctrl+u", "read(-10)", "Much earlier", show=False, id="graphs.pageup"),
        Binding("pagedown,ctrl+d", "read(10)", "Much later", show=False, id="graphs.pagedown"),
        Binding("home,g", "read_first", "The earliest moment", show=False, id="graphs.home"),
        Binding("end,G", "read_newest", "The newest moment", show=False, id="graphs.end"),
        *ZoomingScreen.SHOWN_ZOOM_BINDINGS,
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="graphs.help"
        ),
    ]

    pointed: float | None = None

    @property
    def crumb(self) -> str:
        """What the screen is called."""
        return "graphs"

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        model, glyphs = self.dashboard, self.glyphs
        yield TitleBar(model, glyphs, id="title")
        yield Banner(model, glyphs, id="banner")
        for row in ROWS:
            with Horizontal(classes="graph-row"):
                for cell in row:
                    if isinstance(cell, GraphKind):
                        yield Graph(cell, model, glyphs)
                    else:
                        with Vertical():
                            for kind in cell:
                                yield Graph(kind, model, glyphs)
        yield ReadingLine(model, glyphs, id="graph-reading")
        yield self.message_line()
        yield KeysFooter(glyphs.more)

    def on_mount(self) -> None:
        """Draw for the first time."""
        self.composed = True
        self.live_update()

    def live_update(self) -> None:
        """Repaint what changed."""
        for graph in self.query(Graph):
            graph.pointed = self.pointed
            graph.update()
        reading = self.query_one(ReadingLine)
        reading.pointed = self.pointed
        for widget in (self.query_one(TitleBar), self.query_one(Banner), reading):
            widget.update()
        self.query_one(MessageLine).update()

    def _point(self, moment: float | None) -> None:
        self.pointed = moment
        self.live_update()

    def _first_graph(self) -> Graph:
        return self.query_one(f"#graph-{GRAPHS[0].name}", Graph)

    def action_read(self, steps: int) -> None:
        """Read a moment that many steps later, or earlier; the last step is the newest again."""
        plot = self._first_graph().plot
        number = len(plot.window.moments)
        place = number - 1 if self.pointed is None else plot.place_of(self.pointed)
        wanted = place + steps
        if not number or wanted >= number:
            self._point(None)
        else:
            self._point(plot.window.moments[max(0, wanted)].time)

    def action_read_first(self) -> None:
        """Read the earliest moment that is shown."""
        self._point(self._first_graph().plot.window.start)

    def action_read_newest(self) -> None:
        """Read the newest again."""
        self._point(None)

    def action_back(self) -> None:
        """Read the newest again; if that is what is read, go back."""
        if self.pointed is None:
            super().action_back()
        else:
            self._point(None)

    def action_leave_graphs(self) -> None:
        """Go back."""
        super().action_back()

    def on_graph_pointed(self, event: Graph.Pointed) -> None:
        """The mouse reads too."""
        self._point(event.time)

    def on_graph_zoomed(self, event: Graph.Zoomed) -> None:
        """So does the wheel zoom."""
        self.action_zoom(event.step)
