"""Service ``broker.rexec`` (every rank): runs commands as children of the broker for `flux exec` (flux-exec(1)).

A request ``broker.rexec`` gets several responses: {type: "start"}, {type: "state", state: 2 running | 3 exited | 1 failed},
{type: "output", io}, and {type: "complete"} last. A client that goes away takes its processes with it.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass
from typing import Any

from broker.context import Context
from broker.service import NO_REPLY, Request, Service, request
from broker.subprocess.process import Process
from flux.treeobj import b64decode, b64encode
from flux.wire.json import loads

FAILED, RUNNING, EXITED = 1, 2, 3


@dataclass(eq=False)
class RemoteProcess:
    """A process and the request it was started by."""

    request: Request
    process: Process
    argv: list[str]
    streams: frozenset[str]
    rank: int

    def respond(self, kind: str, **fields: Any) -> None:
        """Send one response that others follow."""
        self.request.respond_more({"type": kind, "rank": self.rank, **fields})

    def finish(self, kind: str, **fields: Any) -> None:
        """Send the last response; a client that asked for a stream is told of its end as well."""
        self.request.respond({"type": kind, "rank": self.rank, **fields})
        if self.request.streaming:
            self.request.end()

    def output(self, stream: str, data: bytes, eof: bool) -> None:
        """Pass on output, if the client wants that stream."""
        if stream not in self.streams:
            return
        io: dict[str, Any] = {"stream": stream, "rank": str(self.rank)}
        if data:
            try:
                io["data"] = data.decode("utf-8")
            except UnicodeDecodeError:
                io |= {"encoding": "base64", "data": b64encode(data)}
        if eof:
            io["eof"] = True
        self.respond("output", pid=self.process.pid, io=io)


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

    def stats(self) -> dict[str, Any]:
        return {"processes": len(self.running)}

    @request("broker.rexec", absolute=True)
    def start_process(self, req: Request) -> object:
        """Run the command ``cmd``, a JSON text {cwd, cmdline, env, opts, channels}."""
        try:
            command = loads(req.get("cmd", str))
            argv = [str(word) for word in command["cmdline"]]
            env = {str(key): str(value) for key, value in command.get("env", {}).items()}
            cwd = command.get("cwd")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OSError(errno.EPROTO, "malformed command") from error
        if not argv:
            raise OSError(errno.EPROTO, "malformed command")
        streams = frozenset(
            stream for stream in ("stdout", "stderr") if req.payload.get(f"on_{stream}")
        )
        remote: RemoteProcess

        def exited(status: int) -> None:
            remote.respond("state", state=EXITED, status=status)

        def completed() -> None:
            if (
                self.running.get(remote.process.pid) is remote
            ):  # output may outlive the process and its id be given again
                del self.running[remote.process.pid]
            remote.finish("complete")

        process = Process(lambda *io: remote.output(*io), exited, completed)
        remote = RemoteProcess(req, process, argv, streams, self.ctx.rank)
        self._launch(remote, env, cwd)
        return NO_REPLY

    def _launch(self, remote: RemoteProcess, env: dict[str, str], cwd: str | None) -> None:
        env = {**env, "FLUX_URI": self.ctx.attrs.get("local-uri") or env.get("FLUX_URI", "")}
        remote.respond("start")
        try:
            remote.process.start(remote.argv, env, cwd)
        except OSError as error:
            remote.finish("state", state=FAILED, errno=error.errno)
            return
        pid = remote.process.pid
        self.running[pid] = remote
        remote.respond("state", pid=pid, state=RUNNING)
        if cwd and not os.path.isdir(cwd):
            text = (
                f"Could not change dir to {cwd}: No such file or directory. Going to /tmp instead\n"
            )
            remote.output("stderr", text.encode(), False)

    def _find(self, req: Request) -> RemoteProcess:
        remote = self.running.get(req.get("pid", int))
        if remote is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        return remote

    @request("write")
    def write(self, req: Request) -> None:
        """Feed a process: {pid, io: {stream, rank, data?, eof?, encoding?}}."""
        remote = self._find(req)
        io = req.get("io", dict)
        try:
            text = io.get("data", "")
            data = (
                b64decode(text)
                if io.get("encoding") == "base64"
                else text.encode("utf-8", "surrogateescape")
            )
        except (ValueError, AttributeError) as error:
            raise OSError(errno.EPROTO, "malformed data") from error
        remote.process.write(data, bool(io.get("eof")))

    @request("signal")
    def signal(self, req: Request) -> None:
        """Send a signal to a process: {pid, signum}."""
        if not self._find(req).process.signal(req.get("signum", int)):
            raise OSError(errno.ENOENT, "No such file or directory")

    @request("processes")
    def processes(self, req: Request) -> dict[str, Any]:
        """List the running processes."""
        procs = [
            {"pid": pid, "sender": remote.request.sender, "cmdline": remote.argv}
            for pid, remote in self.running.items()
        ]
        return {"rank": self.ctx.rank, "procs": procs}

    @request("broker.disconnect", absolute=True, allow="guest")
    def client_gone(self, req: Request) -> object:
        """A client of this broker went away."""
        self.on_disconnect(req.sender)
        return NO_REPLY

    def on_disconnect(self, sender: str) -> None:
        """Kill the processes of a client that went away."""
        for remote in self.running.values():
            if remote.request.sender == sender:
                remote.process.signal(signal.SIGKILL)
