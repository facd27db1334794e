"""The panes of the job screen: which there are, which is shown, what is in those that are no
logs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding

from tui.background import in_background
from tui.feed.job import job_keys
from tui.model.job_pages import (
    Stored,
    description,
    environment_page,
    jobspec_page,
    keys_page,
    resources_page,
)
from tui.model.stamps import Stamps
from tui.model.states import DONE
from tui.screens.changing import ChangingScreen
from tui.screens.searching import SearchingScreen
from tui.widgets.log_view import LogView
from tui.widgets.palette import LINE_COLOUR
from tui.widgets.tab_line import Tab, TabLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.events import DescendantFocus

    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.job import JobFollowing
    from tui.model.logs import Line

OUTPUT: Final = "output"
EVENTS: Final = "eventlog"
EXEC: Final = "exec"
TABS: Final = (
    Tab(OUTPUT, "Output"),
    Tab(EVENTS, "Events"),
    Tab(EXEC, "Exec"),
    Tab("jobspec", "Jobspec"),
    Tab("resources", "R"),
    Tab("environment", "Env"),
    Tab("describe", "Describe"),
    Tab("keys", "KVS"),
)
LOGS: Final = (OUTPUT, EVENTS, EXEC)
_STREAMS: Final = ("", "stderr", "stdout")


class PagesScreen(SearchingScreen, ChangingScreen):
    """A screen with the panes of one job."""

    PAGE_BINDINGS: ClassVar[list[Binding]] = [
        Binding("tab", "turn(1)", "Pane", tooltip="Go to the next pane", id="job.switch"),
        Binding("shift+tab", "turn(-1)", "Go to the pane before", show=False, id="job.switch_back"),
        *(
            Binding(
                str(number),
                f"page('{tab.name}')",
                f"Show {tab.title}",
                show=False,
                id=f"page.{tab.name}",
            )
            for number, tab in enumerate(TABS, 1)
        ),
        Binding(
            "s",
            "streams",
            "Stream",
            tooltip="Output: all, stderr only, stdout only",
            show=False,
            id="job.streams",
        ),
        Binding("r", "raw", "Raw", tooltip="Raw JSON, or for reading", show=False, id="job.raw"),
        Binding(
            "z", "whole", "Zoom", tooltip="This pane on the whole screen, or not", id="job.whole"
        ),
    ]

    jobid: int
    following: JobFollowing
    stored: JsonObject | None = None
    """What was looked up; None before."""
    _current = OUTPUT
    _raw = False
    _keys: list[Line] | None = None
    _keys_error = ""
    _keys_asked = False
    _shown_at = -1

    def make_panes(self) -> Iterator[LogView]:
        """Make the panes."""
        for tab in TABS:
            logs = tab.name in LOGS
            events = tab.name in (EVENTS, EXEC)
            yield LogView(
                tab.title,
                self.glyphs,
                LINE_COLOUR,
                stamps=Stamps.SINCE if events else Stamps.NONE,
                wrap=tab.name != OUTPUT,
                by_words=events or tab.name == "describe",
                live=logs,
                id=tab.name,
            )

    def view_of(self, name: str) -> LogView:
        """Return a pane by its name."""
        return self.query_one(f"#{name}", LogView)

    @property
    def pane(self) -> LogView:
        """The pane that is shown; the one with the focus of two."""
        return self.view_of(self._current)

    def show_page(self, name: str, focus: bool = True) -> None:
        """Show a pane. On a wide terminal the output and the events stand side by side."""
        self._current = name
        beside = (OUTPUT, EVENTS) if name in (OUTPUT, EVENTS) else ()
        for view in self.query(LogView):
            view.set_class(view.id == name, "current")
            view.set_class(view.id in beside, "beside")
        line = self.query_one(TabLine)
        line.current = name
        line.update()
        self._shown_at = -1
        self.fill_page()
        if focus:
            self.pane.focus()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """The focused pane is the current one."""
        name = event.widget.id
        if isinstance(event.widget, LogView) and name and name != self._current:
            self.show_page(name, focus=False)

    def on_tab_line_chosen(self, event: TabLine.Chosen) -> None:
        """A tab was clicked."""
        self.show_page(event.name)

    def grows(self, pane: LogView) -> bool:
        """Only of the output it is sure that new lines come last: the eventlogs are two."""
        return pane.live and pane.id == OUTPUT

    # What is in the panes

    def fill_page(self) -> None:
        """Bring the pane that is shown up to date, once a second, if it is no log."""
        now = int(self.dashboard.clock())
        if self._current in LOGS or now == self._shown_at:
            return
        self._shown_at = now
        lines, empty = self._page(self._current)
        view = self.pane
        if lines != view.lines.every:
            view.replace(lines)
        view.set_source("", empty, live=False)

    def _page(self, name: str) -> tuple[list[Line], str]:
        """Return the lines of a page, and what it says without any."""
        if name == "keys":
            return self._keys_page()
        if name == "describe":
            if self.jobid not in self.dashboard.table.row_of and self.pane.lines.every:
                return list(self.pane.lines.every), ""  # as it was when the list had it
            facts = Stored(self._looked_up("jobspec"), self._looked_up("R"))
            return description(self.dashboard, self.jobid, facts, self.following.lines), ""
        if self.stored is None:
            return [], f"reading{self.glyphs.more}"
        if name == "resources":
            resources = self._looked_up("R")
            if resources is None:
                return [], "no resources are allocated" + ("" if self._over else " yet")
            return resources_page(resources, self._raw), ""
        jobspec = self._looked_up("jobspec")
        if jobspec is None:
            return [], "the jobspec cannot be read: only its user and the owner may"
        if name == "environment":
            return environment_page(jobspec, self._raw), "the job has no environment"
        return jobspec_page(jobspec, self._raw), "the jobspec is empty"

    def _looked_up(self, name: str) -> JsonMapping | None:
        found = (self.stored or {}).get(name)
        return found if isinstance(found, dict) else None

    @property
    def _over(self) -> bool:
        row = self.dashboard.table.row_of.get(self.jobid)
        return row is not None and self.dashboard.table.status[row] in DONE

    def _keys_page(self) -> tuple[list[Line], str]:
        if not self._keys_asked:
            self._keys_asked = True
            in_background(self, self._read_keys)
        if self._keys is not None:
            return self._keys, "the job has no keys"
        return [], self._keys_error or f"reading{self.glyphs.more}"

    async def _read_keys(self) -> None:
        try:
            self._keys = keys_page(await job_keys(self.feed, self.jobid))
        except OSError as error:
            self._keys_error = f"the keys cannot be read: {error.strerror or error}"
        self._shown_at = -1
        self.dashboard.revision += 1

    # Keys

    def action_turn(self, step: int) -> None:
        """Go to the next or previous pane."""
        names = [tab.name for tab in TABS]
        self.show_page(names[(names.index(self._current) + step) % len(names)])

    def action_page(self, pages: int | str) -> None:
        """Show a pane by its name; scroll by a paneful for a number."""
        if isinstance(pages, str):
            self.show_page(pages)
        else:
            super().action_page(pages)

    def action_streams(self) -> None:
        """Show all output, only the errors, only the rest."""
        view = self.view_of(OUTPUT)
        before = next((stream for stream in _STREAMS if view.kept == f"{stream} only"), "")
        stream = _STREAMS[(_STREAMS.index(before) + 1) % len(_STREAMS)]
        view.keep(
            (lambda line: line.kind in (stream, "notice")) if stream else None,
            f"{stream} only" if stream else "",
        )

    def action_raw(self) -> None:
        """Show events and objects as JSON, or for reading."""
        self._raw = self.following.lines.raw = not self._raw
        self.view_of(EVENTS).replace(self.following.lines.events)
        self.view_of(EXEC).replace(self.following.lines.execution)
        self._shown_at = -1
        self.fill_page()

    def action_whole(self) -> None:
        """Give the pane the whole screen, or take it back."""
        self.toggle_class("whole")
