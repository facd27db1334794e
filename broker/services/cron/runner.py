"""Runs the tasks of cron entries as children of a broker, by the service behind flux-exec(1)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from flux.job import io
from flux.wire import json
from flux.wire.message import Message, request

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from broker.context import Context
    from broker.services.cron.entry import CommandTask, RegisteredCommand
    from flux.wire.json import JsonObject

_FAILED, _RUNNING, _EXITED = 1, 2, 3
KILL_GRACE_SECONDS = 5.0


def command_of(entry: RegisteredCommand, environ: dict[str, str]) -> dict[str, object]:
    """Return the ``broker.rexec`` request that runs an entry's command in a shell."""
    options = entry.options
    command = {
        "cwd": options.cwd or os.getcwd(),
        "cmdline": ["sh", "-c", entry.command],
        "env": environ if options.environ is None else options.environ,
        "opts": {},
        "channels": [],
    }
    return {"cmd": json.dumps_str(command), "on_channel_out": 0, "on_stdout": 1, "on_stderr": 1}


class TaskRun:
    """A task that is being run; ``on_end`` is called once it has ended and all its output was
    logged.
    """

    def __init__(
        self,
        ctx: Context,
        entry: RegisteredCommand,
        task: CommandTask,
        on_end: Callable[[RegisteredCommand, CommandTask], None],
    ) -> None:
        self._ctx = ctx
        self._entry = entry
        self._task = task
        self._on_end = on_end
        self._partial = {"stdout": "", "stderr": ""}
        self._timer: asyncio.TimerHandle | None = None
        self._tag = 0

    def start(self) -> None:
        """Have the broker of the entry's rank start the command."""
        entry, task, ctx = self._entry, self._task, self._ctx
        entry.begin(task, ctx.now())
        msg = request(
            "broker.rexec", command_of(entry, dict(os.environ)), nodeid=entry.options.rank
        )
        self._tag = ctx.handle.start_stream(msg, self._on_response)
        if entry.options.timeout:
            self._timer = ctx.call_later(entry.options.timeout, self._timeout)

    def kill(self, signum: int = signal.SIGTERM) -> None:
        """Signal the command, if it runs."""
        if self._task.pid and not self._task.finished and not self._ctx.handle.closed:
            payload = {"pid": self._task.pid, "signum": int(signum)}
            self._ctx.handle.post(
                "broker.rexec.signal", payload, lambda _: None, nodeid=self._task.rank
            )

    def _timeout(self) -> None:
        self._task.timedout = True
        self._ctx.log.err(f'{self._entry.title}: command="{self._entry.command}": timed out')
        self.kill()
        self._timer = self._ctx.call_later(KILL_GRACE_SECONDS, self.kill, signal.SIGKILL)

    def _on_response(self, msg: Message) -> None:
        if msg.errnum:
            self._task.unreachable(msg.errnum, self._ctx.now())
            self._complete(os.strerror(msg.errnum))
            return
        body = msg.json()
        kind = body["type"]
        if kind == "state":
            self._on_state(body)
        elif kind == "output":
            self._on_output(body["io"])
        elif kind == "complete":
            self._ctx.handle.forget(self._tag)
            self._complete()

    def _on_state(self, body: JsonObject) -> None:
        task, now = self._task, self._ctx.now()
        if body["state"] == _RUNNING:
            task.pid, task.state, task.running_time = body["pid"], "Running", now
            eof = {"pid": task.pid, "io": {"stream": "stdin", "rank": "0", "eof": True}}
            self._ctx.handle.send("broker.rexec.write", eof, nodeid=task.rank)
        elif body["state"] == _EXITED:
            task.exited(body["status"], now)
        elif body["state"] == _FAILED:
            self._ctx.handle.forget(self._tag)
            task.failed(now)
            self._complete(os.strerror(body.get("errno", 0)))

    def _on_output(self, chunk: JsonObject) -> None:
        stream, _, data, eof = io.decode(chunk)
        *lines, rest = (self._partial[stream] + data.decode("utf-8", "replace")).split("\n")
        if eof and rest:
            lines, rest = [*lines, rest], ""
        self._partial[stream] = rest
        log = self._ctx.log.info if stream == "stdout" else self._ctx.log.err
        origin = f'{self._entry.title}: rank={self._task.rank}: command="{self._entry.command}"'
        for line in lines:
            log(f'{origin}: "{line}"')

    def _complete(self, reason: str = "") -> None:
        if self._timer is not None:
            self._timer.cancel()
        task, entry = self._task, self._entry
        if not task.finished:
            task.failed(self._ctx.now())
        if not task.succeeded:
            why = reason or ("timed out" if task.timedout else f"Exit {task.code}")
            self._ctx.log.err(f'cron-{entry.id}: "{entry.command}": Failed: {why}')
        self._on_end(entry, task)
