"""Job states, results and urgencies as enumerations (RFC 21).

The numbers are those of `flux.constants`, names and letters are in `flux.job.state_names`. Members
compare and hash as fast as plain numbers, but arithmetic on them is slow, and unions made of
members are members too: code that runs for every event of every job keeps plain numbers
(``JobState.RUN.value``, or the constants).
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from flux import constants
from flux.job.state_names import LISTED_STATES


class JobState(IntFlag):
    """The states of a job in the order a job goes through them, and the unions that the manual
    names.
    """

    NEW = constants.FLUX_JOB_STATE_NEW
    DEPEND = constants.FLUX_JOB_STATE_DEPEND
    PRIORITY = constants.FLUX_JOB_STATE_PRIORITY
    SCHED = constants.FLUX_JOB_STATE_SCHED
    RUN = constants.FLUX_JOB_STATE_RUN
    CLEANUP = constants.FLUX_JOB_STATE_CLEANUP
    INACTIVE = constants.FLUX_JOB_STATE_INACTIVE
    PENDING = constants.FLUX_JOB_STATE_PENDING
    RUNNING = constants.FLUX_JOB_STATE_RUNNING
    ACTIVE = constants.FLUX_JOB_STATE_ACTIVE
    LISTED = LISTED_STATES


class JobResult(IntFlag):
    """How an inactive job ended."""

    COMPLETED = constants.FLUX_JOB_RESULT_COMPLETED
    FAILED = constants.FLUX_JOB_RESULT_FAILED
    CANCELED = constants.FLUX_JOB_RESULT_CANCELED
    TIMEOUT = constants.FLUX_JOB_RESULT_TIMEOUT


class Urgency(IntEnum):
    """The urgencies that mean something of their own."""

    HOLD = constants.FLUX_JOB_URGENCY_HOLD
    DEFAULT = constants.FLUX_JOB_URGENCY_DEFAULT
    EXPEDITE = constants.FLUX_JOB_URGENCY_EXPEDITE
