"""Which members of a job's jobspec may be changed, when and by whom (flux-update(1)). No I/O.

Time limit and queue as in flux-core: the time limit of a job that waits is its owner's, within the
limits of its queue, that of a job with resources the instance owner's, who is bound by no limit; a
queue is changed before there are resources, by its rules for everybody. Beside these there is what
only describes a job, and what plugins answer for.
"""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from flux.constants import FLUX_JOB_STATE_PENDING
from flux.constraint.match import check_constraint, joined, without
from flux.job.updates import (
    ATTRIBUTES,
    CONSTRAINTS,
    DURATION,
    NAME,
    QUEUE,
    SYSTEM,
    check_key,
    expiration_after,
    member,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.services.job_manager.policy import JobPolicy
    from broker.services.job_manager.queues import Queues
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject

PAST: Final = "requested duration places job expiration in the past"
USER: Final = "attributes.user."
TEXTS: Final = frozenset(
    (NAME, *(SYSTEM + name for name in ("project", "bank", "account", "qos", "comment")))
)
"""Keys of texts that describe a job: nothing here acts on them."""
AT_ANY_TIME: Final = frozenset((NAME, SYSTEM + "comment"))
"""Those that may be changed while the job runs, too."""


class KeyVerdict(Struct, frozen=True):
    """What is to be done about one key.

    ``more`` is what has to be set besides or instead. ``validated``: whoever asks may do what the
    checks would refuse; ``limits``: those of the queue have to be looked at; ``feasibility``: the
    job may have become one that can never run.
    """

    more: JsonObject = {}
    validated: bool = False
    limits: bool = False
    feasibility: bool = False


class Ruling(Struct, frozen=True):
    """What is to be done about an update: ``updates`` are all members to set."""

    updates: JsonObject
    validated: bool
    limits: bool
    feasibility: bool


def is_pending(job: Job) -> bool:
    """Whether a job has no resources yet."""
    return bool(job.state & FLUX_JOB_STATE_PENDING)


class Asked(Struct, frozen=True):
    """An update, as its rules see it; ``now`` is in seconds since the epoch, ``owner`` whether the
    instance owner asks.
    """

    job: Job
    updates: JsonObject
    owner: bool
    now: float
    policy: JobPolicy
    queues: Queues

    def value(self, key: str) -> object:
        """Return what a member of the jobspec is to be."""
        return self.updates[key] if key in self.updates else member(self.job.jobspec, key)


def decide(asked: Asked, judged: Mapping[str, KeyVerdict], knows: Callable[[str], bool]) -> Ruling:
    """Return what is to be done about an update; ``judged`` are the keys that plugins answered for,
    and ``knows`` tells whether a key is known to the rules of the site. Raises OSError, saying
    why, if the update is refused as a whole.
    """
    verdicts = []
    for key in asked.updates:
        check_form(key)
        verdict = _verdict(asked, key, knows)
        if verdict is not None:
            verdicts.append(verdict)
        elif key not in judged:
            raise OSError(errno.EINVAL, f"update of {key} not supported")
        if key in judged:
            verdicts.append(judged[key])
    updates = dict(asked.updates)
    for verdict in verdicts:
        updates |= verdict.more
    if DURATION in updates:  # a plugin may have set it
        _seconds(updates[DURATION])
    if QUEUE in updates:
        _queue_name(asked, updates[QUEUE])
    return Ruling(
        updates,
        all(verdict.validated for verdict in verdicts),
        any(verdict.limits for verdict in verdicts),
        any(verdict.feasibility for verdict in verdicts),
    )


def check_form(key: str) -> None:
    """Raise OSError(EINVAL) for a key that no jobspec has."""
    if not key.startswith(ATTRIBUTES):
        raise OSError(errno.EINVAL, "one or more jobspec updates are invalid")
    try:
        check_key(key)
    except ValueError:
        raise OSError(errno.EINVAL, f"update of {key:.200} not supported") from None


def _verdict(asked: Asked, key: str, knows: Callable[[str], bool]) -> KeyVerdict | None:
    """Return the verdict about one key, None if it is unknown; raises OSError."""
    if key in _RULES:
        return _RULES[key](asked)
    if key in TEXTS:
        return _text(asked, key)
    if key.startswith(USER):
        return KeyVerdict()
    if not knows(key):
        return None
    _must_be_pending(asked, key.removeprefix(SYSTEM))
    return KeyVerdict(limits=True)


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise OSError(errno.EINVAL, "duration must be a number of seconds")
    if value < 0:
        raise OSError(errno.EINVAL, "duration must not be negative")
    return value


def _queue_name(asked: Asked, value: object) -> str:
    if not isinstance(value, str):
        raise OSError(errno.EINVAL, "queue must be a string")
    if not value or value not in asked.policy.queues:
        raise OSError(errno.EINVAL, f"'{value}' is not a valid queue")
    return value


def _duration(asked: Asked) -> KeyVerdict:
    value = _seconds(asked.updates[DURATION])
    if is_pending(asked.job):
        return KeyVerdict(validated=asked.owner, limits=True)
    if not asked.owner:
        raise OSError(
            errno.EPERM, "only the instance owner may change the duration of a running job"
        )
    if asked.job.resources is None:
        raise OSError(errno.EINVAL, "the job has no resources")
    expiration = expiration_after(asked.job.resources, value, asked.job.t_alloc)
    if expiration and expiration <= asked.now:
        raise OSError(errno.EINVAL, PAST)
    return KeyVerdict(validated=True)


def _queue(asked: Asked) -> KeyVerdict:
    _must_be_pending(asked, "queue")
    value = _queue_name(asked, asked.updates[QUEUE])
    if not asked.queues.of(value).submission.on:
        raise OSError(errno.EINVAL, f"queue {value} is currently disabled")
    if not asked.owner:
        asked.policy.check_access(value, asked.job.userid)
    more = {} if CONSTRAINTS in asked.updates else _constraints_in(asked, value)
    return KeyVerdict(more, limits=True, feasibility=True)


def _constraints_in(asked: Asked, queue: str) -> JsonObject:
    """Return the constraints of a job in another queue: that one's instead of those of its own."""
    before = asked.policy.requires(asked.job.queue)
    after = asked.policy.requires(queue)
    if not before and not after:
        return {}
    own = without(asked.value(CONSTRAINTS), before)
    return {CONSTRAINTS: joined(own, after)}


def _constraints(asked: Asked) -> KeyVerdict:
    value = asked.updates[CONSTRAINTS]
    _must_be_pending(asked, "constraints")
    try:
        check_constraint({} if value is None else value)
    except ValueError as exc:
        raise OSError(errno.EINVAL, f"{CONSTRAINTS}: {exc}") from None
    queue = asked.updates.get(QUEUE, asked.job.queue)
    requires = asked.policy.requires(queue) if isinstance(queue, str) else ()
    return KeyVerdict({CONSTRAINTS: joined(value, requires)}, feasibility=True)


def _text(asked: Asked, key: str) -> KeyVerdict:
    name = key.removeprefix(SYSTEM)
    if key not in AT_ANY_TIME:
        _must_be_pending(asked, name)
    if not isinstance(asked.updates[key], str):
        raise OSError(errno.EINVAL, f"{name} must be a string")
    return KeyVerdict()


def _must_be_pending(asked: Asked, what: str) -> None:
    if not is_pending(asked.job):
        raise OSError(errno.EINVAL, f"update of {what} for running job not supported")


_RULES: Final[Mapping[str, Callable[[Asked], KeyVerdict]]] = {
    DURATION: _duration,
    QUEUE: _queue,
    CONSTRAINTS: _constraints,
}


def verdict_of(out: JsonMapping) -> KeyVerdict:
    """Return what the handler of a plugin says about a key, by the names of its answer; raises
    ValueError if that is no answer.
    """
    more = out.get("updates") or {}
    if not isinstance(more, dict):
        raise ValueError("updates is no dictionary")
    for key in more:
        check_key(key)
    return KeyVerdict(
        more,
        validated=bool(out.get("validated")),
        limits=not out.get("validated"),
        feasibility=bool(out.get("feasibility")),
    )
