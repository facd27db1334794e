"""A status line and a progress bar on the last line of a terminal, by VT100 escape sequences
(flux.progress in the manual).
"""

from __future__ import annotations

import atexit
import math
import os
import shutil
import signal
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from flux.wire.json import JsonObject

if TYPE_CHECKING:
    from flux.core.reactor import SignalHandler

_SAVE, _RESTORE = "\x1b7", "\x1b8"
_REGION_RESET = "\x1b[r"
_CLEAR_LINE, _CLEAR_TO_END = "\x1b[2K", "\x1b[K"
_WRAP_OFF, _WRAP_ON = "\x1b[?7l", "\x1b[?7h"
_PLAIN = "\x1b[0m"
_MAKE_ROOM = "\x1bD\x1bM"
_REDRAW_INTERVAL = 0.05


class ElapsedTime(float):
    """Elapsed seconds, with the same as a datetime.timedelta in ``dt``."""

    @property
    def dt(self) -> timedelta:
        """The elapsed time as a timedelta of whole seconds."""
        return timedelta(seconds=int(self))


def _default_formatter(bottombar: Bottombar, width: int) -> str:
    text = " ".join(f"{key}={value}" for key, value in bottombar.kwargs.items())
    return text[:width]


class Bottombar:
    """A status line that stays on the last line of the terminal while output scrolls above it.

    ``formatter(bottombar, width)`` returns the text of the line, in at most ``width`` columns; by
    default the line shows the keyword arguments. Those are kept, and readable as attributes of the
    bar. Updates are drawn at most twenty times a second; the last state is always drawn, by `stop`.
    """

    stream: TextIO

    def __init__(self, formatter: Callable[..., str] | None = None, **kwargs: object) -> None:
        self.kwargs: JsonObject = kwargs
        self.formatter = formatter or _default_formatter
        self.stream = sys.stdout
        self._started: float | None = None
        self._running = False
        self._drawn = 0.0
        self._size = os.terminal_size((80, 24))
        self._old_winch: SignalHandler = None

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["kwargs"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def elapsed(self) -> ElapsedTime:
        """Seconds since start(); 0 before."""
        return ElapsedTime(time.monotonic() - self._started if self._started is not None else 0.0)

    def start(self) -> Bottombar:
        """Reserve the last line and draw the bar; return self."""
        if self._running:
            return self
        self._running = True
        self._started = time.monotonic()
        self._reserve()
        self._old_winch = self._watch_resize()
        atexit.register(self.stop)
        self.redraw()
        return self

    def _watch_resize(self) -> SignalHandler:
        try:
            return signal.signal(signal.SIGWINCH, self._resized)
        except ValueError:
            return None  # not the main thread: keep the size of the start

    def _resized(self, _signum: int, _frame: FrameType | None) -> None:
        if self._running:
            self._reserve()
            self.redraw()

    def _reserve(self) -> None:
        """Scroll only the lines above the last one."""
        self._size = shutil.get_terminal_size()
        region = f"\x1b[1;{self._size.lines - 1}r"
        self._write(f"{_SAVE}{_REGION_RESET}{_RESTORE}{_MAKE_ROOM}{_SAVE}{region}{_RESTORE}")

    def update(self, **kwargs: Any) -> None:
        """Change keyword arguments and redraw."""
        self.kwargs.update(kwargs)
        if time.monotonic() - self._drawn >= _REDRAW_INTERVAL:
            self.redraw()

    def redraw(self) -> None:
        """Draw the bar as it is now."""
        if not self._running:
            return
        self._drawn = time.monotonic()
        goto = f"\x1b[{self._size.lines};1H"
        self._write(
            f"{_SAVE}{goto}{_CLEAR_LINE}{_WRAP_OFF}{_PLAIN}{self._text()}{_WRAP_ON}{_RESTORE}"
        )

    def stop(self) -> None:
        """Give the terminal back and leave the final state as a line of output."""
        if not self._running:
            return
        self.redraw()
        self._running = False
        atexit.unregister(self.stop)
        if self._old_winch is not None:
            signal.signal(signal.SIGWINCH, self._old_winch)
        goto = f"\x1b[{self._size.lines};1H"
        self._write(f"{_SAVE}{goto}{_CLEAR_TO_END}{_REGION_RESET}{_RESTORE}{self._text()}\n")

    def _text(self) -> str:
        return self.formatter(self, self._size.columns)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


class ProgressBar(Bottombar):
    """A progress bar on the last line of the terminal, for ``total`` units in one of the styles of
    ``bar_style``.

    The texts ``before`` and ``after`` the bar are templates for ``str.format``, over ``total``,
    ``count``, ``percent``, ``elapsed`` (seconds) and the further keyword arguments. With
    ``autostop`` the bar stops when the count reaches the total; otherwise the terminal is given
    back by `stop` or at exit. Raises ValueError if the style is unknown.
    """

    bar_style: ClassVar[dict[str, str]] = {
        "line": "─━",
        "bar": "─█",
        "dots": "⣀⣄⣤⣦⣶⣷⣿",
        "steps": " ▁▂▃▄▅▆▇█",
        "vertbars": " ▏▎▍▌▋▊▉█",
    }

    def __init__(
        self,
        total: int = 100,
        style: str = "vertbars",
        before: str = "",
        after: str = " {percent:5.1f}%",
        autostop: bool = False,
        **kwargs: object,
    ) -> None:
        if style not in self.bar_style:
            raise ValueError(f"unknown style {style}: use one of {', '.join(self.bar_style)}")
        self.style = self.bar_style[style]
        self.before = before
        self.after = after
        self.autostop = autostop
        super().__init__(formatter=_format_progress, total=total, count=0, **kwargs)

    @property
    def percent(self) -> float:
        """Share that is done, 0 to 100."""
        total = self.kwargs["total"]
        return min(100.0 * self.kwargs["count"] / total, 100.0) if total > 0 else 0.0

    def update(self, advance: int = 1, **kwargs: Any) -> None:
        """Advance the bar, change values of the templates and redraw."""
        self.kwargs["count"] += advance
        super().update(**kwargs)
        if self.autostop and self.kwargs["count"] >= self.kwargs["total"]:
            self.stop()

    def bar(self, width: int) -> str:
        """Return the bar of `width` characters."""
        steps = len(self.style) - 1
        done = math.ceil(self.percent / 100 * width * steps)
        full, part = divmod(done, steps)
        text = self.style[-1] * full
        if full < width:
            text += self.style[part]
        return text.ljust(width, self.style[0])


def _format_progress(bar: ProgressBar, width: int) -> str:
    values = {**bar.kwargs, "percent": bar.percent, "elapsed": bar.elapsed}
    before = bar.before.format(**values)
    after = bar.after.format(**values)
    room = width - len(before) - len(after) - 2
    if room < 1:
        return (before + after)[:width]
    return f"{before}│{bar.bar(room)}│{after}"
