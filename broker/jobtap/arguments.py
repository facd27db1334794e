"""What a handler of a jobtap plugin is called with, and what it may answer (flux-jobtap-plugins(7),
JOBTAP PLUGIN ARGUMENTS).
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final

from flux.constants import FLUX_JOB_PRIORITY_MAX, FLUX_JOB_PRIORITY_MIN
from flux.wire import json

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject

MAX_TEXT: Final = 1 << 14
"""Characters of a note, a description or a refusal at most: they are kept in eventlogs."""
_FACTS: Final = ("id", "state", "userid", "urgency", "priority", "t_submit")
_MORE: Final = ("entry", "prev_state", "dependency", "updates", "key")
"""What some callbacks have."""


class Rejected(Exception):
    """A plugin refuses a job; the text is told to the submitter."""


class Broken(Rejected):
    """A plugin was to judge a job and failed."""


class Args:
    """The arguments of one callback, by their names in the manual: ``args["id"]``.

    Every callback has ``jobspec`` (without its environment), ``id``, ``state``, ``userid``,
    ``urgency``, ``priority`` (-1 before there is one) and ``t_submit`` (seconds since the epoch);
    ``R`` is there when the job has resources, ``entry`` with an event or a new state,
    ``prev_state`` with a new state, ``dependency`` with a dependency, ``updates`` with an update
    of the jobspec, ``key`` and ``value`` with one member of it. What the plugin returns goes into
    ``out`` (``priority``, ``annotations``; ``validated``, ``feasibility`` and ``updates`` about a
    key), or is that there is no priority yet (``unavailable``).

    ``changed`` is the jobspec that the job is to have, if that is not the one it has.
    """

    __slots__ = (
        "changed",
        "dependency",
        "entry",
        "job",
        "key",
        "out",
        "prev_state",
        "unavailable",
        "updates",
        "value",
    )

    def __init__(
        self,
        job: Job,
        entry: JsonMapping | None = None,
        prev_state: int | None = None,
        dependency: JsonMapping | None = None,
        *,
        updates: JsonMapping | None = None,
        key: str | None = None,
        changed: JsonObject | None = None,
    ) -> None:
        self.job = job
        self.entry = entry
        self.prev_state = prev_state
        self.dependency = dependency
        self.updates = updates
        self.key = key
        self.value: object = None if key is None or updates is None else updates[key]
        self.changed = changed
        self.out: JsonObject = {}
        self.unavailable = False

    def __getitem__(self, key: str) -> Any:
        """Return an argument by its name in the manual; raises KeyError for one this callback does
        not have.
        """
        if key not in self:
            raise KeyError(key)
        if key == "jobspec":
            return redacted(self.job.jobspec if self.changed is None else self.changed)
        if key == "R":
            return self.job.resources
        return getattr(self.job if key in _FACTS else self, key)

    def __contains__(self, key: object) -> bool:
        if key == "R":
            return self.job.resources is not None
        if key == "value":
            return self.key is not None
        if key in _MORE:
            return getattr(self, str(key)) is not None
        return key == "jobspec" or key in _FACTS

    def __iter__(self) -> Iterator[str]:
        names = ("jobspec", *_FACTS, "R", *_MORE, "value")
        return (name for name in names if name in self)

    def get(self, key: str, default: object = None) -> object:
        """Return an argument, ``default`` for one this callback does not have."""
        try:
            return self[key]
        except KeyError:
            return default

    def keys(self) -> list[str]:
        """Return the names of the arguments this callback has; ``dict(args)`` is all of them."""
        return list(self)


def redacted(jobspec: JsonObject | None) -> JsonObject:
    """Return a jobspec without its environment."""
    if jobspec is None:
        return {}
    attributes = jobspec.get("attributes") or {}
    system = {
        key: value
        for key, value in (attributes.get("system") or {}).items()
        if key != "environment"
    }
    return {**jobspec, "attributes": {**attributes, "system": system}}


# What plugins give, checked at the edge: behind it the job manager trusts its types.


def checked_priority(value: object) -> int:
    """Return a priority; raises ValueError for anything but an integer in RFC 30's range."""
    if type(value) is not int:
        raise ValueError(f"a priority is an integer, not {_shown(value)}")
    if not FLUX_JOB_PRIORITY_MIN <= value <= FLUX_JOB_PRIORITY_MAX:
        span = f"{FLUX_JOB_PRIORITY_MIN} to {FLUX_JOB_PRIORITY_MAX}"
        raise ValueError(f"a priority is an integer from {span}, not {_shown(value)}")
    return value


def checked_object(value: object, what: str) -> JsonObject:
    """Return a JSON object that is the plugin's no more; raises ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is a dictionary, not {_shown(value)}")
    try:
        kept: JsonObject = json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as exc:
        raise ValueError(f"{what} is no JSON: {exc}") from None
    return kept


def checked_text(value: object, what: str, most: int = MAX_TEXT) -> str:
    """Return a text that is not empty; raises ValueError for anything else."""
    if not isinstance(value, str) or not value or len(value) > most:
        raise ValueError(f"{what} is a text of 1 to {most} characters, not {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is no text in UTF-8: {_shown(value)}") from None
    return value


def checked_word(value: object, what: str, most: int = 255) -> str:
    """Return one printable word; raises ValueError for anything else."""
    text = checked_text(value, what, most)
    if len(text.split()) != 1 or not text.isprintable():
        raise ValueError(f"{what} is one word, not {_shown(value)}")
    return text


def checked_severity(value: object) -> int:
    """Return the severity of an exception (RFC 21); raises ValueError for anything but 0 to 7."""
    if type(value) is not int or not 0 <= value <= 7:
        raise ValueError(f"a severity is an integer from 0 to 7, not {_shown(value)}")
    return value


def complaint(answer: object, *, strict: bool) -> str | None:
    """Return what is wrong with the value that a handler returned, None for nothing.

    As in C, a negative number is a failure. Where a job could slip past a check (``strict``), so
    is whatever else is not None or a number: who returns False does not mean yes.
    """
    if answer is None or answer is True:
        return None
    if isinstance(answer, Coroutine):
        answer.close()
        return "is a coroutine function: start coroutines by get_flux().spawn()"
    if isinstance(answer, int) and answer is not False and answer >= 0:
        return None
    if strict or (isinstance(answer, int) and answer < 0):
        return f"returned {_shown(answer)}"
    return None


def _shown(value: object) -> str:
    try:
        return f"{value!r:.100}"
    except Exception:
        return f"a {type(value).__name__}"
