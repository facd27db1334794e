"""The options of a submission command as the `argparse.Namespace` that programs and plugins of
today's flux-core read and write, and the way back.
"""

from __future__ import annotations

from argparse import Namespace
from dataclasses import fields
from typing import TYPE_CHECKING, Final, TypeAlias

from flux.job.options.configuration import BatchConfig
from flux.wire import json
from fluxctl.mini.options import MiniOptions, failure, given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Values: TypeAlias = dict[str, object]
"""Values of click's parameters, or fields of `MiniOptions`, by name."""

WORDS: Final = {"batch": "SCRIPT", "alloc": "COMMAND"}
"""What the words after the options are called, by command; ``command`` for all others."""
DEFAULT_URGENCY: Final = "16"
NUMBERS: Final = {
    "batch": ("nslots", "cores_per_slot", "gpus_per_slot", "nodes"),
    "alloc": ("nslots", "cores_per_slot", "gpus_per_slot", "nodes"),
}
"""Options that are numbers, by command; in all others they are text."""
_LISTS: Final = frozenset(
    one.name for one in fields(MiniOptions) if str(one.type).startswith("Sequence")
)
_FLAGS: Final = frozenset(one.name for one in fields(MiniOptions) if one.type == "bool")
_NAMES: Final = {one.name for one in fields(MiniOptions)} - {"todays", "plugins"}
_ELSEWHERE: Final = {"define": "methods"}
WAIT: Final = "clean"
"""The event that ``--wait`` waits for."""


def words_of(command: str) -> str:
    """Return what the words after the options of a command are called."""
    return WORDS.get(command, "command")


def namespace_of(values: Mapping[str, object], command: str) -> Namespace:
    """Return click's values of a command in argparse's manner: None for what is not given, lists,
    numbers where today's flux-core has them.
    """
    found = Namespace(help=None, list_plugins=False, env_remove=None, env_file=None)
    for name, value in values.items():
        setattr(found, _ELSEWHERE.get(name, name), _shown(name, value, command))
    found.urgency = values.get("urgency") or DEFAULT_URGENCY
    if "sep" in values and values["sep"] is None:
        found.sep = "\n"
    if "cores_per_slot" in values and values["cores_per_slot"] is None:
        found.cores_per_slot = 1
    if "wait" in values:
        found.wait = values.get("wait_event") or (WAIT if values["wait"] else None)
    setattr(found, words_of(command), list(vars(found).pop("words", ())))
    return found


def _shown(name: str, value: object, command: str) -> object:
    if name == "conf":
        return _configuration(value) if isinstance(value, tuple | list) and value else None
    if isinstance(value, tuple | list):
        return list(value) or None
    if name in NUMBERS.get(command, ()) and isinstance(value, str) and value.isdigit():
        return int(value)
    return value


def _configuration(texts: Iterable[object]) -> BatchConfig:
    found = BatchConfig()
    try:
        for text in texts:
            found.update(str(text))
    except ValueError as error:
        raise failure(error) from None
    return found


def values_of(args: Namespace) -> Values:
    """Return what a namespace says as fields of `MiniOptions`; what it lacks, and what they do not
    have, is left out.
    """
    said = dict(vars(args))
    said.setdefault("define", said.pop("methods", None))
    found: Values = {}
    for name in _NAMES & said.keys():
        value = _value(name, said[name])
        if value is not None:
            found[name] = value
    waited = said.get("wait")
    if isinstance(waited, str):
        found["wait"] = True
        if waited != WAIT:
            found["wait_event"] = waited
    return found


def _value(name: str, value: object) -> object:
    if value is None or (name == "urgency" and value == DEFAULT_URGENCY):
        return None
    if name == "conf":
        tables = getattr(value, "config", None)
        return (json.dumps_str(tables),) if tables is not None else None
    if name in _LISTS:
        return _texts(value)
    if name in _FLAGS:
        return bool(value)
    return value if name == "verbose" else str(value)


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(
            "=".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value
        )
    return (str(value),)


def options_of(args: Namespace) -> MiniOptions:
    """Return what a namespace says, to be read as today's flux-core does."""
    return given(values_of(args), todays=True)


def changes(before: Namespace, after: Namespace) -> Values:
    """Return what somebody changed in a namespace, as values for click's parameters."""
    old, new = values_of(before), values_of(after)
    names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return {name: new.get(name, _nothing(name)) for name in names}


def _nothing(name: str) -> object:
    if name in _LISTS:
        return ()
    return False if name in _FLAGS else None
