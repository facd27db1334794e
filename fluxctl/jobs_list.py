"""What ``flux jobs`` lists: the jobs of an instance in their order, and those of the instances
among them if that is asked for.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.job_fields import REASON_FIELDS, attributes_of
from fluxctl.jobs_request import query_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flux.core.handle import Flux
    from flux.job.info import JobInfo
    from flux.job.list import JobList
    from flux.wire.json import JsonObject
    from fluxctl.job_query import JobQuery
    from fluxctl.job_rows import Table
    from fluxctl.job_selection import Selection
    from fluxctl.jobs_options import Order

_WHO_IS_AN_INSTANCE = ("annotations", "state", "userid")


def known_attributes(flux: Flux, queues: str | None) -> list[str]:
    """Return all attributes of jobs that the broker knows; raises CommandError if queues are asked
    for that it does not know.
    """
    from flux.job.list import VALID_ATTRS

    known = flux.rpc("job-list.list-attrs", {}).get()["attrs"]
    if queues and "queue" not in known:
        raise CommandError("ERROR: the broker knows no queues", 1)
    return [name for name in VALID_ATTRS if name in known]


def add_reasons(flux: Flux, jobs: list[JobInfo]) -> None:
    """Ask why the pending ones of some jobs wait."""
    import time

    from flux.constants import FLUX_JOB_STATE_SCHED
    from flux.job.reasons import pending_reasons

    waiting = {int(job.id): job for job in jobs if job.state_id == FLUX_JOB_STATE_SCHED}
    for jobid, reason in pending_reasons(flux, waiting, time.time()).items():
        waiting[jobid].set_pending_reason(reason)


def with_reasons(flux: Flux, pages: Iterable[list[JobInfo]]) -> Iterator[list[JobInfo]]:
    """Yield lists of jobs once they know why they wait."""
    for page in pages:
        add_reasons(flux, page)
        yield page


def stats_line(flux: Flux) -> tuple[str, int]:
    """Return the summary of an instance's jobs, and how many are active."""
    from flux.job.stats import JobStats

    stats = JobStats(flux)
    stats.update_sync()
    text = (
        f"{stats.running} running, {stats.successful} completed, "
        f"{stats.failed} failed, {stats.pending} pending"
    )
    return text, stats.active


@dataclass(frozen=True, slots=True)
class Listing:
    """What to list of an instance: jobs, the fields that are shown of them, what ``--query`` asks
    of them, their order, and whether a summary stands before them.
    """

    wanted: Selection
    fields: Sequence[str]
    sought: JobQuery | None
    order: Order | None
    stats: bool = False

    def query(self, flux: Flux, everything: bool, more: Iterable[str] = ()) -> JobList:
        """Return the request for the jobs, of all their attributes or of those that are needed."""
        wanted = self.wanted
        attrs = known_attributes(flux, wanted["queues"]) if everything else []
        attrs += [] if everything else attributes_of(self.fields)
        attrs += [] if self.order is None else attributes_of(self.order.fields)
        if self.sought is not None:
            attrs += self.sought.attributes
            wanted = self.sought.widened(wanted)
        return query_of(flux, wanted, list(dict.fromkeys([*attrs, *more])))

    def pages(self, flux: Flux, query: JobList, *, plain: bool) -> Iterator[list[JobInfo]]:
        """Yield the jobs that a request is answered with, in lists; ``plain`` is for JSON, which
        does not say why jobs wait. Raises OSError.
        """
        reasons = not plain and not REASON_FIELDS.isdisjoint(self.fields)
        reasons = reasons or (self.sought is not None and self.sought.needs_reasons)
        pages = with_reasons(flux, query.pages()) if reasons else query.pages()
        found = pages if self.sought is None else self.sought.found(pages)
        if self.order is None:
            yield from found
        else:
            yield self.order([job for page in found for job in page])


@dataclass(slots=True)
class InnerJobs:
    """The jobs of an instance that is a job: its path of ids, the jobs, by place among them those
    of the instances in turn; ``error`` says why it does not answer.
    """

    path: str
    jobs: list[JobInfo] = field(default_factory=list)
    inner: dict[int, InnerJobs] = field(default_factory=dict)
    summary: str = ""
    error: str = ""


class NestedJobs:
    """Reads and shows the jobs of instances among jobs, ``levels`` down at most (None for all),
    those of other users too if ``every``; ``threads`` are asked at once, 0 for as many as suit.
    """

    def __init__(self, listing: Listing, levels: int | None, every: bool, threads: int) -> None:
        self._listing = listing
        self._levels = levels
        self._every = every
        self._threads = threads

    def show(self, flux: Flux, table: Table) -> JobList:
        """Show the jobs of an instance, and below them those of the instances among them; returns
        the request for the former. Raises OSError if it does not answer.
        """
        query = self._listing.query(flux, table.as_json, _WHO_IS_AN_INSTANCE)
        pages = self._listing.pages(flux, query, plain=table.as_json)
        top = InnerJobs("", [job for page in pages for job in page])
        if not table.as_json:
            table.show_group(top.jobs)
            sys.stdout.flush()
        self._descend(top, 0, table.as_json)
        if table.as_json:
            table.show_json(_facts(top))
            table.shown += len(top.jobs)
        for inner in top.inner.values():
            self._show(inner, table)
        return query

    def _show(self, found: InnerJobs, table: Table) -> None:
        shown = table.shown
        if found.error:
            echo(f"flux-jobs: WARNING: {found.path}: {found.error}", err=True)
        if not table.as_json:
            echo(f"\n{found.path}:")
            if found.summary:
                echo(found.summary)
            table.show_group(found.jobs)
        table.shown = shown  # the number of those that --count is about
        for inner in found.inner.values():
            self._show(inner, table)

    def _descend(self, found: InnerJobs, level: int, plain: bool) -> None:
        """Read the jobs of the instances among some jobs, several of these at once."""
        from concurrent.futures import ThreadPoolExecutor

        if self._levels is not None and level >= self._levels:
            return
        instances = [place for place, job in enumerate(found.jobs) if self._is_instance(job)]
        if not instances:
            return
        with ThreadPoolExecutor(self._threads or None, "flux-jobs") as pool:
            read = pool.map(
                lambda place: self._read(found.path, found.jobs[place], level + 1, plain), instances
            )
            found.inner = dict(zip(instances, read, strict=True))

    def _is_instance(self, job: JobInfo) -> bool:
        if job.state != "RUN" or job.uri is None:
            return False
        return self._every or job.userid == os.getuid()

    def _read(self, path: str, job: JobInfo, level: int, plain: bool) -> InnerJobs:
        from flux.core.handle import Flux
        from flux.uri.forms import reachable

        found = InnerJobs(f"{path}/{job.id.f58}".lstrip("/"))
        listing = self._listing
        inside = Listing(
            {**listing.wanted, "jobids": ()}, listing.fields, listing.sought, listing.order
        )
        try:
            with Flux(reachable(str(job.uri))) as inner:
                if listing.stats and not plain:
                    found.summary, _ = stats_line(inner)
                query = inside.query(inner, plain, _WHO_IS_AN_INSTANCE)
                pages = inside.pages(inner, query, plain=plain)
                found.jobs = [job for page in pages for job in page]
        except OSError as exc:
            # It has ended meanwhile, or is on a host that cannot be reached. One that is starting
            # or ending has no list of jobs, and none to tell.
            if exc.errno != errno.ENOSYS:
                found.error = exc.strerror or os.strerror(exc.errno or errno.EIO)
            return found
        self._descend(found, level, plain)
        return found


def _facts(found: InnerJobs) -> Iterator[JsonObject]:
    """Yield what is known of jobs, with the jobs of those that are instances."""
    for place, job in enumerate(found.jobs):
        facts = job.to_dict()
        inner = found.inner.get(place)
        yield facts if inner is None else {**facts, "jobs": list(_facts(inner))}
