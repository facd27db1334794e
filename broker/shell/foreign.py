"""Jobs that bring a job shell of their own (jobspec attribute ``system.exec.job_shell``): any
program, run once on each rank of the job with the job's id as its argument.

What it writes goes to the job's exec log under its name. It gets the signals that end the job; all
else is its own business.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from broker.shell import eventlog
from broker.shell.eventlog import LineBuffer
from broker.shell.loop import SignalPipe
from broker.shell.task import ShellTask
from broker.shell.workspace import enter_directory
from broker.subprocess.descendants import (
    become_subreaper,
    end_descendants,
    has_children,
    kill_descendants,
)
from flux.job.JobID import f58_in
from flux.waitstatus import code_of_failure, status_of_code

if TYPE_CHECKING:
    from broker.shell.context import ShellContext

READ_SIZE: Final = 65536


class ForeignShell:
    """The course of one such program on this rank."""

    def __init__(self, context: ShellContext, path: str) -> None:
        self._context = context
        self._path = path
        self._name = os.path.basename(path)
        env = {
            **context.env,
            **context.environ,
            "FLUX_JOB_ID": f58_in(context.info.id, context.env),
            "FLUX_KVS_NAMESPACE": f"job-{context.info.id}",
        }
        self._task = ShellTask(0, 0, [path, str(context.info.id)], env)
        context.peers.on_kill = self._kill

    def run(self) -> int:
        """Run it to its end, and wait for those of the other ranks if this is the first one;
        returns its wait status.
        """
        context = self._context
        signals = SignalPipe(context.loop, (signal.SIGCHLD,), lambda _: self._reap())
        become_subreaper()
        try:
            enter_directory(context)
            status = self._run()
            end_descendants()
        finally:
            signals.close()
        if context.leader:
            context.loop.run_until(lambda: context.peers.all_left)
        else:
            context.peers.relay("leader", "left")
        context.peers.flush_entries()
        return status

    def lost_peer(self) -> None:
        """The broker is gone: nothing may stay behind."""
        kill_descendants(os.getpid(), itself=False)
        os._exit(1)

    def _run(self) -> int:
        context, task = self._context, self._task
        theirs = [os.open("/dev/null", os.O_RDONLY)]
        task.fds.append((theirs[0], 0))
        for number, stream in enumerate(eventlog.STREAMS, start=1):
            ours, end = os.pipe()
            theirs.append(end)
            task.fds.append((end, number))
            self._watch(ours, stream)
        try:
            task.start()
        except OSError as error:
            rank, reason = context.me.broker_rank, os.strerror(error.errno or 0)
            note = f"cmd={self._path}: rank={rank} exec failed: {reason}"
            context.peers.raise_exception("exec", note)
            return status_of_code(code_of_failure(error))
        finally:
            for end in theirs:
                os.close(end)
        context.loop.run_until(lambda: task.status is not None and not task.holds)
        return task.status or 0

    def _watch(self, fd: int, stream: str) -> None:
        os.set_blocking(fd, False)
        lines, loop = LineBuffer(), self._context.loop
        self._task.holds += 1

        def readable() -> None:
            try:
                data = os.read(fd, READ_SIZE)
            except BlockingIOError:
                return
            for piece in lines.feed(data) if data else lines.finish():
                text = piece.decode("utf-8", "backslashreplace")
                self._context.log_stream(stream, text, self._name)
            if not data:
                loop.remove_reader(fd)
                os.close(fd)
                self._task.holds -= 1

        loop.add_reader(fd, readable)

    def _reap(self) -> None:
        while has_children():
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            if pid == self._task.pid and not os.WIFSTOPPED(status):
                self._task.status = status

    def _kill(self, number: int, final: bool) -> None:
        """Send a signal; the last one reaches all that it has started."""
        self._task.kill(number)
        if final:
            self._task.kill(signal.SIGCONT)
        if number == signal.SIGKILL:
            kill_descendants(os.getpid(), itself=False)
