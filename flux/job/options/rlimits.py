"""Resource limits that go with a job: rules of ``--rlimit``, in their order.

A rule is ``NAME=VALUE``, ``-PATTERN`` to leave limits out, or ``PATTERN`` to take their present
values along; several may stand in one option, separated by commas.
"""

from __future__ import annotations

import resource
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

LIMITS: Final = {
    name.removeprefix("RLIMIT_").lower(): getattr(resource, name)
    for name in sorted(dir(resource))
    if name.startswith("RLIMIT_")
}
NOT_BY_DEFAULT: Final = frozenset(
    {"memlock", "ofile", "msgqueue", "nice", "rtprio", "rttime", "sigpending"}
)
UNLIMITED: Final = ("unlimited", "infinity", "inf")


def build_rlimits(rules: Iterable[str]) -> dict[str, int]:
    """Return the soft limits of a job by name, -1 for none, that rules make of the usual ones.

    Raises ValueError for a limit that there is not, or a value that is not a number.
    """
    found = {name: _current(name) for name in LIMITS if name not in NOT_BY_DEFAULT}
    for rule in (part for text in rules for part in text.split(",")):
        _apply(found, rule)
    return found


def _apply(found: dict[str, int], rule: str) -> None:
    name, equals, value = rule.partition("=")
    if rule.startswith("-"):
        for one in [one for one in found if fnmatchcase(one, rule[1:].lower())]:
            del found[one]
    elif equals:
        if name.lower() not in LIMITS:
            raise ValueError(f'Invalid rlimit "{name}"')
        found[name.lower()] = _value(rule, value)
    else:
        names = [one for one in LIMITS if fnmatchcase(one, rule.lower())]
        if not names:
            raise ValueError(f'No corresponding rlimit matching "{rule}"')
        found |= {one: _current(one) for one in names}


def _value(rule: str, text: str) -> int:
    if text.lower() in UNLIMITED:
        return -1
    if not text.isdecimal():
        raise ValueError(f"Invalid value in {rule}")
    return int(text)


def _current(name: str) -> int:
    soft, _ = resource.getrlimit(LIMITS[name])
    return -1 if soft == resource.RLIM_INFINITY else soft
