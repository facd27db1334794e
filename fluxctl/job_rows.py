"""The output of ``flux jobs``: rows of jobs, or objects of JSON; and jobs that stdin has."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from fluxctl.color import RESET, begin
from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.job_tree import cut
from fluxctl.json_output import print_json_lines
from fluxctl.standard_input import announce

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.job.info import JobInfo, JobInfoFormat
    from flux.wire.json import JsonObject
    from fluxctl.color import Role

_ROLES: dict[int | str, Role] = {1: "good", 2: "bad", 4: "faint", 8: "bad"}
"""The colors of results."""
_ROWS_AT_ONCE = 2000


def job_facts(job: JobInfo) -> JsonObject:
    """Return the attributes of a job as job-list has them, its short id and its status."""
    from flux.job.JobID import id_encode

    return {**job.raw(), "f58": id_encode(job.id, "f58"), "status": job.status}


class JsonJobs:
    """Jobs as today's flux-core prints them as JSON: one object whose ``jobs`` are all of them, or,
    if ``alone``, the only one by itself. They are printed as they come.
    """

    def __init__(self, alone: bool) -> None:
        self._alone = alone
        self._begun = False

    def show(self, jobs: Iterable[JsonObject]) -> None:
        """Print jobs."""
        from json import dumps

        for job in jobs:
            sys.stdout.write("" if self._alone else ", " if self._begun else '{"jobs": [')
            sys.stdout.write(dumps(job))
            self._begun = True

    def end(self) -> None:
        """Print what closes them; nothing where the only one is not there."""
        if self._alone:
            sys.stdout.write("\n" if self._begun else "")
        else:
            sys.stdout.write("]}\n" if self._begun else '{"jobs": []}\n')


def role_of(job: JobInfo) -> Role:
    """Return the color of a job, that of its result."""
    return _ROLES.get(job.result_id, "")


def line_width(asked: int | None) -> int | None:
    """Return after how many characters lines are cut if ``--width`` is ``asked``, 0 for the
    terminal's; None for not at all.
    """
    if asked != 0:
        return asked
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _print(jobs: list[JobInfo], layout: JobInfoFormat, color: bool, width: int | None) -> None:
    """Print the rows in pieces, so that the first ones appear at once and a reader that stops early
    costs little.
    """
    format_row, write = layout.format, sys.stdout.write
    for start in range(0, len(jobs), _ROWS_AT_ONCE):
        lines: list[str] = []
        try:
            for job in jobs[start : start + _ROWS_AT_ONCE]:
                paint = begin(role_of(job)) if color else ""
                line = cut(format_row(job), width)
                if not line.strip():
                    continue  # as today's flux-core has it: what is not there makes no line
                lines.append(f"{paint}{line}\n{RESET}" if paint else f"{line}\n")
        except ValueError as exc:
            write("".join(lines))
            raise CommandError(f"ERROR: {exc}") from None
        write("".join(lines))
        sys.stdout.flush()


class Table:
    """The output: a header, if any, before the first rows, then rows as they come, or when all have
    come if the format depends on all of them; ``shown`` is their number. Lines are cut after
    ``width`` characters, unless that is None. As JSON, jobs are lines unless ``json_jobs`` takes
    them.
    """

    def __init__(
        self,
        layout: JobInfoFormat,
        as_json: bool,
        color: bool,
        header: str | None,
        width: int | None = None,
        json_jobs: JsonJobs | None = None,
    ) -> None:
        self._layout = layout
        self._json_jobs = json_jobs
        self._width = width
        self._kept: list[JobInfo] | None = [] if layout.needs_all and not as_json else None
        self.as_json = as_json
        self.color = color
        self.header = header
        self.shown = 0

    def _begin(self) -> None:
        """Print the header, which waits for an answer: an error has none."""
        if self.header is not None:
            echo(cut(self.header, self._width))
            self.header = None

    def show(self, jobs: list[JobInfo]) -> None:
        """Print rows."""
        self.shown += len(jobs)
        if self._kept is not None:
            self._kept += jobs
            return
        self._begin()
        if self._json_jobs is not None:
            self.show_json(job.to_dict() for job in jobs)
        elif self.as_json:
            print_json_lines(map(job_facts, jobs))
        else:
            _print(jobs, self._layout, self.color, self._width)

    def show_json(self, jobs: Iterable[JsonObject]) -> None:
        """Print jobs as JSON that is made already."""
        if self._json_jobs is None:
            print_json_lines(jobs)
        else:
            self._json_jobs.show(jobs)

    def show_group(self, jobs: list[JobInfo]) -> None:
        """Print rows that are all that belong together; raises CommandError for a spec that does
        not fit.
        """
        if self._kept is None:
            self.show(jobs)
        else:
            self.shown += len(jobs)
            self._print_settled(jobs)

    def _print_settled(self, jobs: list[JobInfo]) -> None:
        jobs = self._layout.sort_items(jobs)
        try:
            layout = self._layout.settled(jobs, self.header is None)
        except ValueError as exc:
            raise CommandError(f"ERROR: {exc}") from None
        if self.header is not None:
            self.header = layout.header()
        self._begin()
        _print(jobs, layout, self.color, self._width)

    def end(self) -> None:
        """Print what is left to print; raises CommandError for a spec that does not fit."""
        if self._kept is not None and (self._kept or self.header is not None):
            jobs, self._kept = self._kept, []
            self._print_settled(jobs)
        self._begin()
        if self._json_jobs is not None:
            self._json_jobs.end()
        sys.stdout.flush()


_PARTIAL_JOB: dict[str, object] = dict.fromkeys(("userid", "urgency", "t_submit", "state"), 0)
"""What is shown of a job that says nothing of it; `JobInfo` knows the rest."""


def jobs_of_stdin() -> Iterator[list[JobInfo]]:
    """Yield jobs from lines of JSON, as ``flux job list`` prints them."""
    from flux.job.info import JobInfo
    from flux.wire import json

    announce("jobs as JSON, one a line,")
    page: list[JobInfo] = []
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            page.append(JobInfo(_PARTIAL_JOB | json.loads(line)))
        except (ValueError, TypeError, KeyError):
            raise CommandError(f"ERROR: line {number} of standard input is no job") from None
        if len(page) >= _ROWS_AT_ONCE:
            yield page
            page = []
    if page:
        yield page
