"""The stdin of a command that attaches to a job, on its way to the job's shell."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_POLLIN
from flux.job import io

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.core.watchers import FDWatcher
    from flux.future import Future

_CHUNK: Final = 1 << 16


class StdinForwarder:
    """Sends what can be read from stdin to a shell, one chunk at a time: the next is read when the
    shell has the last.

    ``refused`` is called with the error if the shell does not take what was read; that the end of
    the input is not wanted is no loss. ``tasks`` is the idset of those that get it, or ``all``;
    ``fd`` is what is read.
    """

    def __init__(
        self,
        handle: Flux,
        topic: str,
        rank: int,
        refused: Callable[[OSError], None],
        tasks: str = "all",
        fd: int = 0,
    ) -> None:
        self._handle = handle
        self._refused = refused
        self._sent_data = False
        self._topic = topic
        self._rank = rank
        self._tasks = tasks
        self._fd = fd
        self._watcher: FDWatcher | None = None
        self._done = False
        self._underway = False
        self._settled: Callable[[], None] | None = None
        # A background job that reads its terminal would be stopped.
        self._old_ttin = signal.signal(signal.SIGTTIN, signal.SIG_IGN)

    def start(self) -> None:
        """Read the next chunk when there is one."""
        if self._done:
            return
        if self._watcher is None:
            self._watcher = self._handle.fd_watcher_create(self._fd, self._readable, FLUX_POLLIN)
        try:
            self._watcher.start()
        except (PermissionError, ValueError, OSError):
            # A regular file is always readable, a closed descriptor reads as nothing.
            self._watcher.stop()
            self._handle.reactor.call_soon(self._read)

    def _readable(self, *_args: object) -> None:
        if self._watcher is not None:
            self._watcher.stop()
        self._read()

    def _read(self) -> None:
        if self._done:
            return
        try:
            data = os.read(self._fd, _CHUNK)
        except OSError as error:
            if error.errno == errno.EIO:
                self.stop()
                return
            data = b""
        self._done = not data
        self._sent_data = self._sent_data or bool(data)
        # The others, which get nothing, get the end: else they would wait for it.
        tasks = "all" if self._done else self._tasks
        payload = io.encode("stdin", tasks, data, eof=self._done)
        self._underway = True
        self._handle.rpc(self._topic, payload, nodeid=self._rank).then(self._sent)

    def _sent(self, future: Future) -> None:
        self._underway = False
        try:
            future.get()
        except OSError as error:
            self.stop()
            if self._sent_data:
                self._refused(error)
        else:
            self.start()
        if self._settled is not None:
            self._settled()

    def settle(self, settled: Callable[[], None]) -> None:
        """Read no more than what is there by now, and call ``settled`` when it is known whether
        the shell took that.
        """
        self._settled = settled
        with contextlib.suppress(OSError, ValueError):
            if not self._done and not self._underway and select.select([self._fd], [], [], 0)[0]:
                self._read()
        self.stop()
        if not self._underway:
            settled()

    def stop(self) -> None:
        """Read no more."""
        if not self._done or self._watcher is not None:
            self._done = True
            if self._watcher is not None:
                self._watcher.stop()
                self._watcher = None
            signal.signal(signal.SIGTTIN, self._old_ttin)
