"""Changing jobs beside ending them: urgency, hold and release, exceptions, annotations, time
limits, running them again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from flux.constants import FLUX_JOB_URGENCY_DEFAULT, FLUX_JOB_URGENCY_HOLD
from tui.background import in_background
from tui.feed import actions
from tui.model import format as fmt
from tui.model.changes import (
    Unreadable,
    annotation_of,
    exception_of,
    limit_of,
    urgency_of,
)
from tui.model.jobid import f58
from tui.model.states import ACTIVE, DONE, PENDING, Status
from tui.screens.actions import ActingScreen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tui.model.selection import Targets

ALL: Final = ACTIVE | DONE
NOT_WAITING: Final = "nothing to change: it does not wait any more"
OVER: Final = "nothing to change: it is over already"


class ChangingScreen(ActingScreen):
    """A screen with jobs to change."""

    CHANGE_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "job_menu", "Actions", tooltip="All that can be done to jobs", id="jobs.menu"),
        Binding("U", "set_urgency", "Set the urgency", show=False, id="jobs.urgency"),
        Binding("H", "hold_jobs", "Hold", show=False, id="jobs.hold"),
        Binding("L", "release_jobs", "Release what is held", show=False, id="jobs.release"),
        Binding("T", "limit_jobs", "Change the time limit", show=False, id="jobs.limit"),
        Binding("A", "annotate_jobs", "Annotate", show=False, id="jobs.annotate"),
        Binding("X", "raise_jobs", "Raise an exception", show=False, id="jobs.raise"),
        Binding(
            "ctrl+r",
            "run_again",
            "Run again",
            tooltip="Submit the same once more, as a new job",
            show=False,
            id="jobs.again",
        ),
        Binding(
            "i",
            "enter_instance",
            "Enter",
            tooltip="Go into the instance that a job is",
            show=False,
            id="jobs.enter",
        ),
    ]

    def action_job_menu(self) -> None:
        """Choose one of all actions on jobs."""
        names = ["cancel_jobs", "kill_jobs"]
        names += [b.action for b in self.CHANGE_BINDINGS if isinstance(b, Binding)][1:]
        choices = []
        for _, binding, enabled, _ in sorted(
            self.active_bindings.values(), key=lambda b: b.binding.id or ""
        ):
            if binding.action in names and enabled:
                meaning = binding.tooltip or binding.description
                choices.append((binding.action, self.app.get_key_display(binding), meaning))
        choices.sort(key=lambda choice: names.index(choice[0]))

        async def chosen(action: str | None) -> None:
            if action:
                await self.run_action(action)

        from tui.screens.prompt import MenuScreen

        self.app.push_screen(MenuScreen("What is to be done?", choices), chosen)

    # Each of them

    def action_set_urgency(self) -> None:
        """Give waiting jobs another urgency, which is asked for."""

        def set_to(text: str, chosen: Targets) -> None:
            urgency = urgency_of(text)
            self._change(
                chosen,
                f"Set urgency {urgency} of",
                f"urgency {urgency}",
                PENDING,
                lambda jobid: actions.set_urgency(self.feed, jobid, urgency),
            )

        self._prompt(
            "Which urgency for",
            "0 to 31, more is sooner; hold, default, expedite. More than 16 is for the owner.",
            urgency_of,
            set_to,
            (PENDING, NOT_WAITING),
        )

    def action_hold_jobs(self) -> None:
        """Keep waiting jobs from being started."""
        self._urgency("Hold", "held", FLUX_JOB_URGENCY_HOLD)

    def action_release_jobs(self) -> None:
        """Give waiting jobs the default urgency, so that they start when it is their turn."""
        self._urgency("Release", "released", FLUX_JOB_URGENCY_DEFAULT)

    def _urgency(self, verb: str, done: str, urgency: int) -> None:
        chosen = self.targets()
        if self._can(chosen, PENDING, NOT_WAITING):
            self._change(
                chosen,
                verb,
                done,
                PENDING,
                lambda jobid: actions.set_urgency(self.feed, jobid, urgency),
            )

    def action_limit_jobs(self) -> None:
        """Give jobs another time limit, which is asked for."""

        def set_to(text: str, chosen: Targets) -> None:
            seconds = limit_of(text)
            limit = fmt.duration(seconds) if seconds else "none"
            self._change(
                chosen,
                f"Set time limit {limit} of",
                f"time limit {limit}",
                ACTIVE,
                lambda jobid: actions.set_time_limit(self.feed, jobid, seconds),
            )

        self._prompt(
            "Which time limit for",
            "counted from the start: 90m, 2h, 1.5d; 0 is none",
            limit_of,
            set_to,
            (ACTIVE, OVER),
        )

    def action_annotate_jobs(self) -> None:
        """Write a note to jobs that the list of jobs shows."""

        def set_to(text: str, chosen: Targets) -> None:
            key, value = annotation_of(text)
            self._change(
                chosen,
                f"Annotate {key} of",
                "annotated",
                ACTIVE,
                lambda jobid: actions.annotate(self.feed, jobid, {key: value}),
            )

        self._prompt(
            "Which annotation for",
            "a key and its value: note waits for Bob; a key alone takes it away",
            annotation_of,
            set_to,
            (ACTIVE, OVER),
        )

    def action_raise_jobs(self) -> None:
        """Raise an exception, which is asked for."""

        def set_to(text: str, chosen: Targets) -> None:
            raised = exception_of(text)
            self._change(
                chosen,
                f"Raise {raised.kind} (severity {raised.severity}) of",
                f"raised {raised.kind}",
                ACTIVE,
                lambda jobid: actions.raise_exception(
                    self.feed, jobid, raised.kind, raised.severity, raised.note
                ),
                always_ask=raised.severity == 0,
            )

        self._prompt(
            "Which exception for",
            "TYPE [SEVERITY [NOTE]]: severity 0 ends the job, 1 to 7 are only noted",
            exception_of,
            set_to,
            (ACTIVE, OVER),
        )

    def action_run_again(self) -> None:
        """Submit the same jobs once more."""
        chosen = self.targets()
        if self._can(chosen, ALL, OVER):
            self._change(
                chosen,
                "Submit again",
                "submitted",
                ALL,
                self._run_again,
            )

    async def _run_again(self, jobid: int) -> None:
        await actions.run_again(self.feed, jobid)

    def action_enter_instance(self) -> None:
        """Go into the instance that the job under the cursor is, until that is left."""
        jobid = self.job_at_cursor()
        if jobid is None:
            self._warn("no job is chosen")
        else:
            in_background(self, self._enter, jobid)

    async def _enter(self, jobid: int) -> None:
        try:
            uri = await actions.instance_uri(self.feed, jobid)
        except OSError as error:
            self._warn(f"{f58(jobid)}: {error.strerror or error}")
            return
        if self.app.screen is self:
            self.top.enter_instance(uri, f58(jobid))

    def job_at_cursor(self) -> int | None:
        """Return the job that is looked at."""
        selection = self.targets()
        if selection.at_cursor is not None:
            return selection.at_cursor
        return selection.jobids[0] if selection.jobids else None

    # How

    def _prompt(
        self,
        title: str,
        note: str,
        read: Callable[[str], object],
        then: Callable[[str, Targets], None],
        needs: tuple[frozenset[Status], str],
    ) -> None:
        """Ask for a line that ``read`` can read, if there are jobs that it is for. It is for those
        that were chosen when it was asked, whatever the cursor is on when it is answered.
        """
        chosen = self.targets()
        if not self._can(chosen, *needs):
            return

        def check(text: str) -> str:
            try:
                read(text)
            except Unreadable as error:
                return str(error)
            return ""

        def answered(text: str | None) -> None:
            if text is None:
                return
            if chosen.able(needs[0]):
                then(text, chosen)
            else:
                self._warn(needs[1])

        from tui.screens.prompt import PromptScreen

        what = f"{title} {chosen.name_of(chosen.able(needs[0]))}?"
        self.app.push_screen(PromptScreen(what, note, check=check), answered)

    def _change(
        self,
        selection: Targets,
        verb: str,
        done: str,
        statuses: frozenset[Status],
        act: Callable[[int], Awaitable[None]],
        always_ask: bool = False,
    ) -> None:
        """Do it to the chosen job at once, to several after asking."""
        able = selection.able(statuses)
        if always_ask or len(able) > 1 or selection.marked:
            self._ask(verb, done, selection, statuses, act)
        elif able:
            work = self._act(done, selection, able, act)
            self.app.run_worker(work, exit_on_error=False, group="actions")
