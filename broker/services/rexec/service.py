"""Service ``broker.rexec`` (every rank): runs commands as children of the broker for ``flux exec``
(flux-exec(1)).

A request ``broker.rexec`` gets several responses: {type: "start"}, {type: "state", state: 2 running
| 3 exited | 1 failed}, {type: "output", io}, and {type: "complete"} last. A client that goes away
takes its processes with it.

Input that a process does not read waits, up to a bound; what goes beyond it is refused. A client
that asks for it (option ``stdin_CREDIT``) is told the bound, ``stdin_room`` of state 2, and as the
process reads, {type: "taken", stream, bytes}.

Beside its standard streams a command may have *channels*: the variable of a channel's name tells
the child the descriptor it reads and writes it by.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

from broker.service import NO_REPLY, Request, Service, request
from broker.services.rexec.command import RemoteCommand
from broker.subprocess.process import ChildProcess
from broker.subprocess.streams import INPUT_LIMIT, STANDARD
from flux.job import io
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from broker.context import Context
    from broker.service import Reply
    from flux.wire.json import JsonObject

FAILED: Final = 1
RUNNING: Final = 2
EXITED: Final = 3

Kind: TypeAlias = Literal["start", "state", "output", "taken", "complete"]


class RemoteProcess(Struct, eq=False):
    """A process and the request it was started by."""

    request: Request
    process: ChildProcess
    command: RemoteCommand
    streams: frozenset[str]
    rank: int

    @property
    def stdin_room(self) -> JsonObject:
        """What a client that feeds the process as it reads is told once."""
        if not self.command.options.credit:
            return {}
        return {"stdin_room": self.command.options.limits.get(STANDARD[0], INPUT_LIMIT)}

    def respond(self, kind: Kind, **fields: object) -> None:
        """Send one response that others follow."""
        self.request.respond_more({"type": kind, "rank": self.rank, **fields})

    def finish(self, kind: Kind, **fields: object) -> None:
        """Send the last response; a client that asked for a stream is told of its end as well."""
        self.request.respond({"type": kind, "rank": self.rank, **fields})
        if self.request.streaming:
            self.request.end()

    def output(self, stream: str, data: bytes, eof: bool) -> None:
        """Pass on output, if the client wants that stream."""
        if stream not in self.streams:
            return
        chunk = io.encode(stream, str(self.rank), data, eof)
        self.respond("output", pid=self.process.pid, io=chunk)


class RexecService(Service):
    """Runs, feeds, signals and lists the commands of `flux exec`."""

    name = "broker.rexec"
    also = ("broker.disconnect",)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.running: dict[int, RemoteProcess] = {}

    async def stop(self) -> None:
        """Kill every process."""
        for remote in self.running.values():
            remote.process.signal(signal.SIGKILL)

    def facts(self) -> JsonObject:
        return {"processes": len(self.running)}

    @request("broker.rexec", absolute=True)
    def start_process(self, req: Request) -> Reply:
        """Run the command ``cmd``, a JSON text {cwd, cmdline, env, opts, channels}; tell what it
        writes to stdout, stderr and its channels if ``on_stdout``, ``on_stderr`` and
        ``on_channel_out`` say so.

        Options are ``NAME_LINE_BUFFER``, false for output as it is read instead of by lines, and
        ``NAME_BUFSIZE``, the bytes that may wait, for each stream and channel; with
        ``stdin_CREDIT`` the client is told what the process has read of its stdin.
        """
        command = RemoteCommand.parse(req.get("cmd", str))
        streams = {stream for stream in STANDARD[1:] if req.payload.get(f"on_{stream}")}
        if req.payload.get("on_channel_out"):
            streams.update(command.channels)
        remote: RemoteProcess

        def exited(status: int) -> None:
            remote.respond("state", state=EXITED, status=status)

        def completed() -> None:
            # Output may outlive the process, and its id be given again.
            if self.running.get(remote.process.pid) is remote:
                del self.running[remote.process.pid]
            remote.finish("complete")

        def output(stream: str, data: bytes, eof: bool) -> None:
            remote.output(stream, data, eof)

        def taken(stream: str, size: int) -> None:
            remote.respond("taken", pid=remote.process.pid, stream=stream, bytes=size)

        credit = command.options.credit
        process = ChildProcess(output, exited, completed, taken if credit else None)
        remote = RemoteProcess(req, process, command, frozenset(streams), self.ctx.rank)
        self._launch(remote, command)
        return NO_REPLY

    def _launch(self, remote: RemoteProcess, command: RemoteCommand) -> None:
        uri = self.ctx.attrs.get("local-uri") or command.env.get("FLUX_URI", "")
        env, cwd = {**command.env, "FLUX_URI": uri}, command.cwd
        remote.respond("start")
        try:
            remote.process.start(command.argv, env, cwd, command.channels, command.options)
        except OSError as error:
            remote.finish("state", state=FAILED, errno=error.errno)
            return
        pid = remote.process.pid
        self.running[pid] = remote
        remote.respond("state", pid=pid, state=RUNNING, **remote.stdin_room)
        if cwd and not os.path.isdir(cwd):
            why = os.strerror(errno.ENOENT)
            text = f"Could not change dir to {cwd}: {why}. Going to /tmp instead\n"
            remote.output("stderr", text.encode(), False)

    def _find(self, req: Request) -> RemoteProcess:
        remote = self.running.get(req.get("pid", int))
        if remote is None:
            raise os_error(errno.ENOENT)
        return remote

    @request("write")
    def write(self, req: Request) -> None:
        """Feed a process: {pid, io: {stream, rank, data?, eof?, encoding?}}; the stream is stdin or
        a channel.
        """
        remote = self._find(req)
        chunk = io.decode(req.get("io", dict))
        remote.process.write(chunk.data, chunk.eof, chunk.stream)

    @request("signal")
    def signal(self, req: Request) -> None:
        """Send a signal to a process: {pid, signum}."""
        if not self._find(req).process.signal(req.get("signum", int)):
            raise os_error(errno.ENOENT)

    @request("processes")
    def processes(self, req: Request) -> Reply:
        """List the running processes."""
        procs = [
            {"pid": pid, "sender": remote.request.sender, "cmdline": remote.command.argv}
            for pid, remote in self.running.items()
        ]
        return {"rank": self.ctx.rank, "procs": procs}

    @request("broker.disconnect", absolute=True, allow="guest")
    def client_gone(self, req: Request) -> Reply:
        """A client of this broker went away."""
        self.on_disconnect(req.sender)
        return NO_REPLY

    def on_disconnect(self, sender: str) -> None:
        """Kill the processes of a client that went away."""
        for remote in self.running.values():
            if remote.request.sender == sender:
                remote.process.signal(signal.SIGKILL)
