"""The shell host: a small process with the shell already imported, which forks one process for
each job shell.

The broker talks to it on a SEQPACKET socket. Each packet is a job id in decimal with one descriptor
attached, the new shell's end of its socket to the broker, 0 for a shell that jobs share;
``kill <jobid>`` kills a shell with everything it started. The host forks; the child runs that job
and exits. What comes back is one packet per shell that ended without saying so:
``<jobid> <pid> <wait status>``, and ``pong`` to each ``ping``. When the socket closes, the host
kills what is left and exits.

The host is a subreaper: what a killed shell had adopted becomes its child, and is told by the job
id in its environment.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from broker.shell.shared_protocol import NO_JOB
from broker.subprocess.descendants import (
    become_subreaper,
    child_ids,
    children,
    end_descendants,
    environment_of,
    kill_descendants,
)
from flux.job.JobID import f58_digits
from flux.waitstatus import signal_of

if TYPE_CHECKING:
    from collections.abc import Callable

PACKET = 256
SHARED = b"%d" % NO_JOB
SHUTDOWN_PATIENCE = 1.0


class ShellHost:
    """Forks shells and reaps them."""

    def __init__(
        self,
        control: socket.socket,
        run_job: Callable[[int], int],
        run_shared: Callable[[int], int],
    ) -> None:
        self._control = control
        self._run_job = run_job
        self._run_shared = run_shared
        self._shells: dict[int, str] = {}
        self._kept: set[int] = set()

    def serve(self) -> None:
        """Serve requests until the broker closes the control socket."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._wakeup = (wake_read, wake_write)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == wake_read:
                    os.read(wake_read, 4096)
                    self._reap()
                elif not self._request():
                    return

    def _request(self) -> bool:
        packet, fds, _, _ = socket.recv_fds(self._control, PACKET, 1)
        if not packet:
            return False
        if packet.startswith(b"kill "):
            self._kill(packet[5:].decode())
            return True
        if packet == b"ping":
            self._send(b"pong")
            return True
        fd = fds[0]
        pid = os.fork()
        if pid == 0:
            self._become_shell(fd, self._run_shared if packet == SHARED else self._run_job)
        self._shells[pid] = packet.decode()
        os.close(fd)
        return True

    def _become_shell(self, fd: int, run: Callable[[int], int]) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for wakeup in self._wakeup:
                os.close(wakeup)
            self._control.close()
            os.setsid()
            code = run(fd)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def _send(self, packet: bytes) -> None:
        with suppress(OSError):  # a broker that is gone shows at the next read
            self._control.send(packet)

    def _kill(self, job: str) -> None:
        """Kill the shells of ``job`` and all their processes."""
        for pid, name in self._shells.items():
            if name == job:
                kill_descendants(pid)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            job = self._shells.pop(pid, None)
            if job is None:
                continue
            if not signal_of(status):
                self._kept.update(one for one in child_ids() if one not in self._shells)
            else:
                kill_descendants(pid)
                self._kill_orphans(job)
                self._send(f"{job} {pid} {status}".encode())

    def _kill_orphans(self, job: str) -> None:
        """Kill what the shell of ``job`` had adopted before it was killed; what those that ended in
        order have left was to stay.
        """
        if job == SHARED.decode():
            self._kept.intersection_update(child_ids())
            for pid in child_ids():
                if pid not in self._shells and pid not in self._kept:
                    kill_descendants(pid)
            return
        # Whether it begins with ƒ or f is the environment's of the job.
        digits = f58_digits(int(job))
        names = (f"ƒ{digits}", f"f{digits}", job)
        for pid in children():
            if pid not in self._shells and environment_of(pid).get("FLUX_JOB_ID") in names:
                kill_descendants(pid)

    def shutdown(self) -> None:
        """Kill every shell with its tasks, and what is left of those that ended before."""
        end_descendants(patience=SHUTDOWN_PATIENCE)


def main(fd: int) -> None:
    """Serve on the inherited control socket ``fd``; does not return."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    from broker.shell.main import run_job
    from broker.shell.plugins import affinity
    from broker.shell.shared import run_shared

    affinity.cpus_of_cores()
    os.chdir("/")
    gc.collect()
    gc.freeze()
    gc.disable()
    become_subreaper()
    host = ShellHost(socket.socket(fileno=fd), run_job, run_shared)
    try:
        host.serve()
    finally:
        host.shutdown()
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
