"""Listing jobs (flux.job.list in the manual): the job-list service's queries, and `JobList` on top
of them.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakKeyDictionary

from flux.constants import (
    FLUX_JOB_STATE_INACTIVE,
    FLUX_NODEID_ANY,
    FLUX_RPC_STREAMING,
    FLUX_USERID_UNKNOWN,
)
from flux.future import WaitAllFuture
from flux.job.attributes import JOB_ATTRIBUTES, LATER_ATTRIBUTES
from flux.job.info import JobInfo
from flux.job.JobID import JobID
from flux.job.list_request import as_constraint, condition_of, list_request, queue_names
from flux.job.state_names import LISTED_STATES, RESULT_FILTERS, STATE_FILTERS
from flux.rpc import RPC
from flux.wire.text import Text, as_number, as_optional_text, as_seconds, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flux.core.interface import Requester
    from flux.wire.json import JsonObject

ALL_ATTRS: tuple[str, ...] = JOB_ATTRIBUTES
"""Every attribute that a job may have, which is what JobList asks for by default."""

PAGE_JOBS = 1000
"""A query for more jobs than these is answered in pages."""

VALID_ATTRS = [*ALL_ATTRS, *LATER_ATTRIBUTES]
"""All that may be asked for, under the name that flux-core's bindings have for it."""

_KNOWN: Final[WeakKeyDictionary[Requester, frozenset[str]]] = WeakKeyDictionary()


class TodaysJobInfo(JobInfo):
    """A job as the functions of this module return it to programs: its ``status`` is what today's
    flux-core calls so, such as ``SCHED``, ``RUN``, ``COMPLETED``, and `JobInfo` calls ``phase``.
    """

    __slots__ = ()

    @property
    def status(self) -> str:
        """Name of the state of an active job, of the result of another."""
        return self.phase

    @property
    def status_abbrev(self) -> str:
        """Abbreviation of the status, such as ``S``, ``R``, ``CD``."""
        return self.phase_abbrev


class JobListRPC(RPC):
    """A query that is answered with a list of jobs."""

    def get_jobs(self) -> list[JsonObject]:
        """Wait for the answer and return the jobs as objects; raises OSError."""
        jobs: list[JsonObject] = self.member("jobs")
        return jobs

    def get_jobinfos(self) -> Iterable[JobInfo]:
        """Wait for the answer and yield the jobs; raises OSError."""
        for job in self.get_jobs():
            yield TodaysJobInfo(job)


class JobListIdRPC(RPC):
    """A query for one job: made as every `RPC`, of a topic and a payload whose ``id`` is the
    job's.
    """

    def __init__(
        self,
        flux_handle: Requester,
        topic: Text,
        payload: Mapping[str, Any],
        nodeid: int = FLUX_NODEID_ANY,
        flags: int = 0,
    ) -> None:
        self.jobid = JobID(payload["id"])
        super().__init__(flux_handle, topic, payload, nodeid, flags)

    def get_job(self) -> JsonObject:
        """Wait for the answer and return the job as an object; raises OSError(ENOENT) for an
        unknown job.
        """
        job: JsonObject = self.member("job")
        return job

    def get_jobinfo(self) -> JobInfo:
        """Wait for the answer and return the job; raises OSError(ENOENT) for an unknown job."""
        return TodaysJobInfo(self.get_job())


class JobListIdsFuture(WaitAllFuture):
    """Queries for several jobs at once; what goes wrong with one of them is told in ``errors``."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def get_jobs(self) -> list[JsonObject]:
        """Wait for all answers and return the jobs that were found."""
        jobs = []
        for child in self.children:
            assert isinstance(child, JobListIdRPC)
            try:
                jobs.append(child.get_job())
            except OSError as exc:
                if exc.errno == errno.ENOENT:
                    self.errors.append(f"JobID {child.jobid.orig_str} unknown")
                else:
                    self.errors.append(f"rpc: {exc.strerror}")
        return jobs

    def get_jobinfos(self) -> list[JobInfo]:
        """Wait for all answers and return the jobs that were found."""
        return [TodaysJobInfo(job) for job in self.get_jobs()]


def job_list(
    flux_handle: Requester,
    max_entries: int = 1000,
    attrs: Iterable[str] | None = None,
    userid: int | None = None,
    states: int = 0,
    results: int = 0,
    since: float = 0.0,
    name: Text | None = None,
    queue: Text | Iterable[Text] | None = None,
    constraint: Mapping[str, object] | None = None,
    queues: Iterable[str] | None = None,
) -> JobListRPC:
    """Ask for jobs: pending ones by priority, then running and inactive ones, newest first.

    The answer has at most ``max_entries`` jobs (0 for no limit), each with its id and the
    attributes ``attrs``, by default all that the broker has. ``userid`` says whose jobs, by default
    the caller's, FLUX_USERID_UNKNOWN for everybody's. ``states`` and ``results`` are unions of
    FLUX_JOB_STATE_* and FLUX_JOB_RESULT_*, 0 for all of them; results alone ask for inactive jobs.
    ``name`` is that of the jobs; ``queue``, one or several, and ``queues`` are names of queues,
    None for all. Jobs that ended at ``since``, seconds since the epoch, or before are left out. A
    ``constraint`` is an object such as ``{"and": [{"name": ["x"]}, {"hostlist": ["node[1-3]"]}]}``,
    with the operators userid, name, queue, states, results, hostlist, ranks, t_submit and other
    times (``">=1.5"``), and, or, not. Brokers of 0.29 know neither of these.
    """
    chosen, condition = queue_names(queue, queues), condition_of(name, constraint)
    if results and not states:
        states = FLUX_JOB_STATE_INACTIVE
    payload = list_request(max_entries, userid, states, results, chosen, since, condition)
    payload["attrs"] = _wanted(flux_handle, attrs)
    return JobListRPC(flux_handle, "job-list.list", payload)


def list_pages(
    flux_handle: Requester, request: Mapping[str, object], topic: str = "job-list.list"
) -> Iterator[list[JsonObject]]:
    """Yield the jobs, as objects, that a request for a list is answered with, in lists of some
    hundred if they may be many; see `JobList.pages`. Raises OSError.

    ``topic`` is that of the request: ``job-list.list`` or ``job-list.list-inactive``.
    """
    most = request.get("max_entries")
    few = isinstance(most, int) and 0 < most <= PAGE_JOBS
    if few or not _sends_pages(flux_handle):
        yield JobListRPC(flux_handle, topic, request).get_jobs()
        return
    rpc = JobListRPC(flux_handle, topic, request, flags=FLUX_RPC_STREAMING)
    while True:
        try:
            jobs = rpc.get_jobs()
        except OSError as exc:
            if exc.errno == errno.ENODATA:
                return
            raise
        rpc.reset()
        yield jobs


def _sends_pages(flux_handle: Requester) -> bool:
    """Whether the broker sends long lists in pages; one of 0.29 would take a request for a stream
    as one for all at once, and never tell the end.
    """
    return "all" in _known_attributes(flux_handle)


def _known_attributes(flux_handle: Requester) -> frozenset[str]:
    """Return the attributes of jobs that the broker knows; asked once for each handle."""
    known = _KNOWN.get(flux_handle)
    if known is None:
        known = frozenset(RPC(flux_handle, "job-list.list-attrs", {}).member("attrs"))
        _KNOWN[flux_handle] = known
    return known


def _wanted(flux_handle: Requester, attrs: Iterable[str] | None) -> list[str]:
    """Return the attributes to ask for: for None, or ``all``, all of them, which brokers of 0.29
    have no word for, none of a broker that does not tell.
    """
    asked = ["all"] if attrs is None else list(attrs)
    if asked != ["all"]:
        return asked
    try:
        known = _known_attributes(flux_handle)
    except OSError:
        return []
    return ["all"] if "all" in known else sorted(known)


def job_list_inactive(
    flux_handle: Requester,
    since: float = 0.0,
    max_entries: int = 1000,
    attrs: Iterable[str] | None = None,
    name: Text | None = None,
    queue: Text | Iterable[Text] | None = None,
    constraint: Mapping[str, object] | None = None,
) -> JobListRPC:
    """Ask for jobs of everybody that ended after ``since`` (seconds since the epoch), newest first,
    those called ``name``, of a ``queue`` or several, and that meet a ``constraint`` if given; see
    `job_list`.
    """
    payload: dict[str, object] = {
        "since": as_seconds(since, "since"),
        "max_entries": as_number(max_entries, "max_entries"),
    }
    text = as_optional_text(name, "name")
    if queue is not None or constraint is not None or _is_of_today(flux_handle):
        user, ended = FLUX_USERID_UNKNOWN, FLUX_JOB_STATE_INACTIVE
        return job_list(
            flux_handle, max_entries, attrs, user, ended, 0, since, name, queue, constraint
        )
    if text:
        payload["name"] = text
    payload["attrs"] = _wanted(flux_handle, attrs)
    return JobListRPC(flux_handle, "job-list.list-inactive", payload)


def _is_of_today(flux_handle: Requester) -> bool:
    """Whether a broker knows times and constraints in ``job-list.list``; those of 0.29 have a
    request of its own for jobs that have ended, which today's have not.
    """
    try:
        return "all" in _known_attributes(flux_handle)
    except OSError:
        return False  # what is asked for is refused in its own words


def job_list_id(
    flux_handle: Requester, jobid: int | Text, attrs: Iterable[str] | None = None
) -> JobListIdRPC:
    """Ask for the attributes ``attrs`` of one job, by default all that the broker has of it."""
    named = JobID(jobid)
    payload = {"id": int(named), "attrs": _wanted(flux_handle, attrs)}
    rpc = JobListIdRPC(flux_handle, "job-list.list-id", payload)
    rpc.jobid = named  # as it was written
    return rpc


def get_job(flux_handle: Requester, jobid: int | Text) -> JsonObject | None:
    """Return what is known of a job, None if there is none of this id: the attributes of `JobInfo`
    by name, with state and result as words. Raises OSError if the query fails.
    """
    try:
        job = job_list_id(flux_handle, jobid, VALID_ATTRS).get_jobinfo()
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            return None
        raise
    return job.facts()


class JobList:
    """A query for jobs, put together step by step; nothing is sent before `fetch_jobs` or `jobs`.

    ``filters`` are names of ``STATES`` and ``RESULTS``, none for all jobs; ``user`` is a name or a
    user id, by default everybody. With ``ids`` the query is for those jobs and the filters do not
    count. ``queue``, one or several, and ``queues`` are names of queues, None for all; ``name`` is
    that of the jobs. Jobs that ended at ``since``, seconds since the epoch, or before are left out;
    ``constraint`` is a further condition, see `job_list`. At most ``max_entries`` jobs come back,
    with the attributes ``attrs``, by default all. Raises ValueError if a filter, the user or a job
    id is not valid.
    """

    STATES: ClassVar[Mapping[str, int]] = {k: v for k, v in STATE_FILTERS.items() if k != "new"}
    RESULTS: ClassVar[Mapping[str, int]] = RESULT_FILTERS

    def __init__(
        self,
        flux_handle: Requester,
        attrs: Iterable[str] = ("all",),
        filters: Iterable[Text] = (),
        ids: Iterable[int | Text] = (),
        user: Text | int | None = None,
        max_entries: int = 1000,
        since: float = 0.0,
        name: Text | None = None,
        queue: Text | Iterable[Text] | None = None,
        constraint: Mapping[str, object] | None = None,
        queues: Iterable[str] | None = None,
    ) -> None:
        self.handle = flux_handle
        self.attrs = list(attrs)
        self.states = 0
        self.results = 0
        self.max_entries = max_entries
        self.queues = queue_names(queue, queues)
        self.since = as_seconds(since, "since")
        self.name = as_optional_text(name, "name")
        self.constraint = None if constraint is None else as_constraint(constraint)
        self.errors: list[str] = []
        self.ids = [JobID(jobid) for jobid in ids]
        self.userid = FLUX_USERID_UNKNOWN
        self._query: JobListRPC | JobListIdsFuture | None = None
        for fname in filters:
            self.add_filter(fname)
        if user is not None:
            self.set_user(user)

    def set_user(self, user: Text | int) -> None:
        """Only list jobs of ``user``, a name or an id, or of everybody for ``all``; raises
        ValueError if there is no such user.
        """
        if user in ("all", b"all"):
            self.userid = FLUX_USERID_UNKNOWN
            return
        self.userid = _userid(user)

    def add_filter(self, fname: Text) -> None:
        """Also list jobs with the state or result ``fname``, or several with commas between them;
        ValueError if one is unknown.
        """
        for name in as_text(fname, "a filter").split(","):
            self._add_filter(name)

    def _add_filter(self, fname: str) -> None:
        name = fname.lower()
        if name == "all":
            self.states |= LISTED_STATES
        elif name in self.STATES:
            self.states |= self.STATES[name]
        elif name in self.RESULTS:
            self.states |= FLUX_JOB_STATE_INACTIVE
            self.results |= self.RESULTS[name]
        else:
            raise ValueError(f"Invalid filter specified: {fname}")

    def fetch_jobs(self) -> JobListRPC | JobListIdsFuture:
        """Send the query and return its future."""
        if self.ids:
            future = JobListIdsFuture()
            for jobid in self.ids:
                future.push(job_list_id(self.handle, jobid, self.attrs))
            self._query = future
        else:
            self._query = JobListRPC(self.handle, "job-list.list", self._request())
        return self._query

    def _request(self) -> dict[str, object]:
        condition = condition_of(self.name, self.constraint)
        filters = self.states, self.results, self.queues, self.since, condition
        attrs = _wanted(self.handle, self.attrs)
        if self.attrs == ["all"] and not attrs:  # of a broker that does not tell
            attrs = list(ALL_ATTRS)
        return {**list_request(self.max_entries, self.userid, *filters), "attrs": attrs}

    def pages(self) -> Iterator[list[JobInfo]]:
        """Yield the jobs in lists of some hundred, so that any number of them takes little memory;
        with ids, or of a broker of 0.29, all of them come at once. Raises OSError when the query
        fails.
        """
        if self.ids:
            yield self._answered(JobInfo)
            return
        for jobs in list_pages(self.handle, self._request()):
            yield [JobInfo(job) for job in jobs]

    def jobs(self) -> list[JobInfo]:
        """Return the jobs, waiting for the answer; what went wrong with single ids is in
        ``errors``.

        Raises OSError when the query fails.
        """
        return self._answered(TodaysJobInfo)

    def _answered(self, kind: type[JobInfo]) -> list[JobInfo]:
        query = self._query or self.fetch_jobs()
        jobs = [kind(job) for job in query.get_jobs()]
        if isinstance(query, JobListIdsFuture):
            self.errors = query.errors
        return jobs


def _userid(user: Text | int) -> int:
    import pwd

    name = str(user) if isinstance(user, int) else as_text(user, "a user")
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if not (name.isascii() and name.isdecimal() and int(name) < FLUX_USERID_UNKNOWN):
            raise ValueError(f"Invalid user {name} specified") from None
        return int(name)
