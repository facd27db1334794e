"""The jobs and settings that a site-factor plugin is given, in its own process."""

from __future__ import annotations

import errno
import pwd
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonMapping


class Details:
    """What Slurm keeps in ``job_record_t.details``; for reading."""

    __slots__ = (
        "accrue_time",
        "begin_time",
        "min_cpus",
        "min_nodes",
        "nice",
        "submit_time",
        "work_dir",
    )

    accrue_time: int
    begin_time: int
    min_cpus: int
    min_nodes: int
    nice: int
    submit_time: int
    work_dir: str

    def __init__(self, fields: JsonMapping) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, fields[name])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"details.{name} of a job cannot be set: only its site_factor can")


class JobRecord:
    """A job (``job_record_t``); ``site_factor`` is there to be set, `NICE_OFFSET` added."""

    __slots__ = (
        "account",
        "comment",
        "details",
        "job_id",
        "job_state",
        "name",
        "partition",
        "priority",
        "qos",
        "site_factor",
        "time_limit",
        "total_cpus",
        "total_nodes",
        "urgency",
        "user_id",
    )

    account: str
    comment: str
    details: Details
    job_id: int
    job_state: int
    name: str
    partition: str
    priority: int
    qos: str
    site_factor: object
    time_limit: int
    total_cpus: int
    total_nodes: int
    urgency: int
    user_id: int

    def __init__(self, fields: JsonMapping) -> None:
        for name in self.__slots__:
            value = Details(fields[name]) if name == "details" else fields[name]
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        if name != "site_factor":
            raise AttributeError(f"{name} of a job cannot be set: only its site_factor can")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<job {self.job_id}>"

    @property
    def group_id(self) -> int:
        """The group of the job's user."""
        return _group_of(self.user_id)

    @property
    def nice(self) -> int:
        """The nice value, `NICE_OFFSET` added."""
        return int(self.details.nice)

    @property
    def submit_time(self) -> int:
        """When the job was submitted."""
        return int(self.details.submit_time)

    @property
    def begin_time(self) -> int:
        """Since when the job could run, 0 if it cannot."""
        return int(self.details.begin_time)


@lru_cache(maxsize=1 << 16)
def _group_of(userid: int) -> int:
    try:
        return pwd.getpwuid(userid).pw_gid
    except (KeyError, OverflowError):
        return userid


class SiteJobs:
    """``job_list``: the pending and the running jobs, in the order of their ids."""

    def __init__(self) -> None:
        self._jobs: dict[int, JobRecord] = {}
        self._before: dict[int, int] = {}
        self._sorted: list[int] | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[JobRecord]:
        return iter([self._jobs[jobid] for jobid in self.ids()])

    def __getitem__(self, place: int) -> JobRecord:
        return self._jobs[self.ids()[place]]

    def ids(self) -> list[int]:
        """Return the ids of the jobs, in order."""
        if self._sorted is None:
            self._sorted = sorted(self._jobs)
        return self._sorted

    def find(self, jobid: int) -> tuple[JobRecord, int]:
        """Return a job and the site factor that the broker knows of it."""
        return self._jobs[jobid], self._before[jobid]

    def told(self, jobid: int, factor: int) -> None:
        """The broker knows the site factor of a job."""
        self._before[jobid] = factor

    def __contains__(self, jobid: object) -> bool:
        """Whether there is a job with this id, or whether this job is there."""
        return jobid in self._jobs or getattr(jobid, "job_id", None) in self._jobs

    def take(self, news: JsonMapping) -> None:
        """Take what has changed {known, gone, jobs, priorities}.

        Raises OSError(ESTALE) if there are not as many jobs as the broker takes for ``known``.
        """
        if news["known"] != len(self._jobs):
            self._jobs.clear()
            self._before.clear()
            if news["known"]:
                raise OSError(errno.ESTALE, "the jobs are not known")
        for jobid in news["gone"]:
            self._jobs.pop(jobid, None)
            self._before.pop(jobid, None)
        for fields in news["jobs"]:
            job = self._jobs[fields["job_id"]] = JobRecord(fields)
            self._before[job.job_id] = fields["site_factor"]
        for jobid, priority in news["priorities"]:
            if jobid in self._jobs:
                object.__setattr__(self._jobs[jobid], "priority", priority)
        self._sorted = None


class SiteSettings:
    """``conf``: the parameters of slurm.conf(5) that are for the plugin."""

    def __init__(self) -> None:
        self.PrioritySiteFactorParameters: str | None = None
        self.PriorityCalcPeriod = 0

    def set(self, given: JsonMapping) -> None:
        """Take {parameters, calc_period}, the period in seconds."""
        self.PrioritySiteFactorParameters = given["parameters"]
        self.PriorityCalcPeriod = int(given["calc_period"])
