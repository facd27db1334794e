"""What a value of the configuration may be, and how a table becomes an object of its class.

A table's class is its description: each field is a key, as msgspec names it, and its annotation has
the check that turns the value into what the broker works with, as ``Annotated[int, check]``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, TypeVar, cast

from msgspec import Struct

from flux.constraint.match import check_property
from flux.duration import parse_fsd
from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeAlias

    from broker.configuration.document import Document
    from flux.toml_positions import Path

    Refusals: TypeAlias = Mapping[str, str]
    """Why keys that are known elsewhere are refused here, by their dotted names."""

    Check: TypeAlias = Callable[["Setting"], object]

A = TypeVar("A", bound=Struct)

MOST: Final = (1 << 63) - 1
GREATEST_ID: Final = 1 << 20
"""Greatest number of a core or GPU."""
GREATEST_RANK: Final = 1 << 20
"""Greatest number of nodes."""


class Setting(Struct, frozen=True):
    """A value and where it stands."""

    value: object
    path: Path
    document: Document
    refusals: Refusals

    def error(self, problem: str) -> OSError:
        """Return the error that names file, line and key of this value."""
        return self.document.error(self.path, problem)

    def child(self, step: str | int, value: object) -> Setting:
        """Return the node of a member of this value."""
        return Setting(value, (*self.path, step), self.document, self.refusals)

    def members(self) -> Iterator[tuple[str, Setting]]:
        """Yield the members of a table; raises OSError(EINVAL) if it is none."""
        if not isinstance(self.value, dict):
            raise self.error("must be a table")
        for key, value in self.value.items():
            yield key, self.child(key, value)

    def elements(self) -> Iterator[Setting]:
        """Yield the elements of an array; raises OSError(EINVAL) if it is none."""
        if not isinstance(self.value, list):
            raise self.error("must be an array")
        for index, value in enumerate(self.value):
            yield self.child(index, value)


def checks_of(cls: type[Struct]) -> dict[str, tuple[str, Check]]:
    """Return, by key, the field of a table's class and the check of its value."""
    table: dict[str, tuple[str, Check]] = {}
    for name, key in zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True):
        metadata = getattr(cls.__annotations__[name], "__metadata__", ())
        if metadata:
            table[key] = (name, metadata[0])
    return table


def read_table(node: Setting, cls: type[A]) -> A:
    """Return a table as an object of ``cls``.

    Raises OSError(EINVAL) for an unknown key, or one whose check refuses its value.
    """
    known = checks_of(cls)
    values: dict[str, object] = {}
    for key, member in node.members():
        if key not in known:
            raise refused(member, known)
        name, check = known[key]
        values[name] = check(member)
    return cast("Callable[..., A]", cls)(**values)


def refused(node: Setting, known: Mapping[str, object]) -> OSError:
    """Return the error for a key that is not among those ``known``."""
    name = ".".join(str(step) for step in node.path)
    for listed in (name, f"{name.rpartition('.')[0]}.*"):
        if listed in node.refusals:
            return node.error(node.refusals[listed])
    near = nearest(str(node.path[-1]), known)
    return node.error(f"unknown key (did you mean {near}?)" if near else "unknown key")


def nearest(key: str, known: Iterable[str]) -> str | None:
    """Return the known key that ``key`` is most likely a misspelt form of, None if no one is."""
    import difflib

    return next(iter(difflib.get_close_matches(key, list(known), n=1, cutoff=0.75)), None)


def table_of(cls: type[A]) -> Callable[[Setting], A]:
    """Return the check of a key that is itself a table."""
    return lambda node: read_table(node, cls)


def boolean(node: Setting) -> bool:
    """Return true or false."""
    if not isinstance(node.value, bool):
        raise node.error("must be true or false")
    return node.value


def integer(least: int, most: int = MOST) -> Callable[[Setting], int]:
    """Return the check of an integer between two bounds."""
    bounds = f"{least} or greater" if most == MOST else f"{least} to {most}"

    def check(node: Setting) -> int:
        value = node.value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise node.error(f"must be an integer, {bounds}")
        return value

    return check


def text(node: Setting) -> str:
    """Return a string that is not empty and fit for a path."""
    if not isinstance(node.value, str):
        raise node.error("must be a string")
    if not node.value or "\0" in node.value:
        raise node.error("must be a string that is not empty")
    return node.value


def one_of(*choices: str) -> Callable[[Setting], str]:
    """Return the check of a string that is one of a few."""

    def check(node: Setting) -> str:
        if node.value not in choices:
            listed = ", ".join(f'"{choice}"' for choice in choices)
            raise node.error(f"must be one of {listed}")
        return str(node.value)

    return check


def texts(node: Setting) -> tuple[str, ...]:
    """Return an array of strings."""
    return tuple(text(element) for element in node.elements())


def duration(node: Setting) -> float:
    """Return the seconds of a Flux standard duration (RFC 23), which has to be finite."""
    if not isinstance(node.value, str):
        raise node.error('must be a string, a duration such as "7d"')
    try:
        seconds = parse_fsd(node.value)
    except ValueError as exc:
        raise node.error(str(exc)) from None
    if math.isinf(seconds):
        raise node.error("must be finite")
    return seconds


def longer_than_0(node: Setting) -> float:
    """Return the seconds of a duration that is longer than 0."""
    seconds = duration(node)
    if not seconds:
        raise node.error("must be longer than 0")
    return seconds


def property_names(node: Setting) -> tuple[str, ...]:
    """Return an array of names of resource properties (RFC 20)."""
    names = []
    for element in node.elements():
        try:
            names.append(check_property(text(element)))
        except ValueError as exc:
            raise element.error(str(exc)) from None
    return tuple(names)


def hostlist(node: Setting) -> tuple[str, ...]:
    """Return the hosts of a hostlist (RFC 29)."""
    try:
        return tuple(Hostlist(text(node)))
    except ValueError:
        raise node.error('must be a hostlist such as "node[0-7]"') from None


def idset(node: Setting) -> str:
    """Return an idset (RFC 22), which must not be empty."""
    try:
        found = IDset(text(node))
    except ValueError:
        raise node.error('must be an idset such as "0-3"') from None
    if not len(found) or found.last() > GREATEST_ID:
        raise node.error(f"must be an idset of ids up to {GREATEST_ID}")
    return found.encode()
