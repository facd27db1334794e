"""Service ``rexec`` (every rank): remote execution as clients of today's flux-core ask for it.

A streaming request ``rexec.exec`` runs a command for its client: {type: "started", pid}, then
{type: "add-credit", channels} for the bytes that may be sent to its input, {type: "output", io},
{type: "finished", status}, and ENODATA at the end. The process ends with its client.

Without the streaming flag it runs in the *background*: the one response is {type: "started"}. What
it writes goes to the broker's log, or, if it is *waitable*, is kept for who waits for it: such a
process is listed as a zombie until then. One client at a time may *attach* to a background process
and is sent what it writes from then on, as if it had started it.

A job has the same service under another name, ``<userid>-shell-<jobid>.rexec`` on each of its
ranks: its processes end with the job.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Final

from broker.service import NO_REPLY, Request, Service, request
from broker.services.rexec.background import RemoteTable, RunningCommand
from broker.services.rexec.command import RemoteCommand
from broker.subprocess.process import ChildProcess
from broker.subprocess.streams import INPUT_LIMIT, STANDARD
from flux.job import io
from flux.waitstatus import exit_code_of, signal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.service import Reply
    from flux.wire.json import JsonObject

STDOUT: Final = 1
STDERR: Final = 2
CHANNEL: Final = 4
WRITE_CREDIT: Final = 8
WAITABLE: Final = 16


def _told(status: int) -> str:
    """Return how a process ended, for the log."""
    number = signal_of(status)
    return (signal.strsignal(number) or str(number)) if number else f"Exit {exit_code_of(status)}"


def _wanted(flags: int, command: RemoteCommand) -> frozenset[str]:
    """Return the streams that ``flags`` ask for."""
    wanted = {STANDARD[1]: flags & STDOUT, STANDARD[2]: flags & STDERR}
    wanted.update(dict.fromkeys(command.channels, flags & CHANNEL))
    return frozenset(name for name, asked in wanted.items() if asked)


class TodaysRexecService(Service):
    """Runs, feeds, signals, lists, attaches to and waits for commands."""

    name = "rexec"

    def __init__(
        self, ctx: Context, prefix: str = "rexec", on_rest: Callable[[], None] | None = None
    ) -> None:
        """Serve topics that begin with ``prefix``; ``on_rest`` is called whenever a process has
        ended and none runs.
        """
        super().__init__(ctx)
        self.prefix = prefix
        self.table = RemoteTable()
        self._on_rest = on_rest

    async def stop(self) -> None:
        """Kill every process."""
        self.signal_all(signal.SIGKILL)

    @property
    def running(self) -> bool:
        """Whether a process has not ended, or not told all it wrote."""
        return any(not remote.complete for remote in self.table)

    def signal_all(self, number: int) -> None:
        """Send a signal to every process that runs."""
        for remote in self.table:
            remote.process.signal(number)

    def facts(self) -> JsonObject:
        return {"processes": len(self.table)}

    # Starting

    @request("exec")
    def start_process(self, req: Request) -> Reply:
        """Run the command ``cmd`` {cwd, cmdline, env, opts, channels, label?}: for the client if
        the request is streaming, else in the background. ``flags`` ask for stdout (1), stderr (2),
        channels (4), the credit of stdin (8), or that a background process is waitable (16).
        """
        command = RemoteCommand.of(req.get("cmd", dict))
        flags = req.get("flags", int)
        if flags & WAITABLE and req.streaming:
            raise OSError(errno.EINVAL, "only a background process can be waited for")
        self.table.check(command.label, waitable=bool(flags & WAITABLE))
        remote = self._launch(req, command, flags)
        self.table.add(remote)
        started = {"type": "started", "pid": remote.pid}
        req.respond(started)
        if not req.streaming:
            remote.process.write(b"", eof=True)
        elif flags & WRITE_CREDIT:
            room = command.options.limits.get(STANDARD[0], INPUT_LIMIT)
            req.respond({"type": "add-credit", "channels": {STANDARD[0]: room}})
        return NO_REPLY

    def _launch(self, req: Request, command: RemoteCommand, flags: int) -> RunningCommand:
        """Start the command; raises OSError saying that it cannot be."""
        remote: RunningCommand

        def output(stream: str, data: bytes, eof: bool) -> None:
            self._output(remote, stream, data, eof)

        def taken(stream: str, size: int) -> None:
            if remote.client is not None and stream in STANDARD:
                remote.client.respond({"type": "add-credit", "channels": {stream: size}})

        process = ChildProcess(
            output,
            lambda status: self._exited(remote, status),
            lambda: self._completed(remote),
            taken if flags & WRITE_CREDIT else None,
        )
        client = req if req.streaming else None
        remote = RunningCommand(
            command,
            process,
            client,
            _wanted(flags, command),
            bool(flags & WAITABLE),
            client is None,
        )
        uri = self.ctx.attrs.get("local-uri") or command.env.get("FLUX_URI", "")
        env = {**command.env, "FLUX_URI": uri}
        try:
            process.start(command.argv, env, command.cwd, command.channels, command.options)
        except OSError as exc:
            text = f"error launching process: {os.strerror(exc.errno or 0)}"
            raise OSError(exc.errno, text) from None
        if command.cwd and not os.path.isdir(command.cwd):
            why = os.strerror(errno.ENOENT)
            text = f"Could not change dir to {command.cwd}: {why}. Going to /tmp instead\n"
            # After the response that it has started, which the client waits for.
            self.ctx.call_soon(lambda: self._output(remote, STANDARD[2], text.encode(), False))
        return remote

    # What processes do

    def _output(self, remote: RunningCommand, stream: str, data: bytes, eof: bool) -> None:
        if remote.client is not None:
            if stream in remote.streams:
                chunk = io.encode(stream, str(self.ctx.rank), data, eof)
                remote.client.respond({"type": "output", "pid": remote.pid, "io": chunk})
        elif remote.waitable:
            remote.keep(stream, data)
        elif data:
            tell = self.ctx.log.err if stream == STANDARD[2] else self.ctx.log.info
            name = remote.command.label or remote.name
            tell(f"{name}[{remote.pid}]: {data.decode(errors='replace').rstrip()}")

    def _exited(self, remote: RunningCommand, status: int) -> None:
        remote.status = status
        if remote.client is not None:
            remote.client.respond({"type": "finished", "status": status})
        elif not remote.waitable:
            name = f"{remote.command.label}: " if remote.command.label else ""
            self.ctx.log.info(f"{name}{remote.name}[{remote.pid}]: {_told(status)}")

    def _completed(self, remote: RunningCommand) -> None:
        """The process has ended and so have its streams."""
        if remote.client is not None:
            remote.client.end()
            remote.client = None
        remote.complete = True
        if not remote.waitable:
            self.table.remove(remote)
        elif remote.waiter is not None:
            self._collect(remote, remote.waiter)
        if self._on_rest is not None and not self.running:
            self._on_rest()

    # Requests about them

    def _find(self, req: Request, number: int = errno.ESRCH) -> RunningCommand:
        """Return the process that ``pid`` or, if that is -1, ``label`` of a request names; raises
        OSError(number).
        """
        return self.table.find(req.get("pid", int), req.get("label", str, ""), number)

    @request("attach", streaming=True)
    def attach(self, req: Request) -> Reply:
        """Send the client what a background process {pid, label} writes from now on, and its end;
        ``flags`` are those of ``rexec.exec``.
        """
        remote = self._find(req, errno.ENOENT)
        if not remote.background:
            raise OSError(errno.EINVAL, "subprocess is not in background mode")
        if remote.client is not None:
            raise OSError(errno.EBUSY, "subprocess already has a client attached")
        if remote.complete:
            raise OSError(errno.ENOENT, "the process has ended")
        remote.streams = _wanted(req.get("flags", int), remote.command)
        remote.client = req
        req.respond({"type": "attached", "pid": remote.pid, "cmd": remote.command.as_object()})
        if remote.status is not None:
            req.respond({"type": "finished", "status": remote.status})
        return NO_REPLY

    @request("write")
    def write(self, req: Request) -> None:
        """Feed the process that the client started by its request ``matchtag``: {io: {stream, rank,
        data?, eof?, encoding?}}; the stream is stdin or a channel.
        """
        remote = self.table.started_by(req.sender, req.get("matchtag", int))
        if remote is not None:
            chunk = io.decode(req.get("io", dict))
            remote.process.write(chunk.data, chunk.eof, chunk.stream)

    @request("kill")
    def kill(self, req: Request) -> None:
        """Send the signal ``signum`` to the group of a process {pid, label}."""
        remote, number = self._find(req), req.get("signum", int)
        if not 0 <= number < signal.NSIG:
            raise OSError(errno.EINVAL, f"{number} is no signal")
        if not remote.process.signal(number):
            raise OSError(errno.ESRCH, "the process has ended")

    @request("list")
    def processes(self, req: Request) -> Reply:
        """List the processes of this broker: pid, command, label, and R for running, Z for one that
        has ended and is not waited for yet.
        """
        procs = [
            {
                "pid": remote.pid,
                "cmd": remote.name,
                "label": remote.command.label,
                "state": "R" if remote.status is None else "Z",
            }
            for remote in self.table
        ]
        return {"rank": self.ctx.rank, "procs": procs}

    @request("wait")
    def wait(self, req: Request) -> Reply:
        """Return the wait ``status`` of a waitable process {pid, label} once it has ended, with the
        beginning of what it wrote (``output``), and forget it.
        """
        remote = self._find(req)
        if not remote.waitable:
            raise OSError(errno.EINVAL, "process is not waitable")
        if remote.waiter is not None:
            raise OSError(errno.EINVAL, "process is already being waited on")
        remote.waiter = req
        if remote.complete:
            self._collect(remote, req)
        return NO_REPLY

    def _collect(self, remote: RunningCommand, waiter: Request) -> None:
        self.table.remove(remote)
        rank = str(self.ctx.rank)
        kept = [io.encode(name, rank, bytes(data)) for name, data in remote.kept.items() if data]
        waiter.respond({"status": remote.status, **({"output": kept} if kept else {})})

    def on_disconnect(self, sender: str) -> None:
        """A client went away: what it started for itself is killed; what it attached to or waited
        for goes on.
        """
        for remote in self.table:
            if remote.waiter is not None and remote.waiter.sender == sender:
                remote.waiter = None
            if remote.client is not None and remote.client.sender == sender:
                if remote.background:
                    remote.client = None
                else:
                    remote.process.signal(signal.SIGKILL)
