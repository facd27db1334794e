"""Serves PMI-1 to the tasks (RFC 13); barriers exchange pairs with the other shells of the job."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from broker.pmi import (
    Abort,
    Action,
    Exchange,
    PmiServer,
    ProtocolError,
    Reply,
    mapping_text,
    process_mapping,
)
from broker.shell.levels import TRACE, WARNING, ShellFatal
from broker.shell.plugin import ShellPlugin
from flux.job.JobID import f58_in

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask

PMI_FD = 3


class PmiPlugin(ShellPlugin):
    """Gives each task a socket as descriptor `PMI_FD` and answers on it."""

    name = "pmi"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._sockets: dict[int, socket.socket] = {}
        self._remote: dict[int, socket.socket] = {}

    def wanted(self) -> bool:
        return str(self.shell.option("pmi", "simple")) not in ("off", "none")

    def shell_init(self) -> None:
        """Set up the state for the local ranks."""
        shell = self.shell
        info = shell.info
        preset = {
            "PMI_process_mapping": self._mapping(),
            "flux.instance-level": str(shell.instance_level + 1),
        }
        name = f58_in(info.id, shell.env)
        self._server = PmiServer(info.ntasks, name, local_ranks=shell.me.taskids, preset=preset)
        self._barriers = 0

    def _mapping(self) -> str:
        info = self.shell.info
        if not info.taskmap:
            return process_mapping([rank.ntasks for rank in info.ranks])
        return mapping_text([block[:3] for block in info.taskmap for _ in range(block[3])])

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
        self._act(self._server.feed(rank, data))

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Reply):
                self._reply(action)
            elif isinstance(action, Exchange):
                self._barriers += 1
                self.shell.peers.exchange(
                    f"pmi-{self._barriers}", dict(action.pairs), self._exchanged
                )
            elif isinstance(action, Abort):
                text = f": {action.message}" if action.message else ""
                raise ShellFatal(
                    f"MPI_Abort: rank {action.rank}{text}", action.exitcode or 1, self.name
                )
            elif isinstance(action, ProtocolError):
                self.shell.log(WARNING, f"{action.rank}: {action.message}", self.name)
                self._close(action.rank)

    def _exchanged(self, data: dict[str, str]) -> None:
        self._act(self._server.barrier_complete(data))

    def _reply(self, reply: Reply) -> None:
        sock = self._sockets.get(reply.rank)
        if sock is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(reply.line)
