"""``flux jobs --query``: which of the jobs that the broker lists are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job.query.jobinfo import JobInfoReader, attributes
from flux.job.query.match import names_field, predicate
from flux.job.query.syntax import QueryError, parse
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flux.job.info import JobInfo
    from fluxctl.job_selection import Selection


class JobQuery:
    """A query of ``flux jobs``, with the number of jobs to list at most, 0 for all.

    Raises CommandError for one that cannot be read: the reason, the query, and a caret below the
    mistake.
    """

    def __init__(self, text: str, count: int) -> None:
        self._count = count
        try:
            self._tree = parse(text)
            self._test = predicate(self._tree, JobInfoReader())
        except QueryError as exc:
            shown = "".join(char if char.isprintable() else " " for char in text)
            raise CommandError(f"ERROR: query: {exc}\n  {shown}\n  {exc.caret()}") from None

    @property
    def attributes(self) -> list[str]:
        """What job-list has to tell of the jobs."""
        return attributes(self._tree)

    @property
    def needs_reasons(self) -> bool:
        """Whether the query looks at why jobs wait."""
        return names_field(self._tree, "info")

    def widened(self, wanted: Selection) -> Selection:
        """Return the selection among which to look: without ``--filter`` ended jobs too, and
        everybody's if the query names users; any number, for who knows how many of them are meant.
        """
        listed: Selection = {**wanted, "count": 0}
        if wanted["filters"] is None:
            listed["all_jobs"] = True
        if wanted["user"] is None and names_field(self._tree, "user"):
            listed["user"] = "all"
        return listed

    def found(self, pages: Iterable[list[JobInfo]]) -> Iterator[list[JobInfo]]:
        """Yield the jobs that the query finds."""
        left, test = self._count, self._test
        for page in pages:
            jobs = page if test is None else [job for job in page if test(job)]
            if self._count and len(jobs) >= left:
                yield jobs[:left]
                return
            left -= len(jobs)
            yield jobs

    def unbounded(self, pages: Iterable[list[JobInfo]]) -> Iterator[list[JobInfo]]:
        """Yield all jobs that the query finds, whatever number is to be listed."""
        for page in pages:
            yield [job for job in page if self.finds(job)]

    def finds(self, job: JobInfo) -> bool:
        """Tell whether the query finds a job."""
        return self._test is None or self._test(job)
