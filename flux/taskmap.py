"""Task maps: which tasks of a job run on which of its nodes (RFC 34).

A map is a list of blocks ``[nodeid, nnodes, ppn, repeat]``: ``ppn`` consecutive tasks on each of
``nnodes`` nodes from ``nodeid`` on, and all that ``repeat`` times. The raw form is an idset of
tasks for each node, with semicolons between.
"""

from __future__ import annotations

import errno
import re
from itertools import chain
from typing import TYPE_CHECKING, Final

from flux.idset import IDset
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Block = tuple[int, int, int, int]
    Nodes = list[list[int]]

VERSION: Final = 1
MEMBERS: Final = 4
MOST_TASKS: Final = 1 << 20
"""Tasks that a map may have: one text of a few bytes could otherwise ask for any amount of
memory.
"""


def block_map(counts: Iterable[int]) -> Nodes:
    """Return the tasks of each node if node after node gets as many consecutive ones as ``counts``
    says.
    """
    nodes: Nodes = []
    first = 0
    for count in counts:
        nodes.append(list(range(first, first + count)))
        first += count
    return nodes


def cyclic_map(counts: Sequence[int], stride: int = 1) -> Nodes:
    """Return the tasks of each node if they are dealt out in turn, ``stride`` at a time, until each
    has as many as ``counts`` says; raises OSError(EINVAL) for a stride below 1.
    """
    if stride < 1:
        raise OSError(errno.EINVAL, f"invalid stride {stride}")
    nodes: Nodes = [[] for _ in counts]
    task, open_nodes = 0, [node for node, count in enumerate(counts) if count]
    while open_nodes:
        for node in open_nodes:
            dealt = min(stride, counts[node] - len(nodes[node]))
            nodes[node] += range(task, task + dealt)
            task += dealt
        open_nodes = [node for node in open_nodes if len(nodes[node]) < counts[node]]
    return nodes


def encode(nodes: Sequence[Sequence[int]]) -> list[Block]:
    """Return the blocks of a map given as the tasks of each node; every task up to the last is to
    be on one of them.
    """
    homes = [0] * sum(map(len, nodes))
    for node, tasks in enumerate(nodes):
        for task in tasks:
            homes[task] = node
    blocks: list[Block] = []
    for node, nnodes, ppn in _joined(_runs(homes)):
        if blocks and blocks[-1][:3] == (node, nnodes, ppn):
            blocks[-1] = (node, nnodes, ppn, blocks[-1][3] + 1)
        else:
            blocks.append((node, nnodes, ppn, 1))
    return blocks


def _runs(homes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield each node with how many consecutive tasks it has there."""
    start = 0
    for index in range(1, len(homes) + 1):
        if index == len(homes) or homes[index] != homes[start]:
            yield homes[start], index - start
            start = index


def _joined(runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield (first node, how many, tasks on each) for runs of equal length on nodes in a row."""
    first, nnodes, length = -1, 0, 0
    for node, ppn in runs:
        if nnodes and node == first + nnodes and ppn == length:
            nnodes += 1
            continue
        if nnodes:
            yield first, nnodes, length
        first, nnodes, length = node, 1, ppn
    if nnodes:
        yield first, nnodes, length


def decode(text: str) -> Nodes:
    """Return the tasks of each node, from blocks in JSON, with or without the wrapping object, or
    the raw form.

    Raises OSError(EINVAL) if it is neither, if a task is missing or stands twice, or if there are
    more than `MOST_TASKS`.
    """
    nodes = _decode_blocks(text) if text.startswith(("[", "{")) else _decode_raw(text)
    _check_complete(list(chain.from_iterable(nodes)))
    return nodes


def _check_complete(tasks: Sequence[int]) -> None:
    """Raise OSError unless each task up to the last is there once."""
    if not tasks:
        raise OSError(errno.EINVAL, "empty taskmap")
    there: set[int] = set()
    for task in tasks:
        if task in there:
            raise OSError(errno.EINVAL, f"duplicate taskid specified: {task}")
        there.add(task)
    if max(there) >= len(there):
        missing = IDset(f"0-{max(there)}").difference(IDset(sorted(there)))
        raise OSError(errno.EINVAL, f"missing taskids: {missing}")


def _decode_raw(text: str) -> Nodes:
    nodes: Nodes = []
    count = 0
    for part in text.split(";"):
        try:
            ids = IDset(part)
        except ValueError:
            raise OSError(errno.EINVAL, f"error parsing range '{wrong_range(part)}'") from None
        count += ids.count()
        if count > MOST_TASKS:
            raise OSError(errno.EINVAL, "too many tasks")
        nodes.append(ids.expand())
    return nodes


def wrong_range(text: str) -> str:
    """Return the first part of an idset that is no range, or all of it; cut at 100 characters."""
    return next((part for part in text.split(",") if not _is_range(part)), text)[:100]


def _is_range(text: str) -> bool:
    try:
        return bool(IDset(text))
    except ValueError:
        return False


def _decode_blocks(text: str) -> Nodes:
    try:
        value = json.loads(text)
    except ValueError:
        raise OSError(errno.EINVAL, f"invalid JSON: {text[:100]}") from None
    if isinstance(value, dict):
        if value.get("version") != VERSION:
            raise OSError(errno.EINVAL, f"version of the taskmap is not {VERSION}")
        value = value.get("map")
    nodes: Nodes = []
    task = 0
    for node, nnodes, ppn, repeat in map(_block, value if isinstance(value, list) else [None]):
        if task + nnodes * ppn * repeat > MOST_TASKS or node + nnodes > MOST_TASKS:
            raise OSError(errno.EINVAL, "too many tasks")
        nodes += [[] for _ in range(node + nnodes - len(nodes))]
        for _ in range(repeat):
            for index in range(node, node + nnodes):
                nodes[index] += range(task, task + ppn)
                task += ppn
    return nodes


def _block(value: object) -> Block:
    if (
        isinstance(value, list)
        and len(value) == MEMBERS
        and all(type(number) is int for number in value)
        and value[0] >= 0
        and min(value[1:]) > 0
    ):
        node, nnodes, ppn, repeat = value
        return node, nnodes, ppn, repeat
    raise OSError(errno.EINVAL, f"invalid entry {json.dumps_str(value)[:100]}")


def raw(nodes: Sequence[Sequence[int]]) -> str:
    """Return the raw form of a map."""
    return ";".join(IDset(list(tasks)).encode() for tasks in nodes)


_PMI: Final = re.compile(r"\(([0-9]+),([0-9]+),([0-9]+)\)", re.ASCII)


def vector(blocks: Iterable[Sequence[int]]) -> str:
    """Return blocks of (node, nodes, tasks on each) as ``PMI_process_mapping`` has them (RFC 13):
    ``(vector,(0,2,1))`` for one task on each of two nodes.
    """
    return "(vector," + ",".join(f"({a},{b},{c})" for a, b, c in blocks) + ")"


def pmi(blocks: Iterable[Block]) -> str:
    """Return the blocks of a map in PMI's form, which has no repetition."""
    return vector(block[:3] for block in blocks for _ in range(block[3]))


def decode_pmi(text: str) -> Nodes:
    """Return the tasks of each node of a ``PMI_process_mapping``.

    Raises OSError(EINVAL) as `decode` does.
    """
    inner = text.replace(" ", "").removeprefix("(vector,").removesuffix(")") + ")"
    found = [[int(number) for number in match] + [1] for match in _PMI.findall(inner)]
    if not found or vector(block[:3] for block in found) != text.replace(" ", ""):
        raise OSError(errno.EINVAL, f"unable to parse block: {text[:100]}")
    return decode(json.dumps_str(found))
