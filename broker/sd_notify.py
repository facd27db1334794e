"""What this broker tells systemd, or whoever else listens at NOTIFY_SOCKET (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from broker.attributes import Attributes

ATTRIBUTE: Final = "broker.sd-notify"
VARIABLE: Final = "NOTIFY_SOCKET"
READY: Final = "READY=1"
LONGEST: Final = 1000
"""Characters of a status that are told."""


class SdNotify:
    """Tells it, if the attribute ``broker.sd-notify`` asks for it and somebody listens; who does
    not listen misses it.
    """

    def __init__(self, attrs: Attributes) -> None:
        path = os.environ.get(VARIABLE, "")
        wanted = attrs.get(ATTRIBUTE) not in (None, "", "0")
        self._path = path if wanted and path[:1] in ("/", "@") else ""

    def ready(self) -> None:
        """The broker has started."""
        self._send(READY)

    def status(self, text: str) -> None:
        """What the broker does now, in one line."""
        self._send("STATUS=" + " ".join(text.split())[:LONGEST])

    def _send(self, text: str) -> None:
        if not self._path:
            return
        path = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        data = text.encode("utf-8", "surrogateescape")
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out,
        ):
            out.sendto(data, path)


def status_of(state: str, attrs: Attributes, size: int, program: str) -> str | None:
    """Return what is told of a broker that comes into ``state``, None if nothing is."""
    role = "leader" if attrs.get("rank") == "0" else "member"
    nodes = f"{size} node{'' if size == 1 else 's'}"
    return {
        "init": f"Running rc1: {attrs.get('broker.rc1_path') or 'none'}",
        "quorum": "Waiting for instance quorum",
        "run": f"Running as {role} of {nodes} Flux instance{program and ': '}{program}",
        "cleanup": "Ending jobs",
        "shutdown": "Waiting for overlay peers to shutdown",
        "finalize": f"Running rc3: {attrs.get('broker.rc3_path') or 'none'}",
        "exit": "Exiting",
    }.get(state)
