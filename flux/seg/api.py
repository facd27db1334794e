"""The functions that modules of the scheduler event generator send events with (Scheduler
Implementation API of the Globus scheduler event generator).

Each returns ``GLOBUS_SUCCESS`` when its message has been sent or queued, and raises `SegError` in
place of another result. They may be called from any thread. Outside of ``flux seg`` they write to
standard output.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from flux.seg.errors import GLOBUS_SUCCESS
from flux.seg.generator import Generator
from flux.seg.printf import printf
from flux.seg.protocol import GramState, message_line, state_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.seg.event_driver import Driver

_current = Generator()


def current() -> Generator:
    """Return the generator of this process."""
    return _current


def use(generator: Generator) -> Generator:
    """Make ``generator`` the one of this process; returns the one before."""
    global _current  # a process has one, as in C
    before, _current = _current, generator
    return before


def globus_scheduler_event(format: str | None, *args: object) -> int:
    """Send a message of any type: one line, whose end need not be given.

    ``format`` and what follows are those of printf(3). Raises SegError: NULL without a format or
    for a string that is None, INVALID_FORMAT for a format that does not fit what follows it, and
    for a message that is no line; OUT_OF_MEMORY when too many wait for the reader.
    """
    _current.send(message_line(printf(format, args)))
    return GLOBUS_SUCCESS


def globus_scheduler_event_pending(timestamp: int, jobid: str | None) -> int:
    """Tell that a job was placed in the queue.

    ``timestamp`` is in seconds since the epoch, 0 for now; ``jobid`` the scheduler's name of the
    job. Raises SegError: NULL without a job id, INVALID_FORMAT for one that has a semicolon or a
    control character; OUT_OF_MEMORY when too many lines wait for the reader. TypeError, ValueError
    for a time that makes no sense.
    """
    return _changed(timestamp, jobid, GramState.PENDING, 0)


def globus_scheduler_event_active(timestamp: int, jobid: str | None) -> int:
    """Tell that a job began to run; parameters and errors as of
    ``globus_scheduler_event_pending``.
    """
    return _changed(timestamp, jobid, GramState.ACTIVE, 0)


def globus_scheduler_event_failed(timestamp: int, jobid: str | None, failure_code: int) -> int:
    """Tell that a job ended abnormally, with the failure code of its process if that is known.

    Other parameters and errors are as of ``globus_scheduler_event_pending``.
    """
    return _changed(timestamp, jobid, GramState.FAILED, failure_code)


def globus_scheduler_event_done(timestamp: int, jobid: str | None, exit_code: int) -> int:
    """Tell that a job ended, with the exit code of its process if that is known.

    Other parameters and errors are as of ``globus_scheduler_event_pending``.
    """
    return _changed(timestamp, jobid, GramState.DONE, exit_code)


def globus_scheduler_event_generator_get_timestamp() -> int:
    """Return the time of the earliest event that a module should send, in seconds since the epoch;
    0 if the command line does not say.
    """
    return _current.timestamp


def driver() -> Driver:
    """Return the event driver; raises RuntimeError outside of ``flux seg``."""
    return _current.driver


def options() -> Mapping[str, str]:
    """Return the options that the module was given on the command line, by name."""
    return _current.options


def _changed(timestamp: int, jobid: str | None, state: GramState, code: int) -> int:
    line = state_line(timestamp, jobid, state, code)
    if timestamp == 0:
        line = state_line(int(time.time()), jobid, state, code)
    _current.send(line)
    return GLOBUS_SUCCESS


event = globus_scheduler_event
pending = globus_scheduler_event_pending
active = globus_scheduler_event_active
failed = globus_scheduler_event_failed
done = globus_scheduler_event_done
get_timestamp = globus_scheduler_event_generator_get_timestamp
