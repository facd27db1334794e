"""The terminal side of a job's pseudo terminal: raw keys there, its screen here (shell option
``pty``).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

from flux.constants import FLUX_POLLIN, FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING
from flux.job import io

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.future import Future
    from flux.wire.json import JsonObject

_CHUNK = 4096


class PtyClient:
    """Attaches this terminal to a pseudo terminal service, called ``<service>.terminus.0``, of the
    broker at ``rank``. ``on_answer`` is called once, with whether there is such a terminal to
    attach to; from then on ``answered`` is true.
    """

    def __init__(
        self, handle: Flux, topic: str, rank: int, on_answer: Callable[[bool], None]
    ) -> None:
        self._handle = handle
        self._on_answer = on_answer
        self.answered = False
        self._topic = topic
        self._rank = rank
        self._terminal: list[int | list[bytes | int]] | None = None
        self._keys = handle.fd_watcher_create(0, self._readable, FLUX_POLLIN)
        self._resized = handle.signal_watcher_create(signal.SIGWINCH, self._resize)

    def start(self) -> None:
        """Attach."""
        payload = {"type": "attach", "mode": "rw", "winsize": self._size()}
        self._handle.rpc(self._topic, payload, self._rank, FLUX_RPC_STREAMING).then(self._message)
        if not sys.stdin.isatty():
            return
        import termios
        import tty

        self._terminal = termios.tcgetattr(0)
        tty.setraw(0, termios.TCSADRAIN)
        self._keys.start()
        self._resized.start()

    @staticmethod
    def _size() -> dict[str, int]:
        size = shutil.get_terminal_size()
        return {"rows": size.lines, "cols": size.columns}

    def _send(self, payload: JsonObject) -> None:
        self._handle.rpc(self._topic, payload, self._rank, FLUX_RPC_NORESPONSE)

    def _resize(self, *_args: object) -> None:
        self._send({"type": "resize", "winsize": self._size()})

    def _readable(self, *_args: object) -> None:
        data = os.read(0, _CHUNK)
        if data:
            self._send({"type": "data", **io.encode_data(data)})
        else:
            self._keys.stop()

    def _message(self, future: Future) -> None:
        try:
            message = future.get()
        except OSError:
            self.close()
            self._answer(False)
            return
        future.reset()
        if message.get("type") == "data":
            sys.stdout.buffer.write(_screen(message))
        elif message.get("type") == "exit":
            self.close()
            text = f"\x1b[999H[detached: {message.get('message')}]\x1b[K\n\n"
            sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        self._answer(True)

    @property
    def raw(self) -> bool:
        """Whether this terminal is one on which a new line does not begin at the left."""
        return self._terminal is not None

    def _answer(self, attached: bool) -> None:
        if not self.answered:
            self.answered = True
            self._on_answer(attached)

    def close(self) -> None:
        """Give the terminal back."""
        self._keys.stop()
        self._resized.stop()
        if self._terminal is not None:
            import termios

            termios.tcsetattr(0, termios.TCSADRAIN, self._terminal)
            self._terminal = None


def _screen(message: JsonObject) -> bytes:
    """Return what the terminal wrote; nothing if it cannot be read, for a raw screen has no line to
    say so on.
    """
    try:
        return io.decode_data(message)
    except OSError:
        return b""
