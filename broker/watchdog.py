"""Says which handler keeps the event loop busy: everything in a broker waits for it meanwhile.

A thread asks the loop for a sign of life once a second. When there is none for `LIMIT` seconds it
looks at what the loop's thread is doing, which is the only way to name a handler that never ends.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import TYPE_CHECKING

from broker.faults import PLUGIN_MODULE
from flux.wire.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

PERIOD = 1.0
LIMIT = 1.0
#: Seconds after which one that still does not return is reported without the loop's help.
STUCK = 10.0
_SLICE = 0.1
_OURS = ("broker", "flux")


class Watchdog:
    """Watches one event loop from a thread.

    ``busy`` is called on the loop afterwards with the place and the seconds it took; ``stuck`` is
    called in the watchdog's thread, once, when that takes longer than `STUCK` seconds.
    """

    def __init__(
        self,
        busy: Callable[[str, float], None],
        stuck: Callable[[str], None],
        *,
        period: float = PERIOD,
        limit: float = LIMIT,
        stuck_after: float = STUCK,
    ) -> None:
        self._busy = busy
        self._stuck = stuck
        self._period = period
        self._limit = limit
        self._stuck_after = stuck_after
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch the running loop."""
        self._thread.start()

    def stop(self) -> None:
        """End; the thread is not waited for."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(self._period):
            try:
                self._watch_once()
            except RuntimeError:  # the loop has been closed
                return

    def _watch_once(self) -> None:
        beat = threading.Event()
        self._loop.call_soon_threadsafe(beat.set)
        if self._waited(beat, self._limit):
            return
        started = time.monotonic() - self._limit
        place = place_of(sys._current_frames().get(self._watched))
        if not self._waited(beat, self._stuck_after - self._limit):
            self._stuck(place)
            while not beat.wait(self._period):
                if self._ended.is_set():
                    return
        self._loop.call_soon_threadsafe(self._busy, place, time.monotonic() - started)

    def _waited(self, beat: threading.Event, seconds: float) -> bool:
        """Wait for the beat in slices: time in which the process was stopped hardly counts."""
        slices = max(1, round(seconds / _SLICE))
        return any(beat.wait(seconds / slices) for _ in range(slices))


def place_of(frame: FrameType | None) -> str:
    """Say where a thread is: the innermost function of ours or of a plugin of the job manager, its
    line, and the topic that is handled.
    """
    where, topic = "", ""
    for inner in _outwards(frame):
        name = str(inner.f_globals.get("__name__", ""))
        if not where and name.partition(".")[0] in _OURS:
            where = f"{name}.{inner.f_code.co_name}:{inner.f_lineno}"
        if not where and name.startswith(PLUGIN_MODULE):
            where = f"{inner.f_code.co_filename}:{inner.f_lineno} ({inner.f_code.co_name})"
        msg = inner.f_locals.get("msg")
        if not topic and isinstance(msg, Message):
            topic = msg.topic or ""
    if not where and frame is not None:
        where = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}:{frame.f_lineno}"
    return f"{where} for {topic}" if topic else where


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
