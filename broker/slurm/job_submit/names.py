"""The names in the table ``slurm`` of scripts: numbers of slurm.h and slurm_errno.h."""

from __future__ import annotations

import functools
from typing import Final

from broker.slurm import constants as c
from broker.slurm.errors import NUMBERS

_OTHERS: Final = {
    "SUCCESS": c.SLURM_SUCCESS,
    "ERROR": c.SLURM_ERROR,
    "FAILURE": c.SLURM_ERROR,
    "NO_VAL": c.NO_VAL,
    "NO_VAL8": c.NO_VAL8,
    "NO_VAL16": c.NO_VAL16,
    "NO_VAL64": c.NO_VAL64,
    "INFINITE": c.INFINITE,
    "INFINITE8": c.INFINITE8,
    "INFINITE16": c.INFINITE16,
    "INFINITE64": c.INFINITE64,
    "NICE_OFFSET": c.NICE_OFFSET,
    "MEM_PER_CPU": c.MEM_PER_CPU,
    "ALLOC_SID_ADMIN_HOLD": 1,
    "ALLOC_SID_USER_HOLD": 2,
    "JOB_SHARED_NONE": 0,
    "JOB_SHARED_OK": 1,
    "JOB_SHARED_USER": 2,
    "JOB_SHARED_MCS": 3,
    "SHARED_FORCE": 0x8000,
    "KILL_INV_DEP": 0x1,
    "NO_KILL_INV_DEP": 0x2,
    "GRES_ENFORCE_BIND": 0x10,
    "SPREAD_JOB": 0x100,
    "USE_MIN_NODES": 0x200,
    "GRES_DISABLE_BIND": 0x80000,
    "MAIL_JOB_BEGIN": 0x1,
    "MAIL_JOB_END": 0x2,
    "MAIL_JOB_FAIL": 0x4,
    "MAIL_JOB_REQUEUE": 0x8,
    "MAIL_JOB_TIME100": 0x10,
    "MAIL_JOB_TIME90": 0x20,
    "MAIL_JOB_TIME890": 0x20,
    "MAIL_JOB_TIME80": 0x40,
    "MAIL_JOB_TIME50": 0x80,
    "MAIL_JOB_STAGE_OUT": 0x100,
    "MAIL_ARRAY_TASKS": 0x200,
    "MAIL_INVALID_DEPEND": 0x400,
    "JOB_PENDING": 0,
    "JOB_RUNNING": 1,
    "JOB_SUSPENDED": 2,
    "JOB_COMPLETE": 3,
    "JOB_CANCELLED": 4,
    "JOB_FAILED": 5,
    "JOB_TIMEOUT": 6,
}
"""``MAIL_JOB_TIME890`` is what version 22.05 calls ``MAIL_JOB_TIME90``."""


@functools.cache
def slurm_constants() -> dict[str, int]:
    """Return the numbers by their names."""
    return {**_OTHERS, **NUMBERS}
