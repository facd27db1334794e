"""The scheduler event generator: what modules of other schedulers are written with, and what tells
a GRAM job manager of the jobs of a Flux instance (``flux seg``).

The functions have the names of the page that they implement, the Scheduler Implementation API of
the Globus scheduler event generator, and short ones: ``flux.seg.pending(0, "123")``.
"""

from __future__ import annotations

from flux.seg.api import (
    active,
    done,
    driver,
    event,
    failed,
    get_timestamp,
    globus_scheduler_event,
    globus_scheduler_event_active,
    globus_scheduler_event_done,
    globus_scheduler_event_failed,
    globus_scheduler_event_generator_get_timestamp,
    globus_scheduler_event_pending,
    options,
    pending,
)
from flux.seg.errors import GLOBUS_SUCCESS, SegError, SegErrorType
from flux.seg.generator import Generator
from flux.seg.loader import Descriptor
from flux.seg.protocol import GramState, StateChange, parse_line

GLOBUS_SEG_ERROR_TYPE_NULL = SegErrorType.NULL
GLOBUS_SEG_ERROR_TYPE_ALREADY_SET = SegErrorType.ALREADY_SET
GLOBUS_SEG_ERROR_TYPE_INVALID_MODULE = SegErrorType.INVALID_MODULE
GLOBUS_SEG_ERROR_TYPE_INVALID_FORMAT = SegErrorType.INVALID_FORMAT
GLOBUS_SEG_ERROR_TYPE_OUT_OF_MEMORY = SegErrorType.OUT_OF_MEMORY
GLOBUS_SEG_ERROR_TYPE_LOADING_MODULE = SegErrorType.LOADING_MODULE

__all__ = [
    "GLOBUS_SEG_ERROR_TYPE_ALREADY_SET",
    "GLOBUS_SEG_ERROR_TYPE_INVALID_FORMAT",
    "GLOBUS_SEG_ERROR_TYPE_INVALID_MODULE",
    "GLOBUS_SEG_ERROR_TYPE_LOADING_MODULE",
    "GLOBUS_SEG_ERROR_TYPE_NULL",
    "GLOBUS_SEG_ERROR_TYPE_OUT_OF_MEMORY",
    "GLOBUS_SUCCESS",
    "Descriptor",
    "Generator",
    "GramState",
    "SegError",
    "SegErrorType",
    "StateChange",
    "active",
    "done",
    "driver",
    "event",
    "failed",
    "get_timestamp",
    "globus_scheduler_event",
    "globus_scheduler_event_active",
    "globus_scheduler_event_done",
    "globus_scheduler_event_failed",
    "globus_scheduler_event_generator_get_timestamp",
    "globus_scheduler_event_pending",
    "options",
    "parse_line",
    "pending",
]
