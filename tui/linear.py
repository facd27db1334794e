"""The dashboard as lines: one for each change of a job, of the connection, of the queues.

For pipes, logs and screen readers: nothing is told twice, and states are words.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from flux.time_text import time_text
from tui.model import format as fmt
from tui.model import reasons
from tui.model.jobid import f58
from tui.model.states import PENDING, RUNNING, STATUS, Status
from tui.model.users import user_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.feed.base import Feed
    from tui.model.dashboard import Dashboard

PERIOD: Final = 0.2
SPARE: Final = 1000
"""Jobs that are remembered beside twice those of the list, before the purged are forgotten."""


class LinePrinter:
    """Turns what changed in a dashboard into lines."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.dashboard = dashboard
        self._told: dict[int, int] = {}
        self._changed: set[int] = set()
        self._link = ""
        self._silent = False
        self._notices: tuple[str, ...] = ()
        self._begun = False

    def lines(self) -> list[str]:
        """Return the lines for everything that happened since the last call, fit for a terminal."""
        return list(map(fmt.printable, self._lines()))

    def _lines(self) -> list[str]:
        dashboard = self.dashboard
        table, view = dashboard.table, dashboard.view
        self._changed.update(table.ids[row] for row in dashboard.settle())
        lines = self._link_lines()
        if not dashboard.link.up:
            return lines
        changed = sorted(table.rows(self._changed))
        self._changed.clear()
        if not self._begun:
            self._begun = True
            self._told = {table.ids[row]: table.status[row] for row in range(len(table))}
            return [*lines, self.summary(), *self._notice_lines()]
        lines += self._notice_lines()
        for row in self._moved(changed):
            if row in view:
                lines.append(self._line(row))
        return lines

    def _moved(self, rows: list[int]) -> list[int]:
        """Return the rows whose status differs from what was told last."""
        table, moved = self.dashboard.table, []
        for row in rows:
            jobid, status = table.ids[row], table.status[row]
            if self._told.get(jobid) != status:
                self._told[jobid] = status
                moved.append(row)
        if len(self._told) > SPARE + 2 * len(table):  # the others were purged
            known = table.row_of
            self._told = {jobid: told for jobid, told in self._told.items() if jobid in known}
        return moved

    def _link_lines(self) -> list[str]:
        """Return what became of the connection."""
        link, lines = self.dashboard.link, []
        text = "" if link.up else link.text
        if text != self._link:
            self._link = text
            lines.append(self._remark("connection", text or "connected"))
        silent = link.up and bool(self.dashboard.silence)
        if silent != self._silent:
            self._silent = silent
            told = "the instance does not answer" if silent else "the instance answers again"
            lines.append(self._remark("connection", told))
        return lines

    def _notice_lines(self) -> list[str]:
        """Return what became of the queues."""
        before, self._notices = self._notices, self.dashboard.notices
        begun = [text for text in self._notices if text not in before]
        over = [f"no longer so: {text}" for text in before if text not in self._notices]
        return [self._remark("notice", text) for text in (*begun, *over)]

    def _remark(self, kind: str, text: str) -> str:
        """Return a line that is not about a job; ``kind`` is for programs."""
        return f"{self._stamp(self.dashboard.clock())} # {text}"

    def _stamp(self, timestamp: float) -> str:
        return time_text(timestamp, "%H:%M:%S")

    def _when(self, row: int) -> float:
        table = self.dashboard.table
        return (
            table.t_inactive[row] or table.t_cleanup[row] or table.t_run[row] or table.t_submit[row]
        )

    def _line(self, row: int) -> str:
        table = self.dashboard.table
        status = Status(table.status[row])
        words = [
            self._stamp(self._when(row)),
            f58(table.ids[row]),
            user_name(table.userid[row]),
            STATUS[status].word,
            table.name[row],
        ]
        ran = table.runtime(row, self.dashboard.clock())
        if ran >= 0 and status not in (Status.RUN,):
            words.append(fmt.duration(ran))
        reason = reasons.info(table, row)
        if reason:
            words.append(reason)
        return " ".join(word for word in words if word)

    def summary(self) -> str:
        """Return one line on the whole instance."""
        dashboard = self.dashboard
        counts, use = dashboard.table.counts, dashboard.utilisation
        size = dashboard.instance.size
        return (
            f"{self._stamp(dashboard.clock())} # {size} broker{'' if size == 1 else 's'}, "
            f"{use.allocated} of {use.total} cores in use; "
            f"jobs: {dashboard.total(RUNNING)} running, "
            f"{dashboard.total(PENDING)} pending, {counts[Status.COMPLETED]} completed, "
            f"{counts[Status.FAILED]} failed, "
            f"{counts[Status.CANCELED]} canceled, {counts[Status.TIMEOUT]} timed out"
        )


class ObjectPrinter(LinePrinter):
    """The same as JSON, an object a line. ``type`` says what it is about; times are seconds since
    the epoch, ``runtime`` is in seconds, all text is ASCII.
    """

    def lines(self) -> list[str]:
        """Return the objects for everything that happened since the last call."""
        return self._lines()

    def _remark(self, kind: str, text: str) -> str:
        return self._object(self.dashboard.clock(), kind, text=text)

    def _line(self, row: int) -> str:
        table = self.dashboard.table
        status = Status(table.status[row])
        ran = table.runtime(row, self.dashboard.clock())
        told: dict[str, object] = {
            "id": table.ids[row],
            "jobid": f58(table.ids[row]),
            "userid": table.userid[row],
            "username": user_name(table.userid[row]),
            "state": STATUS[status].word,
            "name": table.name[row],
        }
        if ran >= 0 and status is not Status.RUN:
            told["runtime"] = round(ran, 6)
        if reason := reasons.info(table, row):
            told["reason"] = reason
        return self._object(self._when(row), "job", **told)

    def summary(self) -> str:
        """Return one object on the whole instance."""
        dashboard = self.dashboard
        counts, use = dashboard.table.counts, dashboard.utilisation
        return self._object(
            dashboard.clock(),
            "summary",
            size=dashboard.instance.size,
            cores={"all": use.total, "allocated": use.allocated},
            jobs={
                "running": dashboard.total(RUNNING),
                "pending": dashboard.total(PENDING),
                "completed": counts[Status.COMPLETED],
                "failed": counts[Status.FAILED],
                "canceled": counts[Status.CANCELED],
                "timeout": counts[Status.TIMEOUT],
            },
        )

    def _object(self, timestamp: float, kind: str, **told: object) -> str:
        return json.dumps({"timestamp": timestamp, "type": kind} | told)


async def run_linear(
    feed: Feed, dashboard: Dashboard, write: Callable[[str], None], *, as_json: bool = False
) -> None:
    """Follow ``feed`` and ``write`` a line for each change, until cancelled."""
    printer = ObjectPrinter(dashboard) if as_json else LinePrinter(dashboard)
    following = asyncio.create_task(feed.run(dashboard), name="feed")
    try:
        while not following.done():
            for line in printer.lines():
                write(line)
            await asyncio.sleep(PERIOD)
        following.result()
    finally:
        following.cancel()
        await feed.close()
