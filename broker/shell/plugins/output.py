"""Collects the tasks' stdout and stderr (RFC 24): into the KVS, into files, or to the terminal of
a standalone shell.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from broker.shell import eventlog
from broker.shell.channels import Channel
from broker.shell.jobinfo import encode_idset
from broker.shell.levels import DEBUG, WARNING
from broker.shell.mustache import TagScope, render
from broker.shell.plugin import ShellPlugin
from broker.shell.plugins.output_files import OutputFiles
from broker.shell.plugins.output_options import FILE, KVS, TERM, Destination, destinations
from flux.job.io import decode, encode, labelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject

READ_SIZE = 65536


class OutputPlugin(ShellPlugin):
    """Reads the tasks' streams line by line and hands them on."""

    name = "output"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._to: dict[str, Destination] = {}
        self._files = OutputFiles(shell, {})
        self._readers: dict[int, Callable[[], None]] = {}
        self._paused = False

    def shell_init(self) -> None:
        """Open the files of the job and of this node, on the leader start the log; raises OSError
        for a wrong option, or a file that cannot be opened.
        """
        shell = self.shell
        self._to = destinations(shell, self.refused)
        self._files = OutputFiles(shell, self._to)
        shell.peers.relays["output"] = self._relayed
        shell.peers.on_drained.append(self._resume)
        self._files.open(TagScope.NODE)
        if shell.leader:
            self._files.open(TagScope.JOB)
        if not shell.leader or shell.standalone:
            return
        shell.log(DEBUG, "batch timeout = 0.500s", self.name)
        redirects = [
            eventlog.entry("redirect", self._redirect(stream, to))
            for stream, to in self._to.items()
            if to.kind == FILE
        ]
        header = eventlog.output_header(shell.info.ntasks)
        shell.peers.prepend("output", header + "".join(redirects))

    def _redirect(self, stream: str, to: Destination) -> JsonObject:
        ranks = encode_idset(list(range(self.shell.info.ntasks)))
        return {
            "stream": stream,
            "rank": ranks,
            "path": render(to.template, self.shell, TagScope.JOB),
        }

    def stop(self) -> None:
        for fd in self._readers:
            self.shell.loop.remove_reader(fd)
        self._readers.clear()

    def close(self) -> None:
        self.stop()
        for task in self.shell.tasks:
            for channel in task.channels.values():
                channel.handed_over()
                channel.close()
        self._files.close()

    def task_init(self, task: ShellTask) -> None:
        """Make the task's pipes and open its files."""
        self._files.open(TagScope.TASK, task=task)
        if task.tty is not None:
            self._screen(task)
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

    def _screen(self, task: ShellTask) -> None:
        """What the terminal of a task shows is its stdout, if somebody is to read it here."""
        sink = partial(self._deliver, "stdout", str(task.rank))
        task.channels["stdout"] = Channel("stdout", task.screen, sink=sink, terminal=True)
        if task.screen >= 0:
            task.holds += 1

    def task_fork(self, task: ShellTask) -> None:
        """The task has its ends: read ours, but for what a plugin reads."""
        # stderr is asked first, so that it comes first when a task has written to both.
        for stream in reversed(eventlog.STREAMS):
            channel = task.channels.get(stream)
            if channel is None or channel.fd < 0:
                continue
            if channel.taken:
                channel.on_end = partial(self._ended, task, stream)
                channel.watch(self.shell.loop)
                continue
            reader = self._readers[channel.fd] = self._reader(channel, task, stream)
            channel.subscribe(reader)
            self.shell.loop.add_reader(channel.fd, reader)

    def task_exit(self, task: ShellTask) -> None:
        """A terminal can go once the task has."""
        if task.screen >= 0:
            task.channels["stdout"].close()

    def _ended(self, task: ShellTask, stream: str) -> None:
        task.holds -= 1
        self._deliver(stream, str(task.rank), b"", eof=True)
        if task.screen >= 0:
            self._deliver("stderr", str(task.rank), b"", eof=True)

    def _reader(self, channel: Channel, task: ShellTask, stream: str) -> Callable[[], None]:
        fd = channel.fd
        lines = eventlog.LineBuffer(self._to[stream].unbuffered)
        rank = str(task.rank)

        def readable() -> None:
            try:
                data = os.read(fd, READ_SIZE)
            except BlockingIOError:
                return
            except OSError:  # of a terminal that no task has any more
                data = b""
            pieces = lines.feed(data) if data else lines.finish()
            for piece in pieces:
                self._deliver(stream, rank, piece)
            if not data:
                self.shell.loop.remove_reader(fd)
                del self._readers[fd]
                channel.ended()
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
            if to.limit is not None:
                data = self._limited(stream, to, data)
            if data or eof:
                chunk = encode(stream, rank, data, eof)
                self.shell.peers.append("output", eventlog.entry("data", chunk))
        elif eof:
            return
        elif to.kind == TERM:
            self._show(stream, _labelled(to, rank, data))
        elif self.shell.leader or to.scope is not TagScope.JOB:
            self._files.write(stream, rank, _labelled(to, rank, data))
        else:
            self.shell.peers.relay("leader", "output", dict(encode(stream, rank, data)))

    def _limited(self, stream: str, to: Destination, data: bytes) -> bytes:
        """Return what is within the limit, and say so when the first byte is not."""
        within = to.seen <= (to.limit or 0)
        kept = data[: to.allowed(len(data))]
        if within and len(kept) < len(data):
            text = f"{stream} will be truncated, {to.limit} limit exceeded"
            self.shell.log(WARNING, text, self.name)
        return kept

    def shell_finish(self) -> None:
        """Say how much was beyond the limit."""
        for stream, to in self._to.items():
            beyond = 0 if to.limit is None else to.seen - to.limit
            if beyond > 0:
                text = f"{stream}: {beyond} of {to.seen} bytes truncated"
                self.shell.log(WARNING, text, self.name)

    def _show(self, stream: str, data: bytes) -> None:
        """Write to this shell's own stream; that of a job's shell is told in its exec log."""
        if not self.shell.standalone:
            self.shell.log_stream(stream, data.decode("utf-8", "backslashreplace"))
            return
        target = sys.stdout.buffer if stream == "stdout" else sys.stderr.buffer
        target.write(data)
        target.flush()

    def _relayed(self, chunk: JsonObject) -> None:
        stream, rank, data, _ = decode(chunk)
        self._files.write(stream, rank, _labelled(self._to[stream], rank, data))


def _labelled(to: Destination, rank: str, data: bytes) -> bytes:
    """Return ``data`` with every line prefixed by its task rank, where the stream asks for it."""
    return labelled(rank, data) if to.label else data
