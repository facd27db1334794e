"""The job under the cursor, beside the table: its facts, why it waits or failed, its life, the last
of its output.

What the table knows is there at once. The job is asked about only after the cursor has rested on it
for a moment, and no longer than it stays there: whoever scrolls through 100,000 jobs asks about
none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from textual.containers import Vertical

from tui.background import in_background
from tui.feed.job import JobFollowing
from tui.model.why_card import why_card
from tui.widgets.job_summary import JobSummary
from tui.widgets.life_bar import LifeBar
from tui.widgets.log_view import LogView
from tui.widgets.palette import LINE_COLOUR
from tui.widgets.why_panel import WhyPanel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual.app import ComposeResult
    from textual.timer import Timer
    from textual.worker import Worker

    from flux.job.why import Remedy
    from tui.feed.base import Feed
    from tui.model.dashboard import Dashboard
    from tui.widgets.palette import Glyphs

REST_SECONDS: Final = 0.25
"""How long the cursor rests on a job before it is asked about."""
MOST_BYTES: Final = 2 << 20
"""How much is read of a job here."""


class PreviewPane(Vertical):
    """Shows one job at a time, and follows it."""

    def __init__(
        self,
        dashboard: Dashboard,
        glyphs: Glyphs,
        feed: Feed,
        keys: Callable[[], Mapping[Remedy, tuple[str, str]]],
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.dashboard = dashboard
        self.glyphs = glyphs
        self.jobid: int | None = None
        self.following: JobFollowing | None = None
        self._feed = feed
        self._keys = keys
        self._rest: Timer | None = None
        self._work: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """Lay out the parts."""
        yield JobSummary(self.dashboard, self.glyphs)
        yield WhyPanel(self.dashboard, self.glyphs, self._keys)
        yield LifeBar(self.dashboard, self.glyphs)
        output = LogView("Output", self.glyphs, LINE_COLOUR, wrap=True)
        output.can_focus = False  # keys are the table's
        yield output

    def on_mount(self) -> None:
        """The command is not known of a job that was not looked up."""
        self.query_one(JobSummary).with_command = False

    @property
    def output(self) -> LogView:
        """The last lines of the job's output."""
        return self.query_one(LogView)

    @property
    def has_read(self) -> bool:
        """Whether all there is to read of the job by now has been read, or it cannot be."""
        return self._work is not None and self._work.is_finished

    def show(self, jobid: int | None, note: str = "") -> None:
        """Show a job, none for None: what is known of it now, and the rest when the cursor rests
        there. ``note`` is told before all else.
        """
        self.query_one(JobSummary).note = note
        if jobid == self.jobid:
            self.live_update()
            return
        self.stop()
        self.jobid = jobid
        self.query_one(JobSummary).jobid = jobid
        self.output.replace(())
        self.output.set_following(True)
        if jobid is not None:
            self._rest = self.set_timer(REST_SECONDS, self._follow)
        self.live_update()

    def stop(self) -> None:
        """Follow no job any more."""
        if self._rest is not None:
            self._rest.stop()
            self._rest = None
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self.following = None
        self.jobid = None

    def _follow(self) -> None:
        self._rest = None
        if self.jobid is not None:
            self.following = JobFollowing(self._feed, self.dashboard, self.jobid, MOST_BYTES)
            self._work = in_background(self, self.following.run)

    def live_update(self) -> None:
        """Show what is new."""
        following = self.following
        logs = following.lines if following is not None else None
        if following is not None:
            self.output.extend(following.take().output)
        self.query_one(JobSummary).update()
        self.query_one(LifeBar).show(self.jobid, logs.story if logs is not None else None)
        card = None
        if self.jobid is not None:
            raised = logs.story.raised if logs is not None else None
            errors = logs.last_errors if logs is not None else ()
            card = why_card(self.dashboard, self.jobid, raised, errors)
        self.query_one(WhyPanel).show(card)
        remark, empty = self._told(following)
        ended = following is not None and following.ended
        self.output.set_source(remark, empty, live=following is not None and not ended)

    def _told(self, following: JobFollowing | None) -> tuple[str, str]:
        """Return what is said beside the number of lines, and instead of any."""
        reading = f"reading{self.glyphs.more}"
        if self.jobid is None:
            return "", ""
        if following is None:
            return "", reading
        if following.cut_short:
            return "only the beginning: Enter shows all", ""
        if following.error:
            return "not connected", following.error
        files = following.lines.files
        if files:
            return "", f"the output goes to {', '.join(files)}"
        if following.ended:
            return "ended", "no output"
        return "", "no output yet" if following.lines.received else reading
