"""Cancelling and signalling jobs: which ones, the question, the doing, the outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.states import ACTIVE, RUNNING, Status
from tui.screens.confirm import ConfirmScreen, SignalScreen
from tui.screens.live import LiveScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

AT_ONCE = 64
"""Requests under way at a time: enough to be fast, few enough to leave the broker to others."""

LISTED = 5
"""Jobs that a question names before it says how many more there are."""


class ActingScreen(LiveScreen):
    """A screen with jobs to act on."""

    def targets(self) -> list[int]:
        """Return the ids an action is for."""
        raise NotImplementedError

    def _able(self, statuses: frozenset[Status], otherwise: str) -> list[int]:
        """Return the targets in one of ``statuses``; says why if there are none."""
        table = self.dashboard.table
        targets = self.targets()
        able = [jobid for jobid in targets if table.status[table.row_of[jobid]] in statuses]
        if not able:
            self.notify(otherwise if targets else "no job is chosen", severity="warning", timeout=4)
        return able

    def action_cancel_jobs(self) -> None:
        """Cancel the marked jobs or the one under the cursor, after asking."""
        jobids = self._able(ACTIVE, "nothing to cancel: it is over already")
        if not jobids:
            return
        what = self._what(jobids)

        def answered(yes: bool | None) -> None:
            if yes:
                self._start("canceled", jobids, self.top.feed.cancel)

        question = ConfirmScreen(
            f"Cancel {what}?", self._listing(jobids), f"Cancel {what}", len(jobids)
        )
        self.app.push_screen(question, answered)

    def action_kill_jobs(self) -> None:
        """Send a signal to the marked jobs or the one under the cursor, after asking which."""
        jobids = self._able(RUNNING, "no signal can be sent: it is not running")
        if jobids:
            self.app.push_screen(SignalScreen(), lambda number: self._ask_kill(jobids, number or 0))

    def _ask_kill(self, jobids: list[int], number: int) -> None:
        if not number:
            return
        name, what = fmt.signal_name(number), self._what(jobids)

        def answered(yes: bool | None) -> None:
            if yes:
                self._start(f"sent {name}", jobids, lambda jobid: self.top.feed.kill(jobid, number))

        question = ConfirmScreen(
            f"Send {name} to {what}?", self._listing(jobids), f"Send {name}", len(jobids)
        )
        self.app.push_screen(question, answered)

    def _what(self, jobids: list[int]) -> str:
        return f"{fmt.count(len(jobids))} jobs" if len(jobids) > 1 else "1 job"

    def _listing(self, jobids: list[int]) -> list[str]:
        table, plain = self.dashboard.table, self.glyphs is palette.ASCII
        lines = [
            f"{f58(jobid, plain)}  {table.name[table.row_of[jobid]]}" for jobid in jobids[:LISTED]
        ]
        if len(jobids) > LISTED:
            lines.append(f"and {fmt.count(len(jobids) - LISTED)} more")
        return lines

    def _start(self, done: str, jobids: list[int], act: Callable[[int], Awaitable[None]]) -> None:
        self.app.run_worker(self._act(done, jobids, act), exit_on_error=False, group="actions")

    async def _act(
        self, done: str, jobids: list[int], act: Callable[[int], Awaitable[None]]
    ) -> None:
        """Act on every job, a limited number at once, and report."""
        failures: list[str] = []
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(jobid: int) -> None:
            async with limit:
                try:
                    await act(jobid)
                except OSError as error:
                    failures.append(f"{f58(jobid)}: {error.strerror or error}")

        await asyncio.gather(*(one(jobid) for jobid in jobids))
        self.dashboard.marks.difference_update(jobids)
        self.dashboard.revision += 1
        good = len(jobids) - len(failures)
        if good:
            self.app.notify(f"{done}: {good} job{'' if good == 1 else 's'}", timeout=4)
        if failures:
            more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
            self.app.notify(failures[0] + more, severity="error", timeout=8, markup=False)
