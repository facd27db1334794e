"""The part of the application that tells when jobs end: by line, bell, desktop or command."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from tui import processes
from tui.exporting import ExportingApp
from tui.model import format as fmt
from tui.model.query import Query
from tui.model.states import ACTIVE
from tui.own_commands import SHELL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.model.dashboard import Dashboard
    from tui.model.watching import News

LONGEST: Final = 200
"""Letters of a notification of the desktop."""


class NotifyingApp(ExportingApp):
    """Tells when watched jobs end, and when jobs fail that the settings have a query for."""

    NOTIFY_BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "b", "tell", "Tell when the marked jobs or this one end, or no more", show=False,
            id="app.tell",
        ),
    ]  # fmt: skip

    _telling = False

    def action_tell(self) -> None:
        """Watch the jobs that are chosen, or no more."""
        self.run_line("tell")

    def do_tell(self, rest: str) -> None:
        """Watch the jobs that match, or those that are chosen, or no more."""
        dashboard = self.dashboard
        table = dashboard.table
        if rest:
            matches = Query.parse(rest).compile(table, dashboard.clock())
            rows = [row for row in table.active if matches is None or matches(row)]
            jobids = [table.ids[row] for row in rows]
        else:
            jobs = self.chosen_jobs()
            jobids = jobs.able(ACTIVE) if jobs is not None else []
        if not jobids:
            raise ValueError("nothing to wait for: no such job, or it is over already")
        fresh = dashboard.watching.toggle(jobids)
        dashboard.revision += 1
        many = f"{fmt.count(len(jobids))} job{'' if len(jobids) == 1 else 's'}"
        told = "you are told when it ends" if len(jobids) == 1 else "you are told when they end"
        self.notify(f"{many}: {told if fresh else 'no more told'}", timeout=4)

    def look_for_ends(self, dashboard: Dashboard, changed: Iterable[int]) -> None:
        """Take in what changed of an instance, and tell what there is to tell."""
        rules, watching = self.settings.notify, dashboard.watching
        failures = Query.parse(rules.failures) if rules.failures else None
        watching.look(dashboard.table, changed, failures, dashboard.clock())
        news = watching.news(time.monotonic(), rules.every)
        if news is not None:
            self._tell(news, dashboard.instance.uri)

    def _tell(self, news: News, uri: str) -> None:
        rules, text = self.settings.notify, news.text()
        if rules.message:
            self.notify(text, severity="warning" if news.bad else "information", timeout=15)
        if rules.bell:
            self.bell()
        if rules.desktop:
            self.write_terminal(desktop_notification(text))
        if rules.command:
            env = processes.environment(uri, news.environment())
            work = self._run_unseen("notify.command", [SHELL, "-c", rules.command], env, quiet=True)
            self.run_worker(work, group="notify", exit_on_error=False)

    def write_terminal(self, text: str) -> None:
        """Write a command to the terminal itself, if one is drawn on."""
        if self._driver is not None and not self.away:
            self._driver.write(text)


def desktop_notification(text: str) -> str:
    """Return what makes a terminal show a notification of the desktop (OSC 9); through tmux, where
    it is let through.
    """
    command = f"\x1b]9;{fmt.printable(text)[:LONGEST]}\x07"
    if os.environ.get("TMUX"):
        command = "\x1bPtmux;" + command.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return command
