"""The format of job listings: the fields of a job by name, and the headings of their columns
(flux-jobs(1); ``flux.job.info.JobInfoFormat`` in the manual).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from flux.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOB_STATE_PENDING
from flux.output_format import OutputFormat
from flux.output_values import UtilFormatter, heading_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ANNOTATION_ROOTS = ("annotations.", "sched.", "user.")

_URIS: Final[Mapping[str, Callable[[Any], str]]] = {"uri": str, "uri.local": attrgetter("local")}
"""Fields of the URI of an instance, which are empty for other jobs."""
_PARTS: Final = {"all": "", "up": "UP", "down": "DOWN", "allocated": "USED", "free": "FREE"}
"""Parts of an instance's resources, and the heading of each."""


def _nodes_it_has(job: Any) -> int | str:
    """Return the number of nodes of a job that runs or ran, empty for others: in 0.29 the field
    ``nnodes`` does not tell of nodes that are asked for (flux-jobs(1)).
    """
    waits = job.state_id & FLUX_JOB_STATE_PENDING
    placed = job.t_run or job.ranks or job.nodelist  # one of them has been asked for
    never_ran = job.state_id == FLUX_JOB_STATE_INACTIVE and not placed
    found: int | str = "" if waits or never_ran else job.nnodes
    return found


class _Headings(dict[str, str]):
    """Headings of the job fields; any path into the annotations has one too."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (
            isinstance(name, str) and name.startswith(_ANNOTATION_ROOTS)
        )

    def __missing__(self, name: str) -> str:
        return name.removeprefix("annotations.").upper()


class JobInfoFormat(OutputFormat):
    """An output format over the fields of `flux.job.info.JobInfo`, as ``flux jobs --format`` takes
    it (flux-jobs(1)). Raises ValueError if the format is malformed or names an unknown field.
    """

    class JobFormatter(UtilFormatter):
        """Formatter of a row."""

        def convert_field(self, value: object, conv: str | None) -> object:
            """Apply a conversion; an annotation that is not there is empty in any form."""
            if not isinstance(value, str | int | float):
                from flux.job.annotations import AnnotationsInfo

                if isinstance(value, AnnotationsInfo) and not value:
                    return ""
            return super().convert_field(value, conv)

    class HeaderFormatter(JobFormatter):
        """Formatter of the heading row: looks headings up by the literal field name."""

        def get_field(
            self, field_name: str, args: object, kwargs: Mapping[str, object]
        ) -> tuple[object, str]:
            """Return the heading of a field without following dots."""
            return kwargs[field_name], field_name

        def format_field(self, value: object, format_spec: str) -> str:
            """Apply width and alignment."""
            return format(value, heading_spec(format_spec))

    formatter = JobFormatter

    headings: Mapping[str, str] = _Headings(
        {
            "id": "JOBID",
            "id.f58": "JOBID",
            "id.f58plain": "JOBID",
            "id.hex": "JOBID",
            "id.dothex": "JOBID",
            "id.words": "JOBID",
            "id.emoji": "JOBID",
            "id.dec": "JOBID",
            "id.kvs": "JOBID",
            "userid": "UID",
            "username": "USER",
            "urgency": "URG",
            "priority": "PRI",
            "state": "STATE",
            "state_single": "S",
            "name": "NAME",
            "queue": "QUEUE",
            "cwd": "CWD",
            "project": "PROJECT",
            "bank": "BANK",
            "ncores": "NCORES",
            "duration": "DURATION",
            "t_priority": "T_PRIORITY",
            "t_sched": "T_SCHED",
            "ntasks": "NTASKS",
            "nnodes": "NNODES",
            "node_count": "NNODES",
            "expiration": "EXPIRATION",
            "t_remaining": "T_REMAINING",
            "ranks": "RANKS",
            "nodelist": "NODELIST",
            "contextual_info": "INFO",
            "contextual_time": "TIME",
            "inactive_reason": "INACTIVE-REASON",
            "phase": "STATUS",
            "phase_abbrev": "ST",
            "state_emoji": "STATE",
            "status_emoji": "STATUS",
            "result_emoji": "RESULT",
            "reason": "REASON",
            "where": "NODELIST(REASON)",
            "success": "SUCCESS",
            "result": "RESULT",
            "result_abbrev": "RS",
            "t_submit": "T_SUBMIT",
            "t_depend": "T_DEPEND",
            "t_run": "T_RUN",
            "t_cleanup": "T_CLEANUP",
            "t_inactive": "T_INACTIVE",
            "runtime": "RUNTIME",
            "status": "STATUS",
            "status_abbrev": "ST",
            "waitstatus": "WSTATUS",
            "returncode": "RC",
            "exception.occurred": "EXCEPTION-OCCURRED",
            "exception.severity": "EXCEPTION-SEVERITY",
            "exception.type": "EXCEPTION-TYPE",
            "exception.note": "EXCEPTION-NOTE",
            "annotations": "ANNOTATIONS",
            "dependencies": "DEPENDENCIES",
            "sched": "SCHED",
            "user": "USER",
            "annotations.sched.t_estimate": "T_ESTIMATE",
            "annotations.sched.reason_pending": "REASON",
            "annotations.sched.resource_summary": "RESOURCES",
            "sched.t_estimate": "T_ESTIMATE",
            "sched.reason_pending": "REASON",
            "sched.resource_summary": "RESOURCES",
            "uri": "URI",
            "uri.local": "URI",
            "instance.stats.total": "NJOBS",
            "instance.utilization": "CORE%",
            "instance.gpu_utilization": "GPU%",
            "instance.progress": "PROG",
            **{
                f"instance.resources.{part}.{kind}": heading or kind[1:].upper()
                for part, heading in _PARTS.items()
                for kind in ("ncores", "ngpus", "nnodes")
            },
        }
    )

    def __init__(
        self,
        fmt: str,
        headings: Mapping[str, str] | None = None,
        prepend: str | None = None,
        *,
        prefixes: bool = True,
    ) -> None:
        super().__init__(fmt, headings or type(self).headings, prepend or "", prefixes=prefixes)

    def getter(self, name: str) -> Callable[[Any], Any]:
        """Return what gets the field of a name from a `flux.job.info.JobInfo`."""
        if name == "nnodes":
            return _nodes_it_has
        shown = _URIS.get(name)
        if shown is None:
            return super().getter(name)

        def get(job: Any) -> str:
            uri = job.uri
            return "" if uri is None else shown(uri)

        return get
