"""Starts the shell host process and hands it sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec

from broker.subprocess.launch import Command, launch

PACKET = 256
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
    """The shell host as its broker sees it: started on first use, started again when it died.

    Args:
        on_death: called with (job id, pid, wait status) for a shell that was killed.
    """

    def __init__(self, on_death: Callable[[int, int, int], None]) -> None:
        self._on_death = on_death
        self._control: socket.socket | None = None
        self._waiting: deque[tuple[bytes, socket.socket | None]] = deque()
        self.pid = 0

    def start(self) -> None:
        """Start the process if it does not run; raise OSError when that fails."""
        if self._control is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            boot = _BOOT.format(path=import_path(), fd=3)
            argv = [sys.executable, "-I", "-S", "-c", boot]
            command = Command(argv, dict(os.environ), fds=[(theirs.fileno(), 3)])
            self.pid = launch(command)
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours, self._readable)

    def fork(self, jobid: int, end: socket.socket) -> None:
        """Have a shell for `jobid` forked with `end` as its socket, which is closed here.

        Raises:
            OSError: the host cannot be started.
        """
        try:
            self.start()
        except OSError:
            end.close()
            raise
        self._waiting.append((str(jobid).encode(), end))
        self._send()

    def kill(self, jobid: int) -> None:
        """Kill the shells of `jobid` and all their processes at once."""
        if self._control is not None:
            self._waiting.append((f"kill {jobid}".encode(), None))
            self._send()

    def _send(self) -> None:
        """Send what waits, as far as the host takes it; a host that is gone shows in `_readable` and in the shells' sockets."""
        control, loop = self._control, asyncio.get_running_loop()
        while self._waiting and control is not None:
            packet, end = self._waiting[0]
            try:
                socket.send_fds(control, [packet], [end.fileno()] if end is not None else [])
            except BlockingIOError:
                loop.add_writer(control, self._send)
                return
            except OSError:
                control = None
                break
            self._waiting.popleft()
            if end is not None:
                end.close()
        if control is not None:
            loop.remove_writer(control)
        else:
            self._forget_waiting()

    def _forget_waiting(self) -> None:
        for _, end in self._waiting:
            if end is not None:
                end.close()
        self._waiting.clear()

    def _readable(self) -> None:
        assert self._control is not None
        try:
            packet = self._control.recv(PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._close()
            self._reap()
            return
        job, pid, status = (int(word) for word in packet.split())
        self._on_death(job, pid, status)

    def _close(self) -> None:
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
        for attempt in range(400):
            if self._reap():
                self.pid = 0
                return
            if attempt == 300:
                os.kill(self.pid, signal.SIGKILL)
            await asyncio.sleep(0.01)
