"""Lists of hosts as ``flux hostlist`` combines and cuts them. Decisions only, no I/O."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def append(lists: Sequence[Hostlist]) -> Hostlist:
    """Return the hosts of all lists, one after the other."""
    found = Hostlist()
    found.append(*lists)
    return found


def _known(hosts: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(hosts)


def intersect(lists: Sequence[Hostlist]) -> Hostlist:
    """Return the hosts that all lists have, each once, in the order of the first."""
    found = _known(lists[0])
    for other in lists[1:]:
        theirs = set(other)
        found = {host: None for host in found if host in theirs}
    return Hostlist(found)


def minus(lists: Sequence[Hostlist]) -> Hostlist:
    """Return the hosts of the first list without those of the others: each one there takes one
    away.
    """
    away: dict[str, int] = {}
    for other in lists[1:]:
        for host in other:
            away[host] = away.get(host, 0) + 1
    left = []
    for host in lists[0]:
        if away.get(host):
            away[host] -= 1
        else:
            left.append(host)
    return Hostlist(left)


def xor(lists: Sequence[Hostlist]) -> Hostlist:
    """Return the hosts that an odd number of lists has, each once."""

    def either(first: dict[str, None], second: dict[str, None]) -> dict[str, None]:
        return {host: None for host in (*first, *second) if (host in first) != (host in second)}

    return Hostlist(reduce(either, map(_known, lists)))


COMBINATIONS: Final[dict[str, Callable[[Sequence[Hostlist]], Hostlist]]] = {
    "append": append,
    "intersect": intersect,
    "minus": minus,
    "xor": xor,
}
"""By name, how several lists become one."""


def without(hosts: Hostlist, excluded: str) -> Hostlist:
    """Return a list without some hosts, or without what stands at some places if ``excluded`` is a
    set of numbers.

    Raises ValueError if it is neither.
    """
    if not excluded.strip("[]")[:1].isdigit():
        away = set(Hostlist(excluded))
        return Hostlist([host for host in hosts if host not in away])
    places = IDset(excluded)  # asked, not expanded: it may have billions of members
    return Hostlist([host for place, host in enumerate(hosts) if place not in places])


def nth(hosts: Hostlist, places: str) -> Hostlist:
    """Return the hosts at some places, counted from the end after a ``-``.

    Raises ValueError if these are no set of numbers, IndexError if there is no such host.
    """
    wanted = IDset(places.removeprefix("-"))
    found = list(hosts)
    if places.startswith("-"):
        if any(place == 0 or place > len(found) for place in wanted):
            raise IndexError("Hostlist index out of range")
        return Hostlist([found[-place] for place in sorted(wanted, reverse=True)])
    if any(place >= len(found) for place in wanted):
        raise IndexError("Hostlist index out of range")
    return Hostlist([found[place] for place in wanted])


def limited(hosts: Hostlist, most: int) -> Hostlist:
    """Return the first hosts of a list, or the last ones for a negative number; all for 0."""
    if not most:
        return hosts
    return hosts[:most] if most > 0 else hosts[most:]


def places_of(hosts: Hostlist, sought: Hostlist) -> list[int]:
    """Return the first place of each sought host. Raises LookupError if one is not there."""
    first: dict[str, int] = {}
    for place, host in enumerate(hosts):
        first.setdefault(host, place)
    missing = next((host for host in sought if host not in first), None)
    if missing is not None:
        raise LookupError(f"host '{missing}' not found")
    return [first[host] for host in sought]
