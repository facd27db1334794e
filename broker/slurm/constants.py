"""Numbers of Slurm's interfaces (slurm.h, slurm_errno.h): what is not set, what is unlimited, where
signed values begin.
"""

from __future__ import annotations

from typing import Final

SLURM_SUCCESS: Final = 0
SLURM_ERROR: Final = -1

NO_VAL: Final = 0xFFFFFFFE
"""An unsigned 32 bit field that nobody has set."""
NO_VAL8: Final = 0xFE
NO_VAL16: Final = 0xFFFE
NO_VAL64: Final = 0xFFFFFFFFFFFFFFFE
INFINITE: Final = 0xFFFFFFFF
"""No limit, in an unsigned 32 bit field."""
INFINITE8: Final = 0xFF
INFINITE16: Final = 0xFFFF
INFINITE64: Final = 0xFFFFFFFFFFFFFFFF
NICE_OFFSET: Final = 0x80000000
"""What is added to a nice value or a site factor, so that an unsigned field can be negative."""
MEM_PER_CPU: Final = 0x8000000000000000
"""Set in a memory size that is for each processor rather than for each node."""

SLURM_VERSION_NUMBER: Final = 0x160508
"""The version whose plugin interfaces are here, 22.05.8: one byte each for major, minor, micro."""
JOB_PENDING: Final = 0
JOB_RUNNING: Final = 1
