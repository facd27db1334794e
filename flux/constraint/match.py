"""What a constraint object (RFC 31) allows: an operator with its values, such as
``{"properties": ["ssd", "^slow"]}``.

Known are ``properties`` (all of them, those that begin with ``^`` not), ``hostlist`` and ``ranks``
(any of them), ``and``, ``or`` and ``not`` over constraints. Members of one object are joined with
*and*; the empty object allows everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

DEEPEST: Final = 64
"""Levels of a constraint; what nests deeper is refused."""
NOT_HERE: Final = "^"
"""What a property begins with that a node must not have."""
_FORBIDDEN: Final = frozenset("!&'\"^`|()")


class Place(NamedTuple):
    """What a constraint is about: a broker's rank, its host and its properties."""

    rank: int
    host: str
    properties: frozenset[str]


Matcher: TypeAlias = Callable[[Place], bool]


def check_property(name: str) -> str:
    """Return the name of a property; raises ValueError for one that RFC 20 does not allow."""
    if not name or not name.isprintable() or _FORBIDDEN.intersection(name) or " " in name:
        raise ValueError(f"invalid property {name!r}: a property is a word without !&'\"^`|()")
    return name


def check_constraint(constraint: object) -> None:
    """Raise ValueError, saying what is wrong, unless ``constraint`` is a constraint."""
    compile_constraint(constraint)


def compile_constraint(constraint: object) -> Matcher:
    """Return the function that tells whether a place is allowed; raises ValueError for an object
    that is no constraint.
    """
    return _object(constraint, DEEPEST)


def joined(constraint: object, properties: Sequence[str]) -> JsonObject:
    """Return a constraint, None for none, that also demands ``properties`` (RFC 33)."""
    found = dict(constraint) if isinstance(constraint, Mapping) else {}
    if not properties:
        return found
    known = found.get("properties")
    if isinstance(known, list):
        return {
            **found,
            "properties": [*known, *(name for name in properties if name not in known)],
        }
    if found:
        return {"and": [found, {"properties": list(properties)}]}
    return {"properties": list(properties)}


def without(constraint: object, properties: Sequence[str]) -> JsonObject:
    """Return a constraint that does not demand ``properties`` any more: undo `joined`."""
    found = dict(constraint) if isinstance(constraint, Mapping) else {}
    both = found.get("and")
    if isinstance(both, list) and len(both) == 2 and both[1] == {"properties": list(properties)}:
        return dict(both[0]) if isinstance(both[0], Mapping) else {}
    known = found.get("properties")
    if isinstance(known, list):
        left = [name for name in known if name not in properties]
        found = {**found, "properties": left}
        if not left:
            del found["properties"]
    return found


def _object(constraint: object, depth: int) -> Matcher:
    if not isinstance(constraint, Mapping):
        raise ValueError("a constraint must be an object")
    if not depth:
        raise ValueError("the constraint is nested too deep")
    matchers = [_operator(name, values, depth - 1) for name, values in constraint.items()]
    return matchers[0] if len(matchers) == 1 else _every(matchers)


def _operator(name: object, values: object, depth: int) -> Matcher:
    if not isinstance(name, str) or name not in _OPERATORS:
        raise ValueError(f"unknown constraint operator '{name}'")
    if not isinstance(values, list):
        raise ValueError(f"{name} constraint: its value must be an array")
    return _OPERATORS[name](values, depth)


def _texts(name: str, values: Sequence[object]) -> list[str]:
    found = [value for value in values if isinstance(value, str)]
    if len(found) != len(values):
        raise ValueError(f"{name} constraint: its values must be strings")
    return found


def _properties(values: Sequence[object], depth: int) -> Matcher:
    names = _texts("properties", values)
    for name in names:
        check_property(name.removeprefix(NOT_HERE))
    wanted = frozenset(name for name in names if not name.startswith(NOT_HERE))
    unwanted = frozenset(name[1:] for name in names if name.startswith(NOT_HERE))
    return lambda place: wanted <= place.properties and unwanted.isdisjoint(place.properties)


def _hostlist(values: Sequence[object], depth: int) -> Matcher:
    try:
        hosts = frozenset(Hostlist(_texts("hostlist", values)))
    except ValueError as exc:
        raise ValueError(f"hostlist constraint: {exc}") from None
    return lambda place: place.host in hosts


def _ranks(values: Sequence[object], depth: int) -> Matcher:
    ranks = IDset()
    for text in _texts("ranks", values):
        try:
            ranks.add(text)
        except ValueError:
            raise ValueError(f"ranks constraint: invalid idset: {text}") from None
    return lambda place: place.rank in ranks


def _all_of(values: Sequence[object], depth: int) -> Matcher:
    return _every([_object(value, depth) for value in values])


def _any_of(values: Sequence[object], depth: int) -> Matcher:
    matchers = [_object(value, depth) for value in values]
    return lambda place: any(matches(place) for matches in matchers)


def _none_of(values: Sequence[object], depth: int) -> Matcher:
    every = _all_of(values, depth)
    return lambda place: not every(place)


def _every(matchers: Sequence[Matcher]) -> Matcher:
    return lambda place: all(matches(place) for matches in matchers)


_OPERATORS: Final[Mapping[str, Callable[[Sequence[object], int], Matcher]]] = {
    "properties": _properties,
    "hostlist": _hostlist,
    "ranks": _ranks,
    "and": _all_of,
    "or": _any_of,
    "not": _none_of,
}
