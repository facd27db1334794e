"""Figures over UDP, in the text that collectors of the statsd family take, when FLUX_FRIPP_STATSD
names one as HOST:PORT.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context

VARIABLE: Final = "FLUX_FRIPP_STATSD"
PERIOD: Final = 1.0
"""Seconds between two datagrams."""


class Gauges:
    """The figures of one part of a broker, called ``prefix``; tells those that have changed."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._told: dict[str, int] = {}

    def lines(self, values: Mapping[str, int]) -> str:
        """Return a line for each value that was not told before, empty if there is none."""
        changed = {name: value for name, value in values.items() if self._told.get(name) != value}
        self._told.update(changed)
        return "\n".join(f"{self._prefix}.{name}:{value}|g" for name, value in changed.items())


def split_address(text: str) -> tuple[str, str]:
    """Return host and port of ``HOST:PORT``; an address of IPv6 may stand in brackets.

    Raises ValueError saying what is missing.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("missing colon delimiter")
    if not host or not port:
        raise ValueError("missing host" if port else "missing port")
    return host.removeprefix("[").removesuffix("]"), port


async def send_figures(ctx: Context, name: str, values: Callable[[], Mapping[str, int]]) -> None:
    """Send ``values`` as ``flux.RANK.NAME.*`` every `PERIOD`, for ever; return at once if nobody
    wants them.

    What keeps them from being sent is logged once; the broker goes on without.
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(*split_address(text), type=socket.SOCK_DGRAM)
    except (ValueError, OSError) as exc:
        reason = (exc.strerror or exc) if isinstance(exc, OSError) else exc
        ctx.log.err(f"{VARIABLE} parse error: {reason}")
        return
    family, kind, protocol, _, address = found[0]
    gauges = Gauges(f"flux.{ctx.rank}.{name}")
    with socket.socket(family, kind, protocol) as sock:
        sock.setblocking(False)
        while True:
            await asyncio.sleep(PERIOD)
            lines = gauges.lines(values())
            if lines:
                with contextlib.suppress(OSError):  # nobody listens now
                    sock.sendto(lines.encode(), address)
