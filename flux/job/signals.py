"""Signals by name, and the warning that a job may ask for: SIG@TIME, a signal some time before its
time limit.
"""

from __future__ import annotations

import signal
from typing import Final

from flux.duration import parse_fsd

TIMELEFT: Final = 60.0
"""Seconds before the time limit, if a job does not say how many."""
WARNING: Final = int(signal.SIGUSR1)
"""The signal, if a job does not say which."""


def signal_number(name: str) -> int:
    """Return the number of a signal given as such or by name, with or without SIG; raises
    ValueError if there is none.
    """
    try:
        if name.isdecimal():
            return int(signal.Signals(int(name)))
        return int(signal.Signals["SIG" + name.upper().removeprefix("SIG")])
    except (KeyError, ValueError):
        raise ValueError(f"signal '{name}' is invalid") from None


def parse_warning(text: str) -> tuple[int, float]:
    """Return signal number and seconds of ``SIG@TIME``, either of which may be left out; raises
    ValueError if there is no such signal, or for a bad duration.
    """
    name, at, duration = text.partition("@")
    seconds = parse_fsd(duration) if duration or at else TIMELEFT
    return signal_number(name) if name else WARNING, seconds
