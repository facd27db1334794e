"""Wait statuses (wait(2)) as exit codes and signals, the way shells count them.

A wait status travels between hosts as a number in the layout of Linux: the low seven bits hold the
signal that killed the process, the next byte its exit code. `os.waitstatus_to_exitcode` is of no
use here: it counts signals as negative and raises for a status that no system call returned, and
what comes from a message may be any number.
"""

from __future__ import annotations

import errno
from signal import SIGINT, SIGPIPE
from typing import Final

SIGNALED: Final = 128
"""What shells add to a signal's number to make an exit code."""

INTERRUPTED: Final = SIGNALED + SIGINT
"""The exit code of a command that was interrupted and ends in order."""
BROKEN_PIPE: Final = SIGNALED + SIGPIPE
"""The exit code of a command whose output nobody reads any more."""
NOT_FOUND: Final = 127
"""The exit code of a program that is not there, as shells give it."""
NOT_EXECUTABLE: Final = 126
"""The exit code of a program that is there and cannot be run, as shells give it."""

_SIGNAL_BITS: Final = 0x7F
_CODE_BITS: Final = 0xFF
_CODE_SHIFT: Final = 8


def signal_of(status: int) -> int:
    """Return the number of the signal that killed the process, 0 if it exited by itself."""
    return status & _SIGNAL_BITS


def exit_code_of(status: int) -> int:
    """Return the exit code as shells count it: 128 and the number for a signal."""
    signum = status & _SIGNAL_BITS
    return SIGNALED + signum if signum else status >> _CODE_SHIFT & _CODE_BITS


def return_code_of(status: int) -> int:
    """Return the exit code as Python's `subprocess` counts it: the negative number for a signal."""
    signum = status & _SIGNAL_BITS
    return -signum if signum else status >> _CODE_SHIFT & _CODE_BITS


def code_of_signal(signum: int) -> int:
    """Return the exit code of shells for a process that a signal ends."""
    return SIGNALED + signum


def shell_code(returncode: int) -> int:
    """Return a return code of Python's `subprocess` as shells count it."""
    return returncode if returncode >= 0 else SIGNALED - returncode


def status_of_code(code: int) -> int:
    """Return the wait status of a process that exits with ``code``, 0 to 255."""
    return (code & _CODE_BITS) << _CODE_SHIFT


def code_of_failure(error: OSError) -> int:
    """Return the exit code for a program that could not be started."""
    return NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
