"""Which shell runs which tasks, where a job asks for another order than blocks of consecutive ones
(option ``taskmap``, set by ``--taskmap=SCHEME[:VALUE]``).

Schemes are ``block``, ``cyclic[:STRIDE]``, ``manual:MAP`` (RFC 34), ``hostfile:FILE``, and those
of plugins that have a handler for the topic ``taskmap.SCHEME``.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Final

from broker.shell import facts
from broker.shell.levels import ERROR, ShellFatal
from flux import taskmap
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from broker.shell.context import ShellContext
    from flux.wire.json import JsonObject

    Nodes = list[list[int]]
    Blocks = Sequence[tuple[int, int, int, int]]


def map_tasks(shell: ShellContext) -> None:
    """Give each shell the tasks that the job's option asks for, and have ``shell.start`` tell the
    map.

    It tells that of blocks, too, in jobs with the option ``rlimit``: clients that send it expect
    the map, and 0.29 has neither. Raises ShellFatal for an unknown scheme, or a map that does not
    fit the job.
    """
    option = shell.option("taskmap")
    if option is None:
        _tell(shell, _in_blocks(shell))
        return
    scheme, value = _asked(option)
    try:
        nodes = _mapped(shell, scheme, value)
        _check(shell, nodes)
    except OSError as error:
        name = f"{scheme}:{value}" if value else scheme
        shell.log(ERROR, f"taskmap={name} is invalid: {error.strerror}", "taskmap")
        raise ShellFatal(f"failed to map tasks with scheme={scheme}") from None
    shell.info.ranks = [
        replace(rank, taskids=tasks) for rank, tasks in zip(shell.info.ranks, nodes, strict=True)
    ]
    shell.me = shell.info.ranks[shell.rank]
    shell.info.taskmap = taskmap.encode(nodes)
    _tell(shell, shell.info.taskmap)


def _tell(shell: ShellContext, blocks: Blocks) -> None:
    shell.start_context["taskmap"] = {"version": taskmap.VERSION, "map": blocks}


def _in_blocks(shell: ShellContext) -> Blocks:
    return taskmap.encode(taskmap.block_map([rank.ntasks for rank in shell.info.ranks]))


def _asked(option: object) -> tuple[str, str]:
    """Return scheme and value of the option: an object of both, or a text with a colon between."""
    if isinstance(option, dict) and isinstance(option.get("scheme"), str):
        value = option.get("value")
        return option["scheme"], "" if value is None else str(value)
    if isinstance(option, str):
        scheme, _, value = option.partition(":")
        return scheme, value
    raise ShellFatal(f"taskmap={json.dumps_str(option)} is invalid: it is SCHEME[:VALUE]")


def _mapped(shell: ShellContext, scheme: str, value: str) -> Nodes:
    topic = f"taskmap.{scheme}"
    if shell.plugins.wants(topic):
        return _of_plugin(shell, topic, value)
    counts = [rank.ntasks for rank in shell.info.ranks]
    if scheme not in _SCHEMES:
        raise OSError(errno.ENOENT, f"there is no scheme {scheme}")
    return _SCHEMES[scheme](shell, counts, value)


def _of_plugin(shell: ShellContext, topic: str, value: str) -> Nodes:
    args: JsonObject = {
        "taskmap": json.dumps_str(_in_blocks(shell)),
        "scheme": topic.partition(".")[2],
        "value": value,
    }
    shell.plugins.call(topic, args)
    answer = args["taskmap"]
    return taskmap.decode(answer if isinstance(answer, str) else json.dumps_str(answer))


def _block(_shell: ShellContext, counts: Sequence[int], _value: str) -> Nodes:
    return taskmap.block_map(counts)


def _cyclic(_shell: ShellContext, counts: Sequence[int], value: str) -> Nodes:
    if value and not value.isdecimal():
        raise OSError(errno.EINVAL, f"invalid stride {value}")
    return taskmap.cyclic_map(counts, int(value or 1))


def _manual(_shell: ShellContext, _counts: Sequence[int], value: str) -> Nodes:
    return taskmap.decode(value)


def _hostfile(shell: ShellContext, _counts: Sequence[int], value: str) -> Nodes:
    """Give the tasks in turn to the hosts of a file, which names each host of the job."""
    places: dict[str, list[int]] = {}
    for rank in range(shell.size):
        places.setdefault(facts.host_of(shell.info.R, rank), []).append(rank)
    hosts = [host for host in _hosts(value) if host in places]
    missing = places.keys() - set(hosts)
    if missing:
        raise OSError(errno.EINVAL, f"{value} does not name {sorted(missing)[0]}")
    turns = {host: cycle(ranks) for host, ranks in places.items()}
    nodes: Nodes = [[] for _ in range(shell.size)]
    for task, host in zip(range(shell.info.ntasks), cycle(hosts), strict=False):
        nodes[next(turns[host])].append(task)
    return nodes


def _hosts(path: str) -> Iterator[str]:
    from flux.hostlist import Hostlist

    with open(os.path.expanduser(path), encoding="utf-8") as file:
        for line in file:
            try:
                yield from Hostlist(line.strip())
            except ValueError:
                raise OSError(errno.EINVAL, f"{path}: no hosts: {line.strip()[:100]}") from None


def _check(shell: ShellContext, nodes: Nodes) -> None:
    if len(nodes) != len(shell.info.ranks):
        expected = len(shell.info.ranks)
        raise OSError(errno.EINVAL, f"got {len(nodes)} nodes, expected {expected}")
    tasks = sum(map(len, nodes))
    if tasks != shell.info.ntasks:
        raise OSError(errno.EINVAL, f"got {tasks} tasks, expected {shell.info.ntasks}")


_SCHEMES: Final[Mapping[str, Callable[[ShellContext, Sequence[int], str], Nodes]]] = {
    "block": _block,
    "cyclic": _cyclic,
    "manual": _manual,
    "hostfile": _hostfile,
}
