"""Cancelling and signalling jobs: which ones, the question, the doing, the outcome."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

from flux.job.why import signal_name
from tui.model.jobid import f58
from tui.model.question import SMALLEST, Question, jobs
from tui.model.states import ACTIVE, RUNNING, Status
from tui.screens.live import LiveScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.notifications import SeverityLevel

    from tui.model.selection import Targets

AT_ONCE: Final = 64
"""Requests under way at a time: enough to be fast, few enough to leave the broker to others."""

SIGNALS: Final = (
    (signal.SIGTERM, "ask to end"),
    (signal.SIGKILL, "end at once"),
    (signal.SIGINT, "interrupt, as Ctrl+C"),
    (signal.SIGHUP, "hang up"),
    (signal.SIGUSR1, "user signal 1"),
    (signal.SIGUSR2, "user signal 2"),
    (signal.SIGSTOP, "pause"),
    (signal.SIGCONT, "go on after a pause"),
)


class ActingScreen(LiveScreen):
    """A screen with jobs to act on."""

    def targets(self) -> Targets:
        """Return the jobs an action is for."""
        raise NotImplementedError

    def _can(self, selection: Targets, statuses: frozenset[Status], otherwise: str) -> bool:
        """Tell whether there is anything to ask, and room to ask it; says why if not."""
        size = self.app.size
        if not selection.jobids:
            self._warn("no job is chosen")
        elif not selection.known():
            self._warn(f"{selection.name_of(selection.jobids)}: gone from the list")
        elif not selection.able(statuses):
            many = f" ({jobs(len(selection.jobids))} marked)" if selection.marked else ""
            self._warn(otherwise + many)
        elif size.width < SMALLEST[0] or size.height < SMALLEST[1]:
            self._warn("the terminal is too small to ask")
        else:
            return True
        return False

    def _warn(self, text: str) -> None:
        self.notify(text, severity="warning", timeout=4)

    def action_cancel_jobs(self) -> None:
        """Cancel the marked jobs or the one under the cursor, after asking."""
        selection = self.targets()
        if self._can(selection, ACTIVE, "nothing to cancel: it is over already"):
            self._ask("Cancel", "canceled", selection, ACTIVE, self.feed.cancel)

    def action_kill_jobs(self) -> None:
        """Send a signal to the marked jobs or the one under the cursor, after asking which."""
        selection = self.targets()

        def chosen(answer: str | None) -> None:
            if answer:
                number = int(answer)
                name = signal_name(number)
                self._ask(
                    f"Send {name} to",
                    f"sent {name}",
                    selection,
                    RUNNING,
                    lambda jobid: self.feed.kill(jobid, number),
                )

        if self._can(selection, RUNNING, "no signal can be sent: it is not running"):
            signals = [
                (str(int(number)), number.name, f"{int(number):>2}   {meaning}")
                for number, meaning in SIGNALS
            ]
            from tui.screens.prompt import MenuScreen

            self.app.push_screen(MenuScreen("Which signal?", signals), chosen)

    def _ask(
        self,
        verb: str,
        done: str,
        selection: Targets,
        statuses: frozenset[Status],
        act: Callable[[int], Awaitable[None]],
    ) -> None:
        """Ask, and do it to those that it can be done to when the answer comes."""
        question = Question(verb, selection, statuses, len(selection.able(statuses)))

        def answered(yes: bool | None) -> None:
            jobids = question.jobids()
            if yes and not jobids:
                self._warn(question.title())
            elif yes:
                work = self._act(done, selection, jobids, act)
                self.app.run_worker(work, exit_on_error=False, group="actions")

        from tui.screens.confirm import ConfirmScreen

        self.app.push_screen(ConfirmScreen(question, self.glyphs is palette.ASCII), answered)

    async def _act(
        self,
        done: str,
        selection: Targets,
        jobids: list[int],
        act: Callable[[int], Awaitable[None]],
    ) -> None:
        """Act on every job, a limited number at once, and report."""
        failures: dict[int, str] = {}
        limit = asyncio.Semaphore(AT_ONCE)
        self.app.notify(f"asked for {jobs(len(jobids))}, waiting for the answer", timeout=60)

        async def one(jobid: int) -> None:
            async with limit:
                try:
                    await act(jobid)
                except OSError as error:
                    failures[jobid] = f"{f58(jobid)}: {error.strerror or error}"

        await asyncio.gather(*(one(jobid) for jobid in jobids))
        # What was meant is done, or cannot be any more: only what was refused stays marked.
        self.dashboard.marks.difference_update(set(selection.jobids) - failures.keys())
        self.dashboard.revision += 1
        good = len(jobids) - len(failures)
        told = f"{done}: {jobs(good)}" if good else ""
        if failures:
            more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
            failed = next(iter(failures.values())) + more
            told = f"{told}; not: {failed}" if told else failed
        severity: SeverityLevel = "error" if failures else "information"
        self.app.notify(told, severity=severity, timeout=8 if failures else 4)
