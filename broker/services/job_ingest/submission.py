"""One submission: what a client sent, checked as far as that needs no other service. Pure."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from flux.constants import (
    FLUX_JOB_DEBUG,
    FLUX_JOB_NOVALIDATE,
    FLUX_JOB_URGENCY_DEFAULT,
    FLUX_JOB_URGENCY_MAX,
    FLUX_JOB_WAITABLE,
)
from flux.job.jobspec_v1 import InvalidJobspec, validate
from flux.security import unwrap
from flux.wire import json

if TYPE_CHECKING:
    from broker.services.job_ingest.options import ValidatorOptions
    from flux.wire.json import JsonObject

KNOWN_FLAGS: Final = FLUX_JOB_DEBUG | FLUX_JOB_WAITABLE | FLUX_JOB_NOVALIDATE
_TOKEN: Final = re.compile(r"[A-Za-z]+|-?[0-9.]+|\S")


class Submission(Struct, frozen=True):
    """A checked submission; ``text`` is the jobspec as it was sent, ``signed`` as it was signed."""

    userid: int
    signed: str
    text: bytes
    jobspec: object
    urgency: int
    flags: int

    def job(self, id: int, t_submit: float) -> JsonObject:
        """Return the entry for ``job-manager.submit``: the job with its id and the time it came,
        in seconds since the epoch.
        """
        return {
            "id": id,
            "userid": self.userid,
            "urgency": self.urgency,
            "flags": self.flags,
            "t_submit": t_submit,
            "J": self.signed,
            "jobspec": self.jobspec,
        }


def check(
    signed: str,
    urgency: int,
    flags: int,
    userid: int,
    *,
    is_owner: bool,
    options: ValidatorOptions | None = None,
) -> Submission:
    """Check a submission of ``userid``, its jobspec included unless ``options`` of the module say
    that nothing does, or that plugins do for other versions than 1.

    Raises OSError: EPERM for what the user may not do and, as in flux-core, for a jobspec that is
    invalid; EINVAL for what cannot be read.
    """
    check_limits(urgency, flags, is_owner=is_owner)
    text, signer = unwrap(signed)
    if signer != userid:
        raise OSError(errno.EPERM, f"signer={signer} != requestor={userid}")
    jobspec = decode(text)
    if not flags & FLUX_JOB_NOVALIDATE and not _is_for_others(jobspec, options):
        try:
            validate(jobspec)
        except InvalidJobspec as exc:
            raise OSError(errno.EPERM, str(exc)) from exc
    return Submission(userid, signed, text, jobspec, urgency, flags)


def _is_for_others(jobspec: object, options: ValidatorOptions | None) -> bool:
    if options is None:
        return False
    other = isinstance(jobspec, dict) and jobspec.get("version") != 1
    return options.disabled or (other and options.any_version)


def check_limits(urgency: int, flags: int, *, is_owner: bool) -> None:
    """Raise OSError unless the user may submit with this urgency and these flags (flux-mini(1))."""
    if not 0 <= urgency <= FLUX_JOB_URGENCY_MAX:
        raise OSError(errno.EINVAL, f"urgency range is [0:{FLUX_JOB_URGENCY_MAX}]")
    if flags & ~KNOWN_FLAGS:
        raise OSError(errno.EPROTO, "unknown job flags")
    if is_owner:
        return
    if urgency > FLUX_JOB_URGENCY_DEFAULT:
        raise OSError(
            errno.EPERM,
            f"only the instance owner can submit jobs with urgency >{FLUX_JOB_URGENCY_DEFAULT}",
        )
    if flags & FLUX_JOB_WAITABLE:
        raise OSError(errno.EPERM, "only the instance owner can submit with FLUX_JOB_WAITABLE")
    if flags & FLUX_JOB_NOVALIDATE:
        raise OSError(errno.EPERM, "only the instance owner can submit with FLUX_JOB_NOVALIDATE")


def decode(text: bytes) -> object:
    """Return the jobspec in ``text``; raises OSError(EINVAL) with the reason when it is not
    JSON.
    """
    start = text.lstrip()[:1]
    if start not in (b"{", b"["):
        token = _TOKEN.match(text.decode("utf-8", "replace").lstrip())
        near = f"near '{token.group()}'" if token else "near end of file"
        raise OSError(errno.EINVAL, f"jobspec: invalid JSON: '[' or '{{' expected {near}")
    try:
        jobspec: object = json.loads(text)
    except ValueError as exc:
        raise OSError(errno.EINVAL, f"jobspec: invalid JSON: {exc}") from exc
    return jobspec
