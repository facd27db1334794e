"""Which jobs a constraint object chooses, such as ``{"and": [{"states": ["running"]}, {"name":
["x"]}]}``: what today's flux-core clients send in place of states, results and a user.

Operators are ``userid``, ``name``, ``queue``, ``states``, ``results``, ``hostlist`` and ``ranks``
(any of the values), ``t_submit`` and the other times (all of the comparisons, ``">=1.5"``), and
``and``, ``or`` and ``not`` over constraints. An empty object, or one of these three without a
value, chooses everything; only an empty ``not`` chooses nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from flux.constants import FLUX_JOB_STATE_INACTIVE, FLUX_USERID_UNKNOWN
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.job.state_names import LISTED_STATES, RESULT_FILTERS, STATE_FILTERS

if TYPE_CHECKING:
    from broker.services.job_list.record import ListedJob

DEEPEST: Final = 64
"""Levels of a constraint; what nests deeper is refused."""
EVERYBODY: Final = (FLUX_USERID_UNKNOWN, -1)

Chooses: TypeAlias = Callable[["ListedJob"], bool]


class Choice(NamedTuple):
    """What a constraint chooses: the states that its jobs may have, the test of a job in one of
    them, and whether that is the states alone.
    """

    states: int
    chooses: Chooses
    only_states: bool = False


EVERYTHING: Final = Choice(LISTED_STATES, lambda job: True, True)


def choice_of(constraint: object) -> Choice:
    """Return what a constraint chooses; raises ValueError, saying what is wrong, for an object that
    is none.
    """
    return _object(constraint, DEEPEST)


def _object(constraint: object, depth: int) -> Choice:
    if not isinstance(constraint, Mapping):
        raise ValueError("constraint must be JSON object")
    if len(constraint) > 1:
        raise ValueError("constraint must only contain 1 element")
    if not depth:
        raise ValueError("constraint is nested too deep")
    for name, values in constraint.items():
        if name not in _TESTS and name not in _TIMES and name not in _JOINTS:
            raise ValueError(f"unknown constraint operator: {name}")
        if not isinstance(values, list):
            raise ValueError(f"operator {name} values not an array")
        if name in _TIMES:
            return _time(name, values)
        if name in _TESTS:
            return _TESTS[name](values)
        return _JOINTS[name](values, depth - 1)
    return EVERYTHING


def _texts(name: str, values: Sequence[object]) -> list[str]:
    found = [value for value in values if isinstance(value, str)]
    if len(found) != len(values):
        raise ValueError(f"{name} value must be a string")
    return found


def _userid(values: Sequence[object]) -> Choice:
    users: set[int] = set()
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("userid value must be an integer")
        users.add(value)
    if users.intersection(EVERYBODY):
        return EVERYTHING
    return Choice(LISTED_STATES, lambda job: job.userid in users)


def _name(values: Sequence[object]) -> Choice:
    names = frozenset(_texts("name", values))
    return Choice(LISTED_STATES, lambda job: job.name in names)


def _queue(values: Sequence[object]) -> Choice:
    queues = frozenset(_texts("queue", values))
    return Choice(LISTED_STATES, lambda job: job.queue in queues)


def _mask(name: str, values: Sequence[object], known: Mapping[str, int]) -> int:
    """Return the union of states or results that are given by name or number."""
    mask = 0
    for value in values:
        number = known.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(number, int) or isinstance(number, bool):
            raise ValueError(f"invalid {name} value '{value}' specified")
        mask |= number
    return mask


def _states(values: Sequence[object]) -> Choice:
    mask = _mask("states", values, STATE_FILTERS) & LISTED_STATES
    return Choice(mask, lambda job: bool(job.state & mask), True)


def _results(values: Sequence[object]) -> Choice:
    mask = _mask("results", values, RESULT_FILTERS)
    return Choice(FLUX_JOB_STATE_INACTIVE, lambda job: bool((job.result or 0) & mask))


def _hostlist(values: Sequence[object]) -> Choice:
    try:
        hosts = frozenset(Hostlist(_texts("hostlist", values)))
    except ValueError:
        raise ValueError("host value not in valid Hostlist format") from None
    # Few allocations are many jobs': each is looked at once.
    known: dict[str, bool] = {}

    def chooses(job: ListedJob) -> bool:
        nodelist = job.nodelist or ""
        if nodelist not in known:
            known[nodelist] = not hosts.isdisjoint(Hostlist(nodelist))
        return known[nodelist]

    return Choice(LISTED_STATES, chooses)


def _ranks(values: Sequence[object]) -> Choice:
    wanted = IDset()
    for text in _texts("ranks", values):
        try:
            wanted.add(text)
        except ValueError:
            raise ValueError(f"ranks value '{text}': error parsing range '{text}'") from None
    known: dict[str, bool] = {}

    def chooses(job: ListedJob) -> bool:
        ranks = job.ranks or ""
        if ranks not in known:
            known[ranks] = wanted.has_intersection(ranks)
        return known[ranks]

    return Choice(LISTED_STATES, chooses)


_TIMES: Final = {
    "t_submit": operator.attrgetter("t_submit"),
    "t_depend": operator.attrgetter("t_depend"),
    "t_run": operator.attrgetter("t_run"),
    "t_cleanup": operator.attrgetter("t_cleanup"),
    "t_inactive": operator.attrgetter("t_inactive"),
}
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def _time(name: str, values: Sequence[object]) -> Choice:
    """Return the jobs for which a time, which they have to have, compares as every value says."""
    get = _TIMES[name]
    tests = [_comparison(text) for text in _texts(name, values)]

    def chooses(job: ListedJob) -> bool:
        moment = get(job)
        return moment is not None and all(compare(moment, limit) for compare, limit in tests)

    states = FLUX_JOB_STATE_INACTIVE if name == "t_inactive" else LISTED_STATES
    return Choice(states, chooses)


def _comparison(text: str) -> tuple[Callable[[float, float], bool], float]:
    sign = text[:2] if text[:2] in _COMPARISONS else text[:1]
    if sign not in _COMPARISONS:
        raise ValueError("timestamp comparison operator not specified")
    try:
        return _COMPARISONS[sign], float(text.removeprefix(sign))
    except ValueError:
        raise ValueError(f"invalid timestamp value '{text}' specified") from None


def _and(values: Sequence[object], depth: int) -> Choice:
    choices = [_object(value, depth) for value in values]
    states, only = LISTED_STATES, True
    for choice in choices:
        states &= choice.states
        only = only and choice.only_states
    return Choice(states, lambda job: all(choice.chooses(job) for choice in choices), only)


def _or(values: Sequence[object], depth: int) -> Choice:
    choices = [_object(value, depth) for value in values]
    if not choices:
        return EVERYTHING
    states, only = 0, True
    for choice in choices:
        states |= choice.states
        only = only and choice.only_states

    def chooses(job: ListedJob) -> bool:
        return any(job.state & choice.states and choice.chooses(job) for choice in choices)

    return Choice(states, chooses, only)


def _not(values: Sequence[object], depth: int) -> Choice:
    """Return what is not chosen by all of the values together."""
    every = _and(values, depth)
    states = LISTED_STATES & ~every.states if every.only_states else LISTED_STATES
    return Choice(
        states,
        lambda job: not (job.state & every.states and every.chooses(job)),
        every.only_states,
    )


_TESTS: Final[Mapping[object, Callable[[Sequence[object]], Choice]]] = {
    "userid": _userid,
    "name": _name,
    "queue": _queue,
    "states": _states,
    "results": _results,
    "hostlist": _hostlist,
    "ranks": _ranks,
}
_JOINTS: Final[Mapping[object, Callable[[Sequence[object], int], Choice]]] = {
    "and": _and,
    "or": _or,
    "not": _not,
}
