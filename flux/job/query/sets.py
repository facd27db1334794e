"""Fields of jobs that are sets written short: ``ranks:3`` finds a job on ranks 0-5, and
``node:n12`` one on n[10-15].
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable

_WILD: Final = re.compile(r"[\d,*?\[\]-]*[*?][\d,*?\[\]-]*").fullmatch
"""Ranks with wildcards, which the text of a set is compared with."""
_PARTS: Final = re.compile(r"(?:[^\[\],]|\[[^\]]*\]?|\])+")
"""The parts of a list of hosts between its commas, but for those in brackets."""


def in_set(field: str, value: str, found: Callable[[str], object]) -> Callable[[str], bool] | None:
    """Return the test whether a set, as text, has one of those members that ``value`` stands for;
    ``found`` tells it of one member. None for fields that are no sets and for wildcards.
    """
    if field == "ranks" and not _WILD(value):
        wanted = IDset(value)
        return lambda text: _has_rank(text, wanted)
    if field == "node":
        return lambda text: _has_host(text, found)
    return None


def check_set(field: str, value: str) -> None:
    """Raise ValueError, with what is wrong, for a value that no set of a field can have."""
    if field == "ranks" and not _WILD(value):
        try:
            if len(IDset(value)):
                return
        except ValueError:
            pass
        raise ValueError(f"{value} is no set of ranks: write 3, 0-5 or 1,4")
    if field == "node":
        hosts_of(value)


def hosts_of(value: str) -> tuple[list[str], set[str]]:
    """Return the words of a list of hosts, which may have wildcards, and the hosts that those in
    brackets stand for; raises ValueError, with what is wrong.
    """
    words: list[str] = []
    hosts: set[str] = set()
    for part in _PARTS.findall(value):
        if "[" not in part and "]" not in part:
            words.append(part)
            continue
        try:
            listed = Hostlist(part)
        except ValueError:
            raise ValueError(f"{part} is no list of hosts: write n1, n[1-3] or n*") from None
        hosts.update(listed)
    return words, hosts


def _has_rank(text: str, wanted: IDset) -> bool:
    try:
        return IDset(text).has_intersection(wanted)
    except ValueError:
        return False


def _has_host(text: str, found: Callable[[str], object]) -> bool:
    if "[" not in text and "," not in text:
        return False  # one host, which is the text itself
    try:
        return any(found(host) is not None for host in Hostlist(text))
    except ValueError:
        return False
