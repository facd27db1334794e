"""Serves PMI-1 to the tasks (RFC 13); barriers exchange pairs with the other shells of the job: by
way of the first broker, which is the rule, or from shell to shell.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from broker.pmi import (
    VALUE_MAX,
    Abort,
    Action,
    Exchange,
    Finalized,
    PmiServer,
    ProtocolError,
    Reply,
    blocks_of,
    mapping_text,
    process_mapping,
)
from broker.shell.levels import ERROR, NOTICE, TRACE, WARNING, ShellFatal
from broker.shell.plugin import ShellPlugin, shown
from broker.shell.tree_exchange import TreeExchange
from flux.job.JobID import f58_in
from flux.taskmap import VERSION as TASKMAP_VERSION
from flux.wire import json

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject

PMI_FD = 3
SIMPLE: Final = "simple"
SERVED: Final = {SIMPLE, "pmi1", "pmi2"}
"""What a job can ask for and has PMI-1 by: the last two are what other launchers call theirs."""
DEFAULT_FANOUT: Final = 2
"""Of the tree in which shells exchange pairs, if a job asks for one and does not say how wide."""


class PmiPlugin(ShellPlugin):
    """Gives each task a socket as descriptor `PMI_FD` and answers on it."""

    name = "pmi"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._sockets: dict[int, socket.socket] = {}
        self._remote: dict[int, socket.socket] = {}

    def wanted(self) -> bool:
        option = self.shell.option("pmi")
        if isinstance(option, dict | None):
            return True
        if option in (True, False, 0, 1):
            return bool(option)
        names = set(str(option).split(","))
        if names & {"off", "none"}:
            return False
        if not names <= SERVED and not self.shell.customized:
            told = f"pmi={shown(option)}: what is known is simple or off"
            self.shell.log(WARNING, told, self.name)
        return bool(names & SERVED)

    def shell_init(self) -> None:
        """Set up the state for the local ranks; raises OSError(EINVAL) for a wrong option."""
        shell = self.shell
        info = shell.info
        self._read_options()
        preset = {"flux.instance-level": str(shell.instance_level + 1)}
        if self._clique != "none":
            preset["PMI_process_mapping"] = self._mapping()
        if len(text := self._taskmap()) < VALUE_MAX:
            preset["flux.taskmap"] = text
        name = f58_in(info.id, shell.env)
        self._server = PmiServer(info.ntasks, name, local_ranks=shell.me.taskids, preset=preset)
        self._barriers = 0
        self._tree = TreeExchange(shell.peers, shell.rank, self._fanout) if self._fanout else None
        self._traced = shell.verbose >= TRACE - NOTICE

    def _read_options(self) -> None:
        option = self.shell.option
        kvs = option("pmi.kvs")
        if kvs not in (None, "exchange", "native"):
            self.shell.log(ERROR, f"Unknown kvs implementation {shown(kvs)}", self.name)
            raise OSError(errno.EINVAL, f"Unknown kvs implementation {shown(kvs)}")
        self._clique = str(option("pmi.clique", "pershell"))
        if self._clique not in ("pershell", "single", "none"):
            raise self.refused("pmi.clique", self._clique, "it is pershell, single or none")
        fanout = option("pmi.exchange.k")
        self._fanout = DEFAULT_FANOUT if kvs == "exchange" else 0
        if fanout is None:
            return
        if type(fanout) is not int or fanout < 1:
            raise self.refused("pmi.exchange.k", fanout, "it is a number of at least 1")
        if fanout > self.shell.size:
            fanout = self.shell.size
            text = f"requested exchange fanout too large, using k={fanout}"
            self.shell.log(WARNING, text, self.name)
        else:
            self.shell.log(WARNING, f"using k={fanout}", self.name)
        if kvs != "native":
            self._fanout = fanout

    def _mapping(self) -> str:
        info = self.shell.info
        if self._clique == "single":
            return process_mapping([info.ntasks])
        if not info.taskmap:
            return process_mapping([rank.ntasks for rank in info.ranks])
        return mapping_text([block[:3] for block in info.taskmap for _ in range(block[3])])

    def _taskmap(self) -> str:
        """Return the task map (RFC 34), without blanks, which PMI-1 does not carry."""
        info = self.shell.info
        blocks = [list(block) for block in info.taskmap] or [
            [*block, 1] for block in blocks_of([rank.ntasks for rank in info.ranks])
        ]
        return json.dumps({"version": TASKMAP_VERSION, "map": blocks}).decode()

    def task_init(self, task: ShellTask) -> None:
        """Connect the task."""
        ours, theirs = socket.socketpair()
        self._sockets[task.rank] = ours
        self._remote[task.rank] = theirs
        task.fds.append((theirs.fileno(), PMI_FD))
        task.env |= {
            "PMI_FD": str(PMI_FD),
            "PMI_RANK": str(task.rank),
            "PMI_SIZE": str(self.shell.info.ntasks),
        }

    def task_fork(self, task: ShellTask) -> None:
        """The task has its end now."""
        self._remote.pop(task.rank).close()
        rank = task.rank
        self.shell.loop.add_reader(self._sockets[rank].fileno(), lambda: self._readable(rank))

    def task_exit(self, task: ShellTask) -> None:
        """Drop the connection of a task that is gone."""
        self._close(task.rank)

    def close(self) -> None:
        for rank in tuple(self._sockets):
            self._close(rank)
        for remote in self._remote.values():
            remote.close()

    def _close(self, rank: int) -> None:
        sock = self._sockets.pop(rank, None)
        if sock is not None:
            self.shell.loop.remove_reader(sock.fileno())
            self._server.close(rank)
            sock.close()

    def _readable(self, rank: int) -> None:
        try:
            data = os.read(self._sockets[rank].fileno(), 65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.shell.log(TRACE, f"{rank}: C: pmi EOF")
            self._close(rank)
            return
        if self._traced:
            self._trace(rank, "C", data)
        self._act(self._server.feed(rank, data))

    def _trace(self, rank: int, side: str, data: bytes) -> None:
        for line in data.splitlines():
            self.shell.log(TRACE, f"{rank}: {side}: {line.decode('utf-8', 'replace')}")

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Reply):
                if self._traced:
                    self._trace(action.rank, "S", action.line)
                self._reply(action)
            elif isinstance(action, Exchange):
                self._exchange(dict(action.pairs))
            elif isinstance(action, Abort):
                text = f": {action.message}" if action.message else ""
                raise ShellFatal(f"MPI_Abort{text}", action.exitcode or 1)
            elif isinstance(action, Finalized) and self._traced:
                self.shell.log(TRACE, f"{action.rank}: S: pmi finalized")
            elif isinstance(action, ProtocolError):
                self.shell.log(WARNING, f"{action.rank}: {action.message}", self.name)
                self._close(action.rank)

    def _exchange(self, pairs: JsonObject) -> None:
        if self._tree is not None:
            self._tree.exchange(pairs, self._exchanged)
            return
        self._barriers += 1
        self.shell.peers.exchange(f"pmi-{self._barriers}", pairs, self._exchanged)

    def _exchanged(self, data: dict[str, str]) -> None:
        self._act(self._server.barrier_complete(data))

    def _reply(self, reply: Reply) -> None:
        sock = self._sockets.get(reply.rank)
        if sock is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(reply.line)
