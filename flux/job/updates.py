"""Changes of a job after its submission: what ``jobspec-update`` and ``resource-update`` events do
to its jobspec and its R (RFC 21). No I/O.

The stored jobspec and R stay what they were. Who wants to know what holds now applies the updates
of the eventlog to them, in order: each sets a member to a value, so that it does no harm to apply
one twice. What is changed is copied, the rest is shared with the object before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject

JOBSPEC_UPDATE: Final = "jobspec-update"
RESOURCE_UPDATE: Final = "resource-update"
SET_FLAGS: Final = "set-flags"
UPDATE_EVENTS: Final = frozenset((JOBSPEC_UPDATE, RESOURCE_UPDATE))

ATTRIBUTES: Final = "attributes."
"""What the keys of a ``jobspec-update`` begin with."""
SYSTEM: Final = "attributes.system."
DURATION: Final = "attributes.system.duration"
QUEUE: Final = "attributes.system.queue"
CONSTRAINTS: Final = "attributes.system.constraints"
NAME: Final = "attributes.system.job.name"
EXPIRATION: Final = "expiration"
"""The member of a ``resource-update`` that there is: seconds since the epoch, 0 for no end."""

SPECIAL_KEYS: Final[Mapping[str, str]] = {"name": NAME}
"""Short names of keys, beside those that are short for a member of ``attributes.system``."""
DEEPEST: Final = 64
"""Parts of a key at most."""
_WHOLE: Final = (ATTRIBUTES, "tasks.", "resources.")


def full_key(key: str) -> str:
    """Return the key of a jobspec's member that a user's word stands for (flux-update(1))."""
    if key in SPECIAL_KEYS:
        return SPECIAL_KEYS[key]
    return key if key.startswith(_WHOLE) else SYSTEM + key


def check_key(key: str) -> None:
    """Raise ValueError unless a ``jobspec-update`` may have this key."""
    if not key.startswith(ATTRIBUTES):
        raise ValueError(f"{key}: only attributes can be updated")
    parts = key.split(".")
    if not all(parts) or len(parts) > DEEPEST:
        raise ValueError(f"{key:.80}: a key has 2 to {DEEPEST} parts, none of them empty")


def member(jobspec: object, key: str) -> object:
    """Return the member of a jobspec that a key names, None if there is none."""
    value = jobspec
    for name in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def has_member(jobspec: object, key: str) -> bool:
    """Whether a jobspec has the member that a key names."""
    path, _, name = key.rpartition(".")
    parent = member(jobspec, path) if path else jobspec
    return isinstance(parent, Mapping) and name in parent


def with_member(
    jobspec: JsonMapping, key: str, value: object, *, replacing: bool = False
) -> JsonObject:
    """Return a jobspec with one more member, or another value of it; raises ValueError if the key
    leads through something that is no object, unless ``replacing`` has an object take its place.
    """
    name, _, rest = key.partition(".")
    changed = dict(jobspec)
    if not rest:
        changed[name] = value
        return changed
    inner = changed.get(name)
    if inner is None:
        inner = {}
    if not isinstance(inner, Mapping):
        if not replacing:
            raise ValueError(f"{name} is no object, so it has no {rest}")
        inner = {}
    changed[name] = with_member(inner, rest, value, replacing=replacing)
    return changed


def updated_jobspec(jobspec: JsonMapping, updates: JsonMapping) -> JsonObject:
    """Return a jobspec after an event ``jobspec-update`` with the context ``updates``; raises
    ValueError for a key that it cannot have.
    """
    changed = dict(jobspec)
    for key, value in updates.items():
        check_key(key)
        changed = with_member(changed, key, value)
    return changed


def updated_resources(resources: JsonMapping, updates: JsonMapping) -> JsonObject:
    """Return an R after an event ``resource-update`` with the context ``updates``."""
    changed = dict(resources)
    expiration = updates.get(EXPIRATION)
    if isinstance(expiration, int | float):
        execution = changed.get("execution")
        execution = dict(execution) if isinstance(execution, Mapping) else {}
        changed["execution"] = {**execution, EXPIRATION: expiration}
    return changed


def current_jobspec(jobspec: JsonObject, entries: Iterable[JsonMapping]) -> JsonObject:
    """Return a stored jobspec as the entries of its eventlog have changed it: the object itself if
    they have not. Keys that cannot be set are left out; what a later update has put in the way of
    an earlier one, which is applied a second time, makes room.
    """
    for entry in entries:
        if entry.get("name") == JOBSPEC_UPDATE:
            for key, value in _context(entry).items():
                with suppress(ValueError):
                    check_key(key)
                    jobspec = with_member(jobspec, key, value, replacing=True)
    return jobspec


def current_resources(resources: JsonObject, entries: Iterable[JsonMapping]) -> JsonObject:
    """Return a stored R as the entries of its eventlog have changed it: the object itself if they
    have not.
    """
    for entry in entries:
        if entry.get("name") == RESOURCE_UPDATE:
            resources = updated_resources(resources, _context(entry))
    return resources


def _context(entry: JsonMapping) -> JsonMapping:
    context = entry.get("context")
    return context if isinstance(context, Mapping) else {}


def expiration_of(resources: object) -> float:
    """Return when an R expires, in seconds since the epoch, 0 for never."""
    expiration = member(resources, "execution.expiration")
    return float(expiration) if isinstance(expiration, int | float) else 0.0


def expiration_after(resources: object, duration: float, began: float) -> float:
    """Return when a job that holds an R expires if it may run for ``duration`` seconds, 0 for ever.

    ``began`` is when it got the R, for one that does not say since when it holds.
    """
    if not duration:
        return 0.0
    start = member(resources, "execution.starttime")
    since = float(start) if isinstance(start, int | float) and start > 0 else began
    return since + duration
