"""What is known of a job, as attributes (flux.job.info in the manual, RFC 21)."""

from __future__ import annotations

import pwd
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from flux import constants
from flux.duration import fsd
from flux.job.annotations import AnnotationsInfo
from flux.job.info_fields import (
    job_fields_to_attrs,
    resulttoemoji,
    statetoemoji,
    statustoemoji,
)
from flux.job.info_format import JobInfoFormat
from flux.job.info_storage import KeptInfo, attributes_of
from flux.job.JobID import JobID
from flux.job.state_names import phase_name, result_name, state_name, status_name
from flux.job.todays_words import DependencyList, InfoList, ending_words, waiting_words
from flux.job.why import Waiting, why_pending, why_unsuccessful
from flux.memoized_property import memoized_property
from flux.waitstatus import return_code_of
from flux.wire import json
from flux.wire.text import as_number, as_text

if TYPE_CHECKING:
    from flux.job.instance_info import (
        EmptyObject as EmptyObject,
    )
    from flux.job.instance_info import (
        InstanceInfo as InstanceInfo,
    )
    from flux.job.instance_info import (
        StatsInfo as StatsInfo,
    )
    from flux.uri.uri import JobURI
    from flux.wire.json import JsonMapping, JsonObject

__all__ = [
    "AnnotationsInfo",
    "DependencyList",
    "ExceptionInfo",
    "InfoList",
    "JobInfo",
    "JobInfoFormat",
    "fsd",
    "get_username",
    "job_fields_to_attrs",
    "resulttoemoji",
    "resulttostr",
    "statetoemoji",
    "statetostr",
    "statustoemoji",
    "statustostr",
]
_LAZY = ("EmptyObject", "InstanceInfo", "StatsInfo")


def __getattr__(name: str) -> object:
    """Load what few programs want of a job when it is named first."""
    if name not in _LAZY:
        raise AttributeError(f"module 'flux.job.info' has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module("flux.job.instance_info"), name)
    return found


_BEFORE_IT_RAN: Final = {
    constants.FLUX_JOB_RESULT_CANCELED: -128,
    constants.FLUX_JOB_RESULT_FAILED: 1,
}
"""Return codes of jobs without tasks by their results."""


def statetostr(stateid: int, singlechar: bool = False, fmt: str = "L") -> str:
    """Return the name of a job state, or its letter with ``singlechar``, or with ``S`` for
    ``fmt``.
    """
    return state_name(as_number(stateid, "a state"), _is_short(singlechar, fmt))


def resulttostr(resultid: int | str, singlechar: bool = False, fmt: str = "L") -> str:
    """Return the name of a job result, or its abbreviation; empty while there is no result. See
    `statetostr`.
    """
    if resultid == "":
        return ""
    return result_name(as_number(resultid, "a result"), _is_short(singlechar, fmt))


def statustostr(stateid: int, resultid: int | str, abbrev: bool = False, fmt: str = "L") -> str:
    """Return the status of a job, the friendly mix of state and result: ``PENDING``, ``RUNNING``,
    ``COMPLETED``… See `statetostr`.
    """
    state = as_number(stateid, "a state")
    result = None if resultid == "" else as_number(resultid, "a result")
    return status_name(state, result, _is_short(abbrev, fmt))


def _is_short(short: bool | str, fmt: str) -> bool:
    """Whether a short name is asked for: by the flag of 0.29, or by the letter of later versions,
    which may stand in its place.
    """
    letter = as_text(fmt, "fmt")
    return (short if isinstance(short, str) else letter) == "S" or short is True


@lru_cache(maxsize=1024)
def get_username(userid: int) -> str:
    """Return the login name of a user id, or the id as text if it has none."""
    try:
        return pwd.getpwuid(userid).pw_name
    except KeyError:
        return str(userid)


class ExceptionInfo:
    """The exception of a job: ``occurred``, ``severity``, ``type`` and ``note``; empty strings
    where unknown.
    """

    def __init__(self, occurred: bool | str, severity: int | str, _type: str, note: str) -> None:
        self.occurred = occurred
        self.severity = severity
        self.type = _type
        self.note = note


class JobInfo(KeptInfo):
    """The reply of ``job-list`` about one job, as attributes that are computed when they are asked
    for.

    ``info_resp`` is the job object of the response, or a dict with the same keys, of which only
    ``id`` must be there. Times are seconds since the epoch, 0 for what has not happened. Its
    ``__dict__`` has the attributes with an underscore before their names.
    """

    __slots__ = ()

    defaults: ClassVar[JsonObject] = {
        "t_depend": 0.0,
        "t_priority": 0.0,
        "t_sched": 0.0,
        "t_run": 0.0,
        "t_cleanup": 0.0,
        "t_inactive": 0.0,
        "duration": 0.0,
        "expiration": 0.0,
        "name": "",
        "cwd": "",
        "queue": "",
        "project": "",
        "bank": "",
        "ntasks": "",
        "ncores": "",
        "nnodes": "",
        "priority": "",
        "ranks": "",
        "nodelist": "",
        "success": "",
        "result": "",
        "waitstatus": "",
    }
    """Values of the attributes that job-list leaves out."""

    def __init__(self, info_resp: JsonMapping) -> None:
        info = dict(info_resp)
        self._info = info
        self.id = JobID(info["id"])
        self.state_id = info.get("state", 0)
        self.result_id = info.get("result", "")

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """All that is known of the job, by the names that flux-core's bindings keep it under."""
        return attributes_of(self, self.defaults)

    def __getattr__(self, name: str) -> Any:
        """Return a raw attribute of the response or its default; AttributeError if there is
        neither. It is the same with an underscore before its name, which is where flux-core's
        bindings keep it and programs look for it.
        """
        if name.startswith("__") or name == "_info":
            raise AttributeError(name)
        asked, name = name, name.removeprefix("_")
        if asked != name and isinstance(getattr(type(self), name, None), property):
            return getattr(self, name)
        info = self._info
        if name in info:
            return info[name]
        if name in self.defaults:
            return self.defaults[name]
        raise AttributeError(f"invalid JobInfo attribute '{name}'")

    def get_runtime(self) -> float:
        """Return how long the job has been running or ran, in seconds; 0 if it never started."""
        t_run = float(self.t_run)
        if not t_run:
            return 0.0
        t_cleanup = float(self.t_cleanup)
        return max((t_cleanup or time.time()) - t_run, 0.0)

    def get_remaining_time(self) -> float:
        """Return the seconds until a running job expires; 0 for other jobs and for unlimited
        ones.
        """
        expiration = float(self.expiration)
        if not self.state_id & constants.FLUX_JOB_STATE_RUNNING or not expiration:
            return 0.0
        return max(expiration - time.time(), 0.0)

    @memoized_property
    def runtime(self) -> float:
        """See get_runtime()."""
        return self.get_runtime()

    @memoized_property
    def t_remaining(self) -> float:
        """See get_remaining_time()."""
        return self.get_remaining_time()

    @property
    def state(self) -> str:
        """Name of the state, such as ``RUN``."""
        return statetostr(self.state_id)

    @property
    def state_single(self) -> str:
        """Letter of the state."""
        return statetostr(self.state_id, True)

    @property
    def result(self) -> str:
        """Name of the result, empty while the job is active."""
        return resulttostr(self.result_id)

    @property
    def result_abbrev(self) -> str:
        """Abbreviation of the result."""
        return resulttostr(self.result_id, True)

    @property
    def status(self) -> str:
        """Status of the job, such as ``PENDING``."""
        return statustostr(self.state_id, self.result_id)

    @property
    def status_abbrev(self) -> str:
        """Abbreviation of the status, such as ``PD``."""
        return statustostr(self.state_id, self.result_id, True)

    @property
    def phase(self) -> str:
        """The status as today's flux-core has it, such as ``SCHED``, ``RUN``, ``COMPLETED``."""
        return phase_name(self.state_id, self._known_result)

    @property
    def phase_abbrev(self) -> str:
        """Abbreviation of that status, such as ``S``, ``R``, ``CD``."""
        return phase_name(self.state_id, self._known_result, True)

    @property
    def _known_result(self) -> int | None:
        return self.result_id if isinstance(self.result_id, int) else None

    @property
    def username(self) -> str:
        """Login name of the submitter."""
        return get_username(self.userid)

    @memoized_property
    def annotations(self) -> AnnotationsInfo:
        """All annotations."""
        return AnnotationsInfo(self._info.get("annotations") or {})

    @property
    def sched(self) -> Any:
        """The scheduler's annotations."""
        return self.annotations.sched

    @property
    def user(self) -> Any:
        """The user's annotations."""
        return self.annotations.user

    @property
    def dependencies(self) -> DependencyList:
        """Outstanding dependencies; a begin-time is ``begin@TIME``."""
        return DependencyList(self._info.get("dependencies") or ())

    @memoized_property
    def exception(self) -> ExceptionInfo:
        """The job's most severe exception."""
        get = self._info.get
        return ExceptionInfo(
            get("exception_occurred", ""),
            get("exception_severity", ""),
            get("exception_type", ""),
            get("exception_note", ""),
        )

    @property
    def returncode(self) -> int | str:
        """Exit code, negative signal number, -128 if cancelled before it ran, 1 if it failed
        before; empty while the job is active.
        """
        status = self._info.get("waitstatus", "")
        if status != "":
            return return_code_of(int(status))
        known = self._known_result
        return "" if known is None else _BEFORE_IT_RAN.get(known, "")

    @property
    def reason(self) -> str:
        """Why a pending job waits, or why an ended one was no success; empty for other jobs."""
        state = self.state_id
        if state & constants.FLUX_JOB_STATE_PENDING:
            return self._pending_reason(state)
        if state != constants.FLUX_JOB_STATE_INACTIVE:
            return ""
        status, result = self._info.get("waitstatus", ""), self.result_id
        return why_unsuccessful(
            result if isinstance(result, int) else 0,
            str(self._info.get("exception_type") or ""),
            str(self._info.get("exception_note") or ""),
            None if status == "" else int(status),
        )

    def set_pending_reason(self, reason: str) -> None:
        """Say why the job waits, as ``flux.job.pending_reasons`` tells it."""
        self._info["pending_reason"] = reason

    def _pending_reason(self, state: int) -> str:
        get = self._info.get
        return why_pending(
            Waiting(
                state,
                tuple(map(str, get("dependencies") or ())),
                get("urgency"),
                get("priority"),
                get("annotations") or {},
                get("pending_reason", ""),
            ),
            time.time(),
        )

    @property
    def node_count(self) -> int | str:
        """How many nodes the job has or had, or asks for; empty if it asks for none by number."""
        count: int | str = self.nnodes
        return count

    @property
    def where(self) -> str:
        """Where the job runs or ran, or in parentheses why it has not."""
        nodelist, reason = str(self.nodelist), self.reason
        return nodelist if nodelist or not reason else f"({reason})"

    def facts(self) -> JsonObject:
        """Return all that is known of the job by name; see `flux.job.info_dict.facts_of`."""
        from flux.job.info_dict import facts_of

        return facts_of(self)

    @property
    def state_emoji(self) -> str:
        """Picture of the state."""
        return statetoemoji(self.state_id)

    @property
    def result_emoji(self) -> str:
        """Picture of the result."""
        return resulttoemoji(self.result_id)

    @property
    def status_emoji(self) -> str:
        """Picture of the status."""
        return statustoemoji(self.state_id, self.result_id)

    @property
    def contextual_info(self) -> str:
        """Where the job runs or ran, or in the words of today's flux-core why it waits: ``held``,
        ``depends:NAME``, empty for resources. `reason` says more.
        """
        if self.state_id & constants.FLUX_JOB_STATE_PENDING:
            return waiting_words(self._info, self.state_id)
        return str(self.nodelist)

    @property
    def contextual_time(self) -> float:
        """How long the job has run, or while it waits its time limit, in seconds."""
        pending = self.state_id & constants.FLUX_JOB_STATE_PENDING
        return float(self.duration) if pending else self.get_runtime()

    @property
    def inactive_reason(self) -> str:
        """How the job ended in the words of today's flux-core, empty for others: ``Exit 0``,
        ``Killed``, ``Timeout``, ``Canceled: NOTE``. `reason` says more.
        """
        if self.state_id != constants.FLUX_JOB_STATE_INACTIVE:
            return ""
        return ending_words(self._info, self._known_result or 0, self.returncode)

    @property
    def uri(self) -> JobURI | None:
        """The URI of the instance that the job is, None for other jobs."""
        from flux.uri.uri import JobURI

        found = (self.annotations.annotationsDict.get("user") or {}).get("uri")
        return JobURI(str(found)) if found else None

    def get_instance_info(self) -> InstanceInfo:
        """Return what the instance that the job is tells of itself; nothing of other jobs, or when
        the job does not run.
        """
        # By its name: it reaches for a socket, which nothing else here does.
        made = cast("type[InstanceInfo]", __getattr__("InstanceInfo"))
        running = self.state_id & constants.FLUX_JOB_STATE_RUNNING
        if not running or self.uri is None:
            return made(None)
        from flux.uri.forms import reachable

        return made(reachable(str(self.uri)))

    @property
    def instance(self) -> InstanceInfo:
        """What `get_instance_info` returns, asked for once."""
        told: InstanceInfo | None = getattr(self, "_told", None)
        if told is None:
            told = self._told = self.get_instance_info()
        return told

    def raw(self) -> JsonObject:
        """Return the attributes as they came."""
        return dict(self._info)

    def to_dict(self, filtered: bool = True) -> JsonObject:
        """Return what is known of the job by name, see `facts`; ``filtered`` leaves out what is
        empty, and times of what has not happened.
        """
        if not filtered:
            return self.facts()
        from flux.job.info_dict import without_the_empty

        return without_the_empty(self.facts())

    def __repr__(self) -> str:
        return f"JobInfo({json.dumps(self._info).decode('utf-8')})"
