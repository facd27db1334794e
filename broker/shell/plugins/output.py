"""Collects the tasks' stdout and stderr (RFC 24): into the KVS, into files, or to the terminal of
a standalone shell.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from broker.shell import eventlog
from broker.shell.channels import Channel
from broker.shell.jobinfo import encode_idset
from broker.shell.levels import DEBUG, ERROR
from broker.shell.plugin import ShellPlugin
from flux.job.io import decode, encode, labelled
from flux.job.JobID import JobID, f58_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject

READ_SIZE = 65536
KVS, FILE, TERM = "kvs", "file", "term"
_ENCODINGS: dict[str, Callable[[JobID], str]] = {
    "dec": lambda jobid: str(jobid.dec),
    "hex": lambda jobid: str(jobid.hex),
    "dothex": lambda jobid: str(jobid.dothex),
    "words": lambda jobid: str(jobid.words),
}


def render_path(template: str, jobid: int, environ: Mapping[str, str] | None = None) -> str:
    """Return ``template`` with ``{{id}}`` and ``{{id.FORM}}`` (also ``jobid``) replaced; unknown
    tags stay.

    ``environ`` is the job's environment, which may want plain letters (`f58_prefix`).
    """
    identity = JobID(jobid)
    f58 = f58_in(jobid, environ or {})
    for name in ("id", "jobid"):
        template = template.replace("{{" + name + "}}", f58)
        template = template.replace("{{" + name + ".f58}}", f58)
        for form, written in _ENCODINGS.items():
            template = template.replace("{{" + name + "." + form + "}}", written(identity))
    return template


@dataclass
class Destination:
    """Where one stream of the job goes."""

    kind: str
    path: str = ""
    label: bool = False
    unbuffered: bool = False
    fd: int = -1


class OutputPlugin(ShellPlugin):
    """Reads the tasks' streams line by line and hands them on."""

    name = "output"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._to = {stream: self._destination(stream) for stream in eventlog.STREAMS}
        self._readers: dict[int, Callable[[], None]] = {}
        self._paused = False

    def _destination(self, stream: str) -> Destination:
        """Read the stream's options; stderr follows stdout unless it has its own."""
        option = self.shell.option
        default = TERM if self.shell.standalone else KVS
        source = stream if option(f"output.{stream}.type") is not None else "stdout"
        kind = str(option(f"output.{source}.type", default))
        unbuffered = option(f"output.{stream}.buffer.type") == "none"
        label = bool(option(f"output.{source}.label", kind == TERM))
        return Destination(kind, str(option(f"output.{source}.path", "")), label, unbuffered)

    def shell_init(self) -> None:
        """On the leader: open the files and start the log."""
        shell = self.shell
        shell.peers.relays["output"] = self._relayed
        shell.peers.on_drained.append(self._resume)
        if not shell.leader:
            return
        self._open_files()
        if shell.standalone:
            return
        shell.log(DEBUG, "batch timeout = 0.500s", self.name)
        redirects = []
        for stream, to in self._to.items():
            if to.kind == FILE:
                ranks = encode_idset(list(range(shell.info.ntasks)))
                context = {"stream": stream, "rank": ranks, "path": to.path}
                redirects.append(eventlog.entry("redirect", context))
        header = eventlog.output_header(shell.info.ntasks)
        shell.peers.prepend("output", header + "".join(redirects))

    def _open_files(self) -> None:
        mode = os.O_APPEND if self.shell.option("output.mode") == "append" else os.O_TRUNC
        opened: dict[str, int] = {}
        for to in self._to.values():
            if to.kind != FILE:
                continue
            to.path = render_path(to.path, self.shell.info.id, self.shell.env)
            try:
                if to.path not in opened:
                    opened[to.path] = os.open(to.path, os.O_WRONLY | os.O_CREAT | mode, 0o666)
            except OSError as error:
                self.shell.log(
                    ERROR, f"error opening output file '{to.path}': {error.strerror}", self.name
                )
                raise
            to.fd = opened[to.path]

    def close(self) -> None:
        for fd in self._readers:
            self.shell.loop.remove_reader(fd)
        for task in self.shell.tasks:
            for channel in task.channels.values():
                channel.handed_over()
                channel.close()
        for fd in {to.fd for to in self._to.values() if to.fd >= 0}:
            os.close(fd)

    def task_init(self, task: ShellTask) -> None:
        """Make the task's pipes."""
        if task.tty is not None:
            return
        for number, stream in enumerate(eventlog.STREAMS, start=1):
            ours, theirs = os.pipe()
            os.set_blocking(ours, False)
            task.fds.append((theirs, number))
            task.holds += 1
            rank = str(task.rank)
            # Unlike those of other channels this is one end of a pipe, which goes first.
            task.channels[stream] = Channel(
                stream, ours, theirs=theirs, sink=partial(self._deliver, stream, rank)
            )

    def task_fork(self, task: ShellTask) -> None:
        """The task has its ends: read ours, but for what a plugin reads."""
        # stderr is asked first, so that it comes first when a task has written to both.
        for stream in reversed(eventlog.STREAMS):
            channel = task.channels.get(stream)
            if channel is None:
                continue
            if channel.taken:
                channel.on_end = partial(self._ended, task, stream)
                channel.watch(self.shell.loop)
                continue
            reader = self._readers[channel.fd] = self._reader(channel, task, stream)
            channel.subscribe(reader)
            self.shell.loop.add_reader(channel.fd, reader)

    def _ended(self, task: ShellTask, stream: str) -> None:
        task.holds -= 1
        self._deliver(stream, str(task.rank), b"", eof=True)

    def _reader(self, channel: Channel, task: ShellTask, stream: str) -> Callable[[], None]:
        fd = channel.fd
        lines = eventlog.LineBuffer(self._to[stream].unbuffered)
        rank = str(task.rank)

        def readable() -> None:
            try:
                data = os.read(fd, READ_SIZE)
            except BlockingIOError:
                return
            pieces = lines.feed(data) if data else lines.finish()
            for piece in pieces:
                self._deliver(stream, rank, piece)
            if not data:
                self.shell.loop.remove_reader(fd)
                del self._readers[fd]
                channel.close()
                self._ended(task, stream)
            elif self.shell.peers.congested and not self._paused:
                self._pause()

        return readable

    def _pause(self) -> None:
        self._paused = True
        for fd in self._readers:
            self.shell.loop.remove_reader(fd)

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            for fd, reader in self._readers.items():
                self.shell.loop.add_reader(fd, reader)

    def _deliver(self, stream: str, rank: str, data: bytes, eof: bool = False) -> None:
        to = self._to[stream]
        if to.kind == KVS:
            chunk = encode(stream, rank, data, eof)
            self.shell.peers.append("output", eventlog.entry("data", chunk))
        elif eof:
            return
        elif to.kind == TERM:
            target = sys.stdout.buffer if stream == "stdout" else sys.stderr.buffer
            target.write(_labelled(to, rank, data))
            target.flush()
        elif self.shell.leader:
            self._write(stream, rank, data)
        else:
            self.shell.peers.relay("leader", "output", dict(encode(stream, rank, data)))

    def _relayed(self, chunk: JsonObject) -> None:
        stream, rank, data, _ = decode(chunk)
        self._write(stream, rank, data)

    def _write(self, stream: str, rank: str, data: bytes) -> None:
        to = self._to[stream]
        if to.fd < 0:
            return
        view = memoryview(_labelled(to, rank, data))
        try:
            while view:
                view = view[os.write(to.fd, view) :]
        except OSError as error:
            self.shell.log(ERROR, f"error writing to '{to.path}': {error.strerror}", self.name)
            to.fd = -1


def _labelled(to: Destination, rank: str, data: bytes) -> bytes:
    """Return ``data`` with every line prefixed by its task rank, where the stream asks for it."""
    return labelled(rank, data) if to.label else data
