"""All that is known of a job by name, as ``flux jobs --json`` and `flux.job.get_job` tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.job.JobID import JobID
    from flux.wire.json import JsonObject


class KnownJob(Protocol):
    """A job by its attributes, those of `flux.job.info.JobInfo`."""

    @property
    def defaults(self) -> Mapping[str, object]:
        """What attributes without a value are, by name."""

    @property
    def id(self) -> JobID:
        """The id."""

    @property
    def state_id(self) -> int:
        """The state, 0 if it was not asked for."""

    @property
    def annotations(self) -> Any:
        """What plugins and users noted."""

    @property
    def dependencies(self) -> Any:
        """What it waits for."""

    @property
    def exception(self) -> object:
        """What ended it before its time."""

    @property
    def uri(self) -> object:
        """Where the instance in it is reached, None for other jobs."""


_TOLD: Final = (
    "t_submit",
    "t_remaining",
    "state",
    "username",
    "userid",
    "urgency",
    "runtime",
    "phase",
    "returncode",
)
"""What is told beside those attributes that have a default."""
_OF_THE_STATE: Final = ("state", "phase")
_NAMES: Final = {"phase": "status"}
"""Attributes that today's flux-core calls otherwise."""
_EXCEPTION: Final = ("occurred", "severity", "type", "note")


def facts_of(job: KnownJob) -> JsonObject:
    """Return all that is known of a job, as its attributes say it: state and result as words, and
    what follows from the rest, such as ``runtime``. ``status`` is that of today's flux-core, and
    an instance has its ``uri``, which is not among its annotations then.
    """
    known: JsonObject = {name: getattr(job, name) for name in job.defaults}
    known["id"] = job.id
    for name in _TOLD:
        # Who did not ask for the state is not told that it is unknown.
        if hasattr(job, name) and (job.state_id or name not in _OF_THE_STATE):
            known[_NAMES.get(name, name)] = getattr(job, name)
    annotations = dict(job.annotations.annotationsDict)
    known |= {
        "dependencies": list(job.dependencies),
        "jobid": job.id.f58,
        "annotations": annotations,
        "exception": {name: getattr(job.exception, name) for name in _EXCEPTION},
    }
    if job.uri is not None:
        known["uri"] = str(job.uri)
        rest = {name: value for name, value in annotations["user"].items() if name != "uri"}
        annotations["user"] = rest
        if not rest:
            del annotations["user"]
    return known


def without_the_empty(facts: JsonObject) -> JsonObject:
    """Return what is known of a job without what is empty, and without times of what has not
    happened.
    """
    exception = {name: value for name, value in facts["exception"].items() if value != ""}
    exception["occurred"] = bool(exception.get("occurred"))
    kept = {name: value for name, value in facts.items() if value != "" and not _unset(name, value)}
    return {**kept, "exception": exception}


def _unset(name: str, value: object) -> bool:
    return value == 0 and name.startswith(("t_", "expiration", "runtime"))
