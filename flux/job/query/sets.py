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

_RANKS: Final = re.compile(r"\[?\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\]?").fullmatch


def in_set(field: str, value: str, found: Callable[[str], object]) -> Callable[[str], bool] | None:
    """Return the test whether a set, as text, has one of those members that ``value`` stands for;
    ``found`` tells it of one member. None for fields that are no sets, and values that no member
    can have.
    """
    if field == "ranks" and _RANKS(value):
        try:
            wanted = IDset(value)
        except ValueError:
            return None
        return lambda text: _has_rank(text, wanted)
    if field == "node":
        return lambda text: _has_host(text, found)
    return None


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
