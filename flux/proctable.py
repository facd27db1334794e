"""The table of a job's processes as shells of today's flux-core tell it to debuggers and to ``flux
job hostpids``: five lists of one entry a task, each written short.

Numbers are written as the difference to the one before, the first to 0, or as a pair of it and how
many more follow: those that count up by one, or, negative, those that are the same. Names are pairs
of what they begin with and such numbers for what they end in, -1 where there is nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flux.wire.json import JsonObject

TASKS_MAX: Final = 1 << 24
"""Tasks of a table at most: a few bytes may stand for any number."""
_NO_SUFFIX: Final = -1


class Process(NamedTuple):
    """A task: its id, the process on which host it is, the program, and the rank of its broker."""

    task: int
    pid: int
    host: str
    executable: str
    rank: int


def encode(processes: Iterable[Process]) -> JsonObject:
    """Return the table of processes, in the order of their tasks."""
    rows = sorted(processes)
    return {
        "hosts": encode_names([row.host for row in rows]),
        "executables": encode_names([row.executable for row in rows]),
        "ids": encode_numbers([row.task for row in rows]),
        "pids": encode_numbers([row.pid for row in rows]),
        "ranks": encode_numbers([row.rank for row in rows]),
    }


def decode(table: JsonObject) -> list[Process]:
    """Return the processes of a table; raises ValueError if it is malformed."""
    try:
        columns = (
            decode_numbers(table["ids"]),
            decode_numbers(table["pids"]),
            decode_names(table["hosts"]),
            decode_names(table["executables"]),
            decode_numbers(table["ranks"]),
        )
        return [Process(*row) for row in zip(*columns, strict=True)]
    except (KeyError, TypeError):
        raise ValueError("malformed table of processes") from None


def encode_numbers(numbers: Sequence[int]) -> list[int | list[int]]:
    """Return a list of numbers, written short."""
    found: list[int | list[int]] = []
    last = place = 0
    while place < len(numbers):
        begin, first = place, numbers[place]
        place += 1
        step = numbers[place] - first if place < len(numbers) else None
        if step in (0, 1):
            while place < len(numbers) and numbers[place] - numbers[place - 1] == step:
                place += 1
        more = place - begin - 1
        found.append([first - last, more if step else -more] if more else first - last)
        last = numbers[place - 1]
    return found


def decode_numbers(found: object) -> list[int]:
    """Return the numbers; raises ValueError if they are malformed or too many."""
    if not isinstance(found, list):
        raise ValueError("numbers are written as a list")
    numbers: list[int] = []
    last = 0
    for item in found:
        difference, more = item if isinstance(item, list) and len(item) == 2 else (item, 0)
        if type(difference) is not int or type(more) is not int:
            raise ValueError(f"no number, nor a pair of them: {item!r:.100}")
        if len(numbers) + abs(more) >= TASKS_MAX:
            raise ValueError("too many numbers")
        first = last + difference
        numbers += range(first, first + more + 1) if more >= 0 else [first] * (1 - more)
        last = numbers[-1]
    return numbers


def encode_names(names: Sequence[str]) -> list[list[object]]:
    """Return a list of names, those that are repeated written once."""
    found: list[list[object]] = []
    place = 0
    while place < len(names):
        begin = place
        while place < len(names) and names[place] == names[begin]:
            place += 1
        found.append([names[begin], encode_numbers([_NO_SUFFIX] * (place - begin))])
    return found


def decode_names(found: object) -> list[str]:
    """Return the names; raises ValueError if they are malformed or too many."""
    if not isinstance(found, list):
        raise ValueError("names are written as a list")
    names: list[str] = []
    for item in found:
        if isinstance(item, str):
            names.append(item)
            continue
        prefix, numbers = item if isinstance(item, list) and len(item) == 2 else (None, None)
        if not isinstance(prefix, str):
            raise ValueError(f"no name with its numbers: {item!r:.100}")
        ends = decode_numbers(numbers)
        names += [prefix if end == _NO_SUFFIX else f"{prefix}{end}" for end in ends]
        if len(names) > TASKS_MAX:
            raise ValueError("too many names")
    return names
