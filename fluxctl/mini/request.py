"""What is sent to the broker for one job: jobspec, urgency, flags (flux-mini(1))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux import constants
from fluxctl.mini.options import MiniOptions, failure
from fluxctl.numbers import integer

if TYPE_CHECKING:
    from flux.job.Jobspec import JobspecV1

_URGENCIES = {
    "hold": constants.FLUX_JOB_URGENCY_HOLD,
    "default": constants.FLUX_JOB_URGENCY_DEFAULT,
    "expedite": constants.FLUX_JOB_URGENCY_EXPEDITE,
}
_FLAGS = {
    "debug": constants.FLUX_JOB_DEBUG,
    "waitable": constants.FLUX_JOB_WAITABLE,
    "novalidate": constants.FLUX_JOB_NOVALIDATE,
}


@dataclass(slots=True)
class JobRequest:
    """What ``job-ingest.submit`` is asked for one job."""

    jobspec: JobspecV1
    urgency: int = constants.FLUX_JOB_URGENCY_DEFAULT
    flags: int = 0


def make_request(jobspec: JobspecV1, options: MiniOptions) -> JobRequest:
    """Return the request that submits a jobspec with the urgency and flags of the options.

    This is apart from making the jobspec because a dry run shows a jobspec and, like
    flux-core's, looks at neither. Raises CommandError if one of them is malformed.
    """
    if options.plugins is not None:
        options.plugins.validate(jobspec)
    return JobRequest(jobspec, parse_urgency(options.urgency), parse_flags(options))


def parse_urgency(text: str | None) -> int:
    """Return the urgency that an option names, the default for None.

    Raises CommandError if it is neither a number nor a name.
    """
    if text is None:
        return constants.FLUX_JOB_URGENCY_DEFAULT
    if text.lower() in _URGENCIES:
        return _URGENCIES[text.lower()]
    urgency = integer(text)
    if urgency is None:
        raise failure(f"--urgency: invalid value: {text}")
    return urgency


def parse_flags(options: MiniOptions) -> int:
    """Return the flags of ``--flags`` and ``--debug``. Raises CommandError for unknown names."""
    flags = constants.FLUX_JOB_DEBUG if options.debug else 0
    for text in options.flags:
        for name in text.split(","):
            if name not in _FLAGS:
                raise failure(f"--flags: Unknown flag {name}")
            flags |= _FLAGS[name]
    return flags
