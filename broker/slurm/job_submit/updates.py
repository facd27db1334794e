"""Updates of a jobspec, values by dotted keys (``attributes.system.duration``), as the part of a
jobspec that they are about. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonObject

WHOLE: Final = ("dependencies", "constraints", "environment")
"""Members of ``attributes.system`` that change as one."""
_WHOLE_PATHS: Final = frozenset(f"attributes.system.{name}" for name in WHOLE)


def with_updates(updates: JsonObject) -> JsonObject:
    """Return a jobspec that has nothing but what ``updates`` say."""
    jobspec: JsonObject = {}
    for key, value in updates.items():
        *steps, last = key.split(".")
        table = jobspec
        for step in steps:
            inner = table.get(step)
            if not isinstance(inner, dict):
                inner = table[step] = {}
            table = inner
        table[last] = value
    return jobspec


def changed_updates(updates: JsonObject, jobspec: JsonObject) -> JsonObject:
    """Return the updates that lead to what is in ``jobspec`` now: those of before that still hold,
    and what is there besides.
    """
    kept = {key: value for key, value in updates.items() if _at(jobspec, key) == value}
    covered = tuple(f"{key}." for key in kept)
    for path, value in _leaves(jobspec, ""):
        if path not in kept and not path.startswith(covered):
            kept[path] = value
    return kept


def _at(jobspec: JsonObject, key: str) -> object:
    value: object = jobspec
    for step in key.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _leaves(table: JsonObject, prefix: str) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path not in _WHOLE_PATHS:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value
