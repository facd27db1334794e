"""Starts the shell host process, hands it sockets, and starts another one when it has died or does
not answer.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from broker.services.shell_host.sign_of_life import SignOfLife
from broker.subprocess.descendants import STOPPED, kill_descendants, process_state
from broker.subprocess.exits import has_exited
from broker.subprocess.launch import Command, launch

if TYPE_CHECKING:
    from collections.abc import Callable

PACKET = 256
END_PATIENCE = 3.0
"""Seconds that a host gets to end its shells by itself."""
KILL_PATIENCE = 1.0
"""Seconds that it gets to disappear when it was killed."""
_BOOT = "import sys; sys.path[:0] = {path!r}; from broker.shell.host import main; main({fd})"


def import_path() -> list[str]:
    """Return the directories the host needs to import this project and its JSON library."""
    out: list[str] = []
    for name in ("broker", "flux", "orjson"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = os.path.dirname(os.path.dirname(spec.origin))
            if folder not in out:
                out.append(folder)
    return out


class HostProcess:
    """The shell host as its broker sees it: started on first use, started again when it has died or
    hangs.

    ``on_death`` is called with (job id, pid, wait status) for a shell that was killed, ``on_lost``
    with (pid, why) for a host that has been given up. ``has_answered`` says whether the present one
    has ever shown a sign of life: one that never did is not worth another try. Shells outlive their
    host; what was not handed to it yet goes to the next one.
    """

    def __init__(
        self, on_death: Callable[[int, int, int], None], on_lost: Callable[[int, str], None]
    ) -> None:
        self._on_death = on_death
        self._on_lost = on_lost
        self._control: socket.socket | None = None
        self._waiting: deque[tuple[bytes, socket.socket | None]] = deque()
        self._life = SignOfLife()
        self.has_answered = False
        self.pid = 0

    @property
    def running(self) -> bool:
        """Whether there is a host that has not been found dead."""
        return self._control is not None

    def start(self) -> None:
        """Start the process if it does not run; raises OSError if that fails."""
        if self._control is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                boot = _BOOT.format(path=import_path(), fd=3)
                argv = [sys.executable, "-I", "-S", "-c", boot]
                command = Command(argv, dict(os.environ), fds=[(theirs.fileno(), 3)])
                self.pid = launch(command)
        except OSError:
            ours.close()
            raise
        ours.setblocking(False)
        self._control = ours
        self.has_answered = False
        self._life.answered()
        asyncio.get_running_loop().add_reader(ours, self._readable)
        self.check()

    def fork(self, jobid: int, end: socket.socket) -> None:
        """Have a shell for ``jobid`` forked with ``end`` as its socket, which is closed here; one
        that jobs share for `broker.shell.shared_protocol.NO_JOB`.

        Raises OSError if the host cannot be started.
        """
        try:
            self.start()
        except OSError:
            end.close()
            raise
        self._waiting.append((str(jobid).encode(), end))
        self._send()

    def kill(self, jobid: int) -> None:
        """Kill the shells of ``jobid`` and all their processes at once."""
        if self._control is not None:
            self._waiting.append((f"kill {jobid}".encode(), None))
            self._send()

    def _send(self) -> None:
        """Send what waits, as far as the host takes it; a host that is gone shows in `_readable`
        and in the shells' sockets.
        """
        control, loop = self._control, asyncio.get_running_loop()
        while self._waiting and control is not None:
            packet, end = self._waiting[0]
            try:
                socket.send_fds(control, [packet], [end.fileno()] if end is not None else [])
            except BlockingIOError:
                loop.add_writer(control, self._send)
                return
            except OSError:
                break
            self._waiting.popleft()
            if end is not None:
                end.close()
        if control is not None:
            loop.remove_writer(control)

    def _forget_waiting(self) -> None:
        for _, end in self._waiting:
            if end is not None:
                end.close()
        self._waiting.clear()

    def _readable(self) -> None:
        if self._control is None:
            return
        try:
            packet = self._control.recv(PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._lost("has died")
            return
        self.has_answered = True
        self._life.answered()
        if packet != b"pong":
            job, pid, status = (int(word) for word in packet.split())
            self._on_death(job, pid, status)

    # A host that does not answer

    def check(self) -> None:
        """Ask the host for a sign of life, or give it up if the last question was not answered; to
        be called regularly.
        """
        if self._control is None:
            return
        if not self._life.asked:
            self._life.ask()
            with suppress(OSError):
                self._control.send(b"ping")
        elif why := self._life.look(stopped=process_state(self.pid) in STOPPED):
            self._give_up(why)

    def _give_up(self, why: str) -> None:
        """Kill a host: one that came back would not know that another has taken its place."""
        self.has_answered = True  # its successor may well work
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._lost(why)

    def _lost(self, why: str) -> None:
        pid, waiting = self.pid, self._waiting
        if self.has_answered:
            self._waiting = deque(entry for entry in waiting if entry[1] is not None)
        self._close()
        self._reap()
        self._on_lost(pid, why)
        if self._waiting:
            try:
                self.start()
            except OSError:
                self._forget_waiting()
            self._send()

    def _close(self) -> None:
        if not self.has_answered:
            self._forget_waiting()
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            asyncio.get_running_loop().remove_writer(self._control)
            self._control.close()
            self._control = None

    def _reap(self) -> bool:
        try:
            pid, _ = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return True
        return pid != 0

    async def stop(self) -> None:
        """End the host with every shell; returns when it is gone."""
        if not self.pid:
            return
        self._close()
        self._forget_waiting()
        patience = 0.0 if process_state(self.pid) in STOPPED else END_PATIENCE
        if not await has_exited(self.pid, patience):
            kill_descendants(self.pid)
            await has_exited(self.pid, KILL_PATIENCE)
        self._reap()
        self.pid = 0
