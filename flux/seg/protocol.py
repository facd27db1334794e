"""The lines of the SEG protocol: ``001;TIMESTAMP;JOBID;STATE;EXIT_CODE``, one for each change of a
job's state. No I/O.

TIMESTAMP is in whole seconds since the epoch, STATE a number of the GRAM protocol, EXIT_CODE that
of a job that is done or has failed, 0 before.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Final, NamedTuple

from flux.seg.errors import SegError, SegErrorType


class GramState(IntEnum):
    """``globus_gram_protocol_job_state_t``, as far as schedulers tell of it."""

    PENDING = 1
    ACTIVE = 2
    FAILED = 4
    DONE = 8


LINE_MAX: Final = 4096
"""Bytes of a line with its end: what is written at once to a pipe comes as a whole (pipe(7))."""

CODE_MAX: Final = 2**31 - 1
TIME_MAX: Final = 2**63 - 1
_STATE_CHANGE: Final = "001"
_LINE = re.compile(r"001;(\d{1,19});([^;\x00-\x1f\x7f]+);([1248]);(-?\d{1,10})", re.ASCII)


class StateChange(NamedTuple):
    """What a line of message type 001 tells."""

    timestamp: int
    jobid: str
    state: GramState
    exit_code: int


def state_line(timestamp: int, jobid: str | None, state: GramState, exit_code: int) -> bytes:
    """Return the line of a state change, with its end.

    Raises SegError: NULL without a job id, INVALID_FORMAT for one that would forge a field or a
    line; TypeError and ValueError for numbers that are none, or do not fit their type in C.
    """
    check_number(timestamp, "the timestamp", 0, TIME_MAX)
    check_number(exit_code, "the exit code", -CODE_MAX - 1, CODE_MAX)
    name = _checked_jobid(jobid)
    return message_line(f"{_STATE_CHANGE};{timestamp};{name};{state:d};{exit_code}")


def message_line(text: str) -> bytes:
    """Return the line of any message, with its end, which ``text`` may have already.

    Raises SegError(INVALID_FORMAT) for text that is not a single line of at most LINE_MAX bytes.
    """
    text = text.removesuffix("\n")
    if not text or "\n" in text or "\0" in text:
        raise SegError(SegErrorType.INVALID_FORMAT, "a message is one line that is not empty")
    try:
        data = text.encode("utf-8", "surrogateescape") + b"\n"
    except UnicodeEncodeError:
        raise SegError(SegErrorType.INVALID_FORMAT, "a message is text") from None
    if len(data) > LINE_MAX:
        raise SegError(SegErrorType.INVALID_FORMAT, f"a line has at most {LINE_MAX} bytes")
    return data


def parse_line(line: bytes) -> StateChange | None:
    """Return what a line tells, which may have its end, that of other systems too, or not; None if
    it tells no state change.
    """
    text = line.removesuffix(b"\n").removesuffix(b"\r")
    found = _LINE.fullmatch(text.decode("utf-8", "surrogateescape"))
    if found is None:
        return None
    timestamp, jobid, state, code = found.groups()
    change = StateChange(int(timestamp), jobid, GramState(int(state)), int(code))
    fits = change.timestamp <= TIME_MAX and -CODE_MAX - 1 <= change.exit_code <= CODE_MAX
    return change if fits else None


def check_number(value: object, what: str, least: int, most: int) -> int:
    """Return ``value`` if it is an integer from ``least`` to ``most``; TypeError, ValueError if it
    is not.
    """
    if type(value) is bool or not isinstance(value, int):
        raise TypeError(f"{what} is an integer, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{what} is out of range: {value}")
    return value


def _checked_jobid(jobid: object) -> str:
    if jobid is None:
        raise SegError(SegErrorType.NULL, "the job id")
    if isinstance(jobid, bytes):
        jobid = jobid.decode("utf-8", "surrogateescape")
    if not isinstance(jobid, str):
        raise TypeError(f"a job id is a string, not {type(jobid).__name__}")
    if not jobid or any(char == ";" or char < " " or char == "\x7f" for char in jobid):
        raise SegError(
            SegErrorType.INVALID_FORMAT, "a job id is not empty and has no ';' or control character"
        )
    return jobid
