"""PMI-1 (RFC 13): the wire protocol and the server's state machine.

`PmiServer` is pure: bytes of a process come in, actions go out. It is shared by `flux start`, where
every rank of the group is a child of one process, and by the job shell, where each shell serves its
local ranks and the barrier carries the key-value pairs from shell to shell. The other side is
`broker.pmi_client`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flux.taskmap import vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KVSNAME_MAX = 64
KEY_MAX = 64
VALUE_MAX = 1024
LINE_MAX = 4096


@dataclass(frozen=True, slots=True)
class Reply:
    """Write `line` (newline included) to the process with this `rank`."""

    rank: int
    line: bytes


@dataclass(frozen=True, slots=True)
class Exchange:
    """All local ranks are in the barrier: share `pairs` with the peers, then call
    `PmiServer.barrier_complete`.
    """

    pairs: dict[str, str]


@dataclass(frozen=True, slots=True)
class Abort:
    """The process `rank` aborted the group with `exitcode` and `message`."""

    rank: int
    exitcode: int
    message: str


@dataclass(frozen=True, slots=True)
class ProtocolError:
    """The process `rank` broke the protocol: close its descriptor, log `message` and abort the
    group.
    """

    rank: int
    message: str


@dataclass(frozen=True, slots=True)
class Finalized:
    """The process `rank` has finished using PMI (a `Reply` was already given)."""

    rank: int


Action = Reply | Exchange | Abort | ProtocolError | Finalized


def encode(**fields: object) -> bytes:
    """Return one protocol line of `fields` in the order given."""
    return (" ".join(f"{key}={value}" for key, value in fields.items()) + "\n").encode()


def decode(line: str) -> dict[str, str]:
    """Split a protocol line into its fields; raise ValueError for a word without ``=``.

    A ``value=`` (put, get) extends to the end of the line, since values may hold blanks. So does a
    ``msg=``, unless a ``value=`` comes after it, as MPICH's process manager answers.
    """
    fields: dict[str, str] = {}
    rest = line.strip(" \t\r\n")
    while rest:
        key, equals, rest = rest.partition("=")
        if not equals or not key or " " in key or "\t" in key:
            raise ValueError(f"not a key=value word: {key[:32]!r}")
        if key == "value":
            fields[key] = rest
            break
        if key in ("msg", "error_msg"):
            fields[key], found, value = rest.partition(" value=")
            if found:
                fields["value"] = value
            break
        word, *tail = rest.split(None, 1)[:2] if rest and not rest[0].isspace() else ("", rest)
        fields[key] = word
        rest = tail[0].lstrip() if tail else ""
    return fields


def process_mapping(tasks_per_node: Sequence[int]) -> str:
    """Return ``PMI_process_mapping`` for a block distribution; empty when it exceeds a KVS value
    (RFC 13).
    """
    return mapping_text(blocks_of(tasks_per_node))


def blocks_of(tasks_per_node: Sequence[int]) -> list[list[int]]:
    """Return the blocks of a block distribution: (node, nodes, tasks on each)."""
    blocks: list[list[int]] = []
    for node, count in enumerate(tasks_per_node):
        if blocks and blocks[-1][2] == count:
            blocks[-1][1] += 1
        else:
            blocks.append([node, 1, count])
    return blocks


def mapping_text(blocks: Sequence[Sequence[int]]) -> str:
    """Return ``PMI_process_mapping`` for blocks of (node, nodes, tasks on each) in the order of the
    tasks; empty when it exceeds a KVS value (RFC 13).
    """
    text = vector(blocks)
    return text if blocks and len(text) < VALUE_MAX else ""


@dataclass(slots=True)
class _LocalProcess:
    """What the server knows about one local process."""

    buffer: bytearray = field(default_factory=bytearray)
    ready: bool = False
    waiting: bool = False
    closed: bool = False


class PmiServer:
    """State of one process group as seen by the manager of ``local_ranks``.

    ``size`` is the number of processes in the group, ``kvsname`` the name of the key-value space.
    Without ``local_ranks`` the server talks to all ranks, and barriers complete at once.
    ``universe_size``, or ``size`` without it, and ``appnum`` are what processes are told that ask;
    ``preset`` are pairs that are there from the start, such as ``PMI_process_mapping``.
    """

    def __init__(
        self,
        size: int,
        kvsname: str,
        *,
        local_ranks: Iterable[int] | None = None,
        universe_size: int | None = None,
        appnum: int = 0,
        preset: Mapping[str, str] | None = None,
    ) -> None:
        self.size = size
        self.kvsname = kvsname
        self.universe_size = size if universe_size is None else universe_size
        self.appnum = appnum
        self.kvs: dict[str, str] = dict(preset or {})
        self._pending: dict[str, str] = {}
        ranks = range(size) if local_ranks is None else local_ranks
        self._processes = {rank: _LocalProcess() for rank in ranks}
        self._exchanging = False

    def feed(self, rank: int, data: bytes) -> list[Action]:
        """Take bytes read from process `rank`, return what to do, in order."""
        process = self._processes[rank]
        if process.closed:
            return []
        process.buffer += data
        actions: list[Action] = []
        while not process.closed:
            end = process.buffer.find(b"\n")
            if end < 0:
                if len(process.buffer) > LINE_MAX:
                    actions += self._violation(rank, "line too long")
                break
            line = bytes(process.buffer[:end])
            del process.buffer[: end + 1]
            if len(line) > LINE_MAX:
                actions += self._violation(rank, "line too long")
                break
            actions += self._line(rank, line)
        return actions

    def close(self, rank: int) -> None:
        """Forget process `rank`: its descriptor was closed."""
        self._processes[rank].closed = True

    def barrier_complete(self, pairs: Mapping[str, str] | None = None) -> list[Action]:
        """Store the peers' `pairs` and let every waiting local process out of the barrier."""
        self.kvs.update(self._pending)
        self._pending.clear()
        if pairs:
            self.kvs.update(pairs)
        self._exchanging = False
        out: list[Action] = []
        for rank, process in self._processes.items():
            if process.waiting:
                process.waiting = False
                out.append(Reply(rank, encode(cmd="barrier_out", rc=0)))
        return out

    def _violation(self, rank: int, message: str) -> list[Action]:
        self._processes[rank].closed = True
        self._processes[rank].buffer.clear()
        return [ProtocolError(rank, message)]

    def _line(self, rank: int, line: bytes) -> list[Action]:
        try:
            text = line.decode("utf-8")
            if text.startswith("mcmd=spawn"):
                return []
            if text == "endcmd":
                return [Reply(rank, encode(cmd="spawn_result", rc=-1))]
            fields = decode(text)
        except ValueError as error:
            return self._violation(rank, str(error))
        command = fields.get("cmd")
        if command is None:
            return [] if _is_spawn_field(fields) else self._violation(rank, "request without cmd")
        handler = _HANDLERS.get(command)
        process = self._processes[rank]
        if handler is None:
            return self._violation(rank, f"unknown command {command[:32]!r}")
        if process.waiting:
            return self._violation(rank, "request while in barrier")
        if not process.ready and command not in ("init", "abort"):
            return self._violation(rank, "request before init")
        return handler(self, rank, fields)

    def _init(self, rank: int, fields: dict[str, str]) -> list[Action]:
        try:
            version, subversion = int(fields["pmi_version"]), int(fields["pmi_subversion"])
        except (KeyError, ValueError):
            return self._violation(rank, "malformed init")
        if version < 1 or (version == 1 and subversion < 1):
            return [Reply(rank, encode(cmd="response_to_init", rc=-1))]
        self._processes[rank].ready = True
        return [Reply(rank, encode(cmd="response_to_init", rc=0, pmi_version=1, pmi_subversion=1))]

    def _maxes(self, rank: int, fields: dict[str, str]) -> list[Action]:
        line = encode(
            cmd="maxes", rc=0, kvsname_max=KVSNAME_MAX, keylen_max=KEY_MAX, vallen_max=VALUE_MAX
        )
        return [Reply(rank, line)]

    def _abort(self, rank: int, fields: dict[str, str]) -> list[Action]:
        code = fields.get("exitcode", "1")
        number = int(code) if code.lstrip("+-").isdigit() else 1
        return [
            Reply(rank, b"\n"),
            Abort(rank, number, fields.get("error_msg", fields.get("msg", ""))),
        ]

    def _finalize(self, rank: int, fields: dict[str, str]) -> list[Action]:
        self._processes[rank].ready = False
        return [Reply(rank, encode(cmd="finalize_ack", rc=0)), Finalized(rank)]

    def _universe(self, rank: int, fields: dict[str, str]) -> list[Action]:
        return [Reply(rank, encode(cmd="universe_size", rc=0, size=self.universe_size))]

    def _appnum(self, rank: int, fields: dict[str, str]) -> list[Action]:
        return [Reply(rank, encode(cmd="appnum", rc=0, appnum=self.appnum))]

    def _my_kvsname(self, rank: int, fields: dict[str, str]) -> list[Action]:
        return [Reply(rank, encode(cmd="my_kvsname", rc=0, kvsname=self.kvsname))]

    def _put(self, rank: int, fields: dict[str, str]) -> list[Action]:
        key, value = fields.get("key", ""), fields.get("value")
        if not key or value is None:
            return self._violation(rank, "malformed put")
        fits = (
            len(key) < KEY_MAX and len(value) < VALUE_MAX and fields.get("kvsname") == self.kvsname
        )
        duplicate = key in self.kvs or key in self._pending
        if not fits or duplicate:
            return [
                Reply(
                    rank,
                    encode(
                        cmd="put_result", rc=-1, msg="duplicate_key" if duplicate else "invalid_put"
                    ),
                )
            ]
        self._pending[key] = value
        return [Reply(rank, encode(cmd="put_result", rc=0))]

    def _get(self, rank: int, fields: dict[str, str]) -> list[Action]:
        key = fields.get("key", "")
        if not key:
            return self._violation(rank, "malformed get")
        value = self.kvs.get(key, self._pending.get(key))
        if value is None and key.startswith("PMI_"):
            value = ""
        if value is None or fields.get("kvsname") != self.kvsname:
            return [Reply(rank, encode(cmd="get_result", rc=-1))]
        return [Reply(rank, encode(cmd="get_result", rc=0, value=value))]

    def _barrier(self, rank: int, fields: dict[str, str]) -> list[Action]:
        self._processes[rank].waiting = True
        if self._exchanging or not all(process.waiting for process in self._processes.values()):
            return []
        if len(self._processes) == self.size:
            return self.barrier_complete()
        self._exchanging = True
        return [Exchange(dict(self._pending))]

    def _publish(self, rank: int, fields: dict[str, str]) -> list[Action]:
        reply = fields["cmd"].replace("_name", "_result")
        return [Reply(rank, encode(cmd=reply, rc=-1, msg="not supported"))]


def _is_spawn_field(fields: Mapping[str, str]) -> bool:
    """Return True for a line inside a multi-line spawn request."""
    names = ("nprocs", "execname", "totspawns", "spawnssofar", "arg", "preput_", "info_")
    return bool(fields) and all(key.startswith(names) for key in fields)


_HANDLERS = {
    "init": PmiServer._init,
    "get_maxes": PmiServer._maxes,
    "abort": PmiServer._abort,
    "finalize": PmiServer._finalize,
    "get_universe_size": PmiServer._universe,
    "get_appnum": PmiServer._appnum,
    "get_my_kvsname": PmiServer._my_kvsname,
    "put": PmiServer._put,
    "get": PmiServer._get,
    "barrier_in": PmiServer._barrier,
    "publish_name": PmiServer._publish,
    "unpublish_name": PmiServer._publish,
    "lookup_name": PmiServer._publish,
}
