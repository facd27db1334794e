"""The values that ``flux config get``, ``set`` and ``unset`` find, make and remove: a key such as
``tbon.zmqdebug`` in the tables of a configuration, and the types that ``--type`` names.

What is refused is refused in the words of today's flux-core.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.wire.json import JsonObject

SITES: Final = ("system", "security", "imp")
"""Words that ``--config-path`` takes for the directories of an installation."""
_INTEGERS: Final = range(-(1 << 63), 1 << 63)
_WORDS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def steps_of(key: str) -> list[str]:
    """Return the names that a key is made of; raises ValueError if one of them is empty."""
    steps = key.split(".")
    if not all(steps):
        raise ValueError("Invalid argument")
    return steps


def value_at(tables: JsonObject, key: str) -> object:
    """Return what stands at ``key``, None if nothing does; raises ValueError for a key that can be
    none.
    """
    value: object = tables
    for step in steps_of(key):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def put_at(tables: JsonObject, key: str, value: object) -> None:
    """Set what stands at ``key``, in tables that are made where there are none.

    Raises ValueError for a key that can be none, and for one below a value that is no table.
    """
    steps = steps_of(key)
    for depth, step in enumerate(steps[:-1], 1):
        inner = tables.setdefault(step, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{'.'.join(steps[:depth])} is not a table")
        tables = inner
    tables[steps[-1]] = value


def remove_at(tables: JsonObject, key: str) -> bool:
    """Remove what stands at ``key`` and return whether anything did; raises ValueError for a key
    that can be none.
    """
    steps = steps_of(key)
    for step in steps[:-1]:
        inner = tables.get(step)
        if not isinstance(inner, dict):
            return False
        tables = inner
    return tables.pop(steps[-1], None) is not None


def type_of(value: object) -> str | None:
    """Return the name of a value's type, None for no value."""
    return next((name for name, test in _TYPES.items() if test(value)), None)


def checked(value: object, kind: str) -> object:
    """Return a value as ``--type=kind`` prints it: durations in seconds for ``fsd-integer`` and
    ``fsd-real``.

    Raises ValueError if it is of another type.
    """
    if kind == "any":
        return value
    if kind in _TYPES:
        if not _TYPES[kind](value):
            raise ValueError("does not have the requested type")
        return value
    seconds = _seconds(value)
    if kind == "fsd":
        return value
    if kind == "fsd-real":
        return f"{seconds:.6f}"
    if not seconds < _INTEGERS[-1]:
        raise ValueError("does not have the requested type")
    return int(seconds)


def parsed(text: str, kind: str) -> object:
    """Return the value that ``flux config set --type=kind`` makes of a text.

    Raises ValueError if the text is none of that type, or no value can be made of that type.
    """
    maker = _MAKERS.get(kind)
    if maker is None:
        raise ValueError(f"Invalid type for the set subcommand: {kind}")
    make, name = maker
    try:
        return make(text)
    except (ValueError, KeyError):
        raise ValueError(f"Error parsing {name}") from None


def _seconds(value: object) -> float:
    from flux.duration import parse_fsd

    try:
        return parse_fsd(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("does not have the requested type") from None


def _integer(text: str) -> int:
    value = int(text, 0)
    if value not in _INTEGERS:
        raise ValueError(text)
    return value


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _duration(text: str) -> str:
    from flux.duration import parse_fsd

    parse_fsd(text)
    return text


def _document(kind: type) -> Callable[[str], object]:
    """Return what reads JSON whose outermost value is of ``kind``."""

    def read(text: str) -> object:
        value: object = json.loads(text)
        if not isinstance(value, kind):
            raise ValueError(text)
        return value

    return read


_TYPES: Final[dict[str, Callable[[object], bool]]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "real": lambda value: isinstance(value, float),
    "string": lambda value: isinstance(value, str),
}
_MAKERS: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "array": (_document(list), "json array"),
    "boolean": (lambda text: _WORDS[text.lower()], "boolean value"),
    "fsd": (_duration, "Flux Standard Duration"),
    "integer": (_integer, "integer value"),
    "object": (_document(dict), "json object"),
    "real": (_real, "real value"),
    "string": (str, "string value"),
}
KINDS: Final = ("any", *_TYPES, "fsd", "fsd-integer", "fsd-real")
"""The types that ``flux config get`` knows."""
SETTABLE: Final = tuple(_MAKERS)
"""The types that ``flux config set`` makes values of."""
