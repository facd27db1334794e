"""What the screens of views share that list something: a cursor, marks, a filter and an order."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical

from tui.model import format as fmt
from tui.model.intent import many
from tui.screens.asking import AskingScreen
from tui.widgets import palette
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.header import Banner
from tui.widgets.listing import ListingHeading, ListingView, Painter
from tui.widgets.painted import Painted, spread
from tui.widgets.query_bar import QueryBar
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from textual.app import ComposeResult
    from textual.geometry import Size
    from textual.widget import Widget

    from tui.model.dashboard import Dashboard
    from tui.model.listing import Key, Listing
    from tui.widgets.palette import Glyphs

    Work = Callable[[], Coroutine[None, None, None]]

Row = TypeVar("Row")
Part = tuple[str, str]
"""A text and its colour."""
WIDE: Final = 140
TALL: Final = 22
TALLER: Final = 34
"""Cells across and down from which on there is more to see."""


class Overview(Painted):
    """One line of figures above a list; ``figures`` gives them as parts, left and right."""

    def __init__(
        self,
        dashboard: Dashboard,
        glyphs: Glyphs,
        figures: Callable[[], tuple[Sequence[Part], Sequence[Part]]],
    ) -> None:
        super().__init__(dashboard, glyphs, id="overview")
        self._figures = figures

    def lines(self, width: int) -> list[Text]:
        """Return the line."""
        told = self._figures()
        left, right = Text.assemble(" ", *told[0]), Text.assemble(*told[1], " ")
        if any(look == palette.RED for _, look in told[1]):  # matters more than figures of before
            room = max(width - right.cell_len - 1, min(left.cell_len, width // 3))
            left.truncate(room, overflow="ellipsis")
        return [spread(left, right, width)]


class ListingScreen(AskingScreen, Generic[Row]):
    """A view that lists something. A subclass says what, and how it is read and looks."""

    AUTO_FOCUS = ""
    """Coming back to a screen whose list is hidden would give the focus to the hidden filter."""
    title_text = ""
    """What the list is called."""
    noun = "row"
    follows = False
    """Whether the end is kept in sight."""
    sortable = True

    LIST_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", tooltip="Filter", key_display="/", id="list.filter"),
        Binding("s", "sort(1)", "Sort by the next column", show=False, id="list.sort"),
        Binding("S", "sort(-1)", "Sort by the previous column", show=False, id="list.sort_back"),
        Binding("r", "reverse", "Turn the sort order round", show=False, id="list.reverse"),
        Binding("ctrl+r", "again", "Read it again now", show=False, id="list.again"),
        Binding("y", "copy", "Copy its name", show=False, id="list.copy"),
        Binding("down,j", "move(1)", "Down", show=False, id="list.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="list.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="list.pagedown"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="list.pageup"),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False, id="list.half_down"),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False, id="list.half_up"),
        Binding("home,g", "go(0)", "First", show=False, id="list.home"),
        Binding("end,G", "go(-1)", "Last", show=False, id="list.end"),
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="list.help"
        ),
    ]
    MARK_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Mark", tooltip="Mark or unmark, go on", id="list.mark"),
        Binding("a", "mark_all", "Mark all that are shown", show=False, id="list.mark_all"),
        Binding("u", "unmark", "Unmark all", show=False, id="list.unmark"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.listing: Listing[Row] = self.make_listing()
        self._text_before = ""
        self._chosen: list[Key] = []

    # What a view says of itself

    @abstractmethod
    def make_listing(self) -> Listing[Row]:
        """Return the empty list."""

    @abstractmethod
    def make_painter(self) -> Painter[Row]:
        """Return what says how rows look."""

    def figures(self) -> Sequence[Part]:
        """Return what stands above the list."""
        return []

    def body(self) -> Iterable[Widget]:
        """Return what is between the filter and the line of messages."""
        yield from self.list_widgets()

    def name_of(self, row: Row) -> str:
        """Return what a row is called, to copy and in questions."""
        return str(self.listing.key(row))

    def moved(self) -> None:
        """Take in that the cursor is on another row."""

    def opened(self, row: Row) -> None:
        """Do what Enter does on a row."""

    # Layout

    @property
    def crumb(self) -> str:
        """What the path at the top calls it."""
        return self.title_text.lower()

    def list_widgets(self) -> Iterable[Widget]:
        """Return the titles of the columns and the rows."""
        yield ListingHeading(self.listing, self.glyphs, id="heading")
        yield ListingView(
            self.listing, self.make_painter(), self.glyphs, follows=self.follows, id="rows"
        )

    def split(self, *panes: Widget) -> Iterable[Widget]:
        """Return the list with panes below, on a wide terminal beside it."""
        with Container(id="split"):
            with Vertical(id="listed"):
                yield from self.list_widgets()
            yield from panes

    def shape(self, size: Size) -> dict[str, bool]:
        """Put panes where there is most room for them."""
        return {
            "wide": size.width >= WIDE,
            "tall": size.height >= TALL,
            "taller": size.height >= TALLER,
        }

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        self.take_shape()
        yield TitleBar(self.dashboard, self.glyphs, id="title")
        yield Banner(self.dashboard, self.glyphs, id="banner")
        yield Overview(self.dashboard, self.glyphs, self._overview)
        yield QueryBar("/", "words, -without, column:word", id="filter")
        yield from self.body()
        yield self.message_line()
        yield KeysFooter(self.glyphs.more)

    @property
    def view(self) -> ListingView[Row]:
        """The rows on the screen."""
        return self.query_one("#rows", ListingView)

    @property
    def bar(self) -> QueryBar:
        """The line to filter in."""
        return self.query_one("#filter", QueryBar)

    def on_mount(self) -> None:
        """Begin to read."""
        self.composed = True
        self.view.focus()
        self.live_update()
        self.begin_reading()

    def live_update(self) -> None:
        """Repaint what changed."""
        self.query_one(TitleBar).update()
        self.query_one(Banner).update()
        self.view.empty = self._nothing()
        self.view.old = self.known and bool(self.trouble)
        self.view.update()
        self.query_one(Overview).update()
        self.query_one(MessageLine).update()

    def _nothing(self) -> str:
        """Return what the list says when it is empty."""
        if not self.known:
            return self.trouble or f"reading{self.glyphs.more}"
        if self.listing.total:
            return f"no {self.noun} matches the filter"
        return self.trouble or self.none

    @property
    def none(self) -> str:
        """What is said when there is nothing to list."""
        return f"there are no {many(0, self.noun).removeprefix('0 ')}"

    def _overview(self) -> tuple[Sequence[Part], Sequence[Part]]:
        left: list[Part] = [(f"{self.title_text}  ", f"bold {palette.BRIGHT}")]
        if self.known:
            left.extend(self.figures())
        right: list[Part] = []
        if self.listing.marks:
            hidden = self.listing.hidden_marks()
            more = f", {fmt.count(hidden)} hidden by the filter" if hidden else ""
            marks = f"{self.glyphs.mark} {fmt.count(len(self.listing.marks))} marked{more}  "
            right.append((marks, f"bold {palette.AMBER}"))
        if self.trouble:
            since = self.dashboard.clock()
            then = f"as it was at {fmt.clock(self.read_at, since)}: " if self.known else ""
            right.append((f"{then}{self.trouble}", palette.RED))
        elif self.dashboard.stale and self.known:
            right.append(("not connected, as it was", palette.AMBER))
        elif self.listing.text:
            right.append((self._matches(), palette.SOFT))
        return left, right

    def _matches(self) -> str:
        return f"{fmt.count(len(self.listing))} of {fmt.count(self.listing.total)}"

    # Filter and order

    @property
    def filter_text(self) -> str:
        """The filter that holds, as it is typed."""
        return self.listing.text

    def action_filter(self) -> None:
        """Type a filter."""
        self._text_before = self.filter_text
        self.bar.open()

    def on_query_bar_typed(self, event: QueryBar.Typed) -> None:
        """Filter while typing."""
        self.filter(event.text)

    def filter(self, text: str) -> None:
        """Show the rows that match ``text``."""
        self.listing.set_text(text)
        self.live_update()
        self.bar.answer(self._matches() if text else "")

    def on_query_bar_closed(self, event: QueryBar.Closed) -> None:
        """Back to the list: with the filter or, after Escape, with the one before."""
        if not event.kept:
            self.bar.set_text(self._text_before)
            self.filter(self._text_before)
        self.bar.display = bool(self.bar.text)
        self.view.focus()

    def action_sort(self, step: int) -> None:
        """Sort by the next or previous of the columns that are shown."""
        names = self.view.columns_shown
        if self.sortable and names:
            now = self.listing.sort
            place = names.index(now) if now in names else -1 if step > 0 else 0
            self._sort(names[(place + step) % len(names)], False)

    def action_reverse(self) -> None:
        """Turn the order round."""
        if self.sortable:
            self._sort(self.listing.sort, not self.listing.reverse)

    def on_listing_heading_sorted(self, event: ListingHeading.Sorted) -> None:
        """Sort by the clicked column, or turn it round."""
        if self.sortable:
            same = event.column == self.listing.sort
            self._sort(event.column, same and not self.listing.reverse)

    def _sort(self, column: str, reverse: bool) -> None:
        self.listing.set_sort(column, reverse)
        self.query_one("#heading").refresh()
        self.view.update()

    # Cursor and marks

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.view.following = False
        self.view.move_by(lines)

    def action_page(self, pages: float) -> None:
        """Move the cursor by screenfuls."""
        self.action_move(int(pages * self.view.page) or (1 if pages > 0 else -1))

    def action_go(self, line: int) -> None:
        """Move the cursor to a line, -1 for the last."""
        self.view.following = self.follows and line < 0
        self.view.move_to(line if line >= 0 else len(self.listing) - 1)

    def on_listing_view_cursor_moved(self) -> None:
        """The cursor is on another row."""
        self.moved()

    def on_listing_view_row_opened(self) -> None:
        """A double click opens too."""
        self.action_open()

    def action_open(self) -> None:
        """Open the row under the cursor."""
        row = self.view.row
        if row is not None:
            self.opened(row)

    def action_mark(self) -> None:
        """Mark or unmark the row under the cursor and go on."""
        row = self.view.row
        if row is not None:
            self.listing.marks ^= {self.listing.key(row)}
            self.view.move_by(1)
            self.live_update()

    def action_mark_all(self) -> None:
        """Mark all rows that are shown."""
        self.listing.marks |= set(map(self.listing.key, self.listing.shown))
        self.live_update()

    def action_unmark(self) -> None:
        """Unmark all."""
        self.listing.marks.clear()
        self.live_update()

    def choose(self, keys: Iterable[Key]) -> None:
        """Mark these rows and no others, and put the cursor on the first of them, once they are
        read. A filter that hides one of them is taken away.
        """
        self._chosen = list(keys)
        if self.composed and self.known:
            self._show_chosen()

    def _show_chosen(self) -> None:
        known = set(map(self.listing.key, self.listing.rows()))
        found, self._chosen = [key for key in self._chosen if key in known], []
        if not found:
            return
        self.listing.marks = set(found)
        if self.listing.hidden_marks():
            self.take_filter_away()
        self.view.following = False
        self.live_update()
        self.view.move_to(
            min(place for key in found if (place := self.listing.index_of(key)) is not None)
        )
        self.live_update()

    async def read_once(self) -> None:
        """Read, and show what was chosen before it was known."""
        await super().read_once()
        if self._chosen and self.known:
            self._show_chosen()

    def take_filter_away(self) -> None:
        """Show all rows."""
        self.bar.set_text("")
        self.bar.display = False
        self.filter("")

    def targets(self) -> list[Row]:
        """Return the marked rows, otherwise the one under the cursor."""
        row = self.view.row
        return self.listing.marked() or ([] if row is None else [row])

    def action_copy(self) -> None:
        """Copy the names of the targets to the clipboard."""
        names = [self.name_of(row) for row in self.targets()]
        if names:
            self.app.copy_to_clipboard(" ".join(names))
            what = names[0] if len(names) == 1 else many(len(names), self.noun)
            self.notify(f"copied {what}", timeout=3)

    def acted(self) -> None:
        """What was marked for it has been done."""
        self.listing.marks.clear()

    def action_back(self) -> None:
        """Take away the filter, then the marks, then go back."""
        if self.filter_text or self.bar.display:
            self.take_filter_away()
        elif self.listing.marks:
            self.action_unmark()
        else:
            super().action_back()
