"""Serving until a signal: the socket, the links that are printed, the end of it all."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import time
from typing import TYPE_CHECKING, Final

from aiohttp import web

from tui.serve.door import Door
from tui.serve.strangers import GuardedSite, Strangers
from tui.serve.visits import ServeTerms, Visits
from tui.serve.web import Site

if TYPE_CHECKING:
    from collections.abc import Callable

HOST: Final = "127.0.0.1"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Server:
    """``flux top --serve``. ``show`` prints a line of the owner's terminal that bears a link, and
    ``tell`` one that does not.
    """

    def __init__(
        self, terms: ServeTerms, show: Callable[[str], None], tell: Callable[[str], None]
    ) -> None:
        self._door = Door()
        self._visits = Visits(terms, lambda text: tell(f"{time.strftime('%H:%M:%S')} {text}"))
        self._strangers = Strangers()
        self._show = show
        self._tell = tell
        self._port = 0
        self._ended: asyncio.Event | None = None
        self._signal = 0

    async def run(self, port: int) -> int:
        """Serve on that port of the loopback address, 0 for a free one, until SIGINT, SIGTERM or
        SIGHUP; returns the number of the signal.

        Raises OSError if the port cannot be had.
        """
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self._end, signum)
        site = Site(self._door, self._visits, self._used, self._strangers.admit)
        runner = web.AppRunner(
            site.application(), access_log=None, keepalive_timeout=15.0, shutdown_timeout=1.0
        )
        await runner.setup()
        watching = asyncio.create_task(self._visits.watch(), name="visits")
        try:
            await self._listen(runner, port)
            self._welcome()
            await self._ended.wait()
        finally:
            watching.cancel()
            await self._visits.end_all()
            await runner.cleanup()
            for signum in _SIGNALS:
                loop.remove_signal_handler(signum)
        return self._signal

    async def _listen(self, runner: web.AppRunner, port: int) -> None:
        try:
            await GuardedSite(runner, HOST, port, self._strangers).start()
        except OSError as error:
            text = os.strerror(error.errno or errno.EADDRINUSE)
            raise OSError(error.errno, f"cannot listen on {HOST}:{port}: {text}") from None
        self._port = runner.addresses[0][1]

    def _welcome(self) -> None:
        self._show(f"Open this in a browser, it works once: {self._link()}")
        if os.environ.get("SSH_CONNECTION"):
            forward = f"ssh -L {self._port}:{HOST}:{self._port} {os.uname().nodename}"
            self._tell(f"From another machine: {forward}")
        self._tell("Ctrl+C ends it, and all dashboards that it serves.")

    def _link(self) -> str:
        return f"http://{HOST}:{self._port}/#{self._door.token}"

    def _used(self) -> None:
        self._show(f"That link is used up. For another visitor: {self._link()}")

    def _end(self, signum: int) -> None:
        self._signal = signum
        if self._ended is not None:
            self._ended.set()
