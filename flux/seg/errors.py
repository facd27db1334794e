"""The errors of the scheduler event generator, with the names and numbers of its page (Scheduler
Implementation API of the Globus scheduler event generator).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

GLOBUS_SUCCESS: Final = 0
"""What every function of the page returns when it has sent or queued its message."""


class SegErrorType(IntEnum):
    """``globus_scheduler_event_generator_error_t``."""

    NULL = 1024
    ALREADY_SET = 1025
    INVALID_MODULE = 1026
    INVALID_FORMAT = 1027
    OUT_OF_MEMORY = 1028
    LOADING_MODULE = 1029


_SENTENCES: Final = {
    SegErrorType.NULL: "NULL parameter",
    SegErrorType.ALREADY_SET: "already called a one-time function",
    SegErrorType.INVALID_MODULE: "module without a descriptor",
    SegErrorType.INVALID_FORMAT: "invalid printf format for a SEG protocol message",
    SegErrorType.OUT_OF_MEMORY: "out of memory",
    SegErrorType.LOADING_MODULE: "unable to load the scheduler module",
}


class SegError(Exception):
    """A function of the page did not return ``GLOBUS_SUCCESS``: ``type`` says why."""

    def __init__(self, type: SegErrorType, detail: str = "") -> None:
        sentence = _SENTENCES[type]
        super().__init__(f"{sentence}: {detail}" if detail else sentence)
        self.type = type
        self.detail = detail
