"""The columns of ``flux module list``, the values of ``flux module stats``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

from fluxctl.errors import CommandError
from fluxctl.list_output import ListTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fluxctl.color import Role

STATES = {0: "I", 1: "R", 2: "F", 3: "X"}

MODULES = ListTable(
    {
        "name": "Module",
        "size": "Size",
        "digest": "Digest",
        "idle": "Idle",
        "state": "S",
        "services": "Service",
        "fulldigest": "Digest",
        "seconds": "Idle",
        "path": "Path",
    },
    "{name:<24} {size:>8} {digest:<7} {idle:>4}  {state} {services}",
)
"""The columns of ``flux module list``."""
LONG: Final = "{name:<24} {size:>8} {digest:<7} {idle:>4}  {state} +:{services:<8.8+} {path}"
"""What ``flux module list --long`` prints."""


class ListedModule(TypedDict):
    """A module as ``broker.lsmod`` lists it."""

    name: str
    size: int
    digest: str
    idle: int
    status: int
    services: list[str]
    path: NotRequired[str]


def module_row(mod: ListedModule) -> dict[str, object]:
    """Return the columns of a module."""
    return {
        **mod,
        "digest": mod["digest"][-7:],
        "fulldigest": mod["digest"],
        "idle": mod["idle"] if mod["idle"] < 100 else "idle",
        "seconds": mod["idle"],
        "state": STATES.get(mod["status"], "?"),
        "services": ",".join(name for name in mod["services"] if name != mod["name"]),
    }


def module_role(row: Mapping[str, object]) -> Role:
    """Return the color of a module: one that does not run stands out."""
    return "" if row["state"] == "R" else "warn"


def scaled(value: object, kind: str | None, scale: float) -> str:
    """Return a statistic as text: an object as indented JSON, a number converted and scaled.

    Raises CommandError for infinity and NaN if an integer is wanted.
    """
    if isinstance(value, dict | list):
        return json.dumps(value, indent=1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value)
    if kind == "int" or (kind is None and isinstance(value, int)):
        try:
            return str(int(value * scale))
        except (ValueError, OverflowError):
            raise CommandError(f"{value * scale} is not an integer") from None
    return f"{value * scale:f}"
