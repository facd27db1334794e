"""Simulated jobs (``attributes.system.exec.test`` of the jobspec): the course of a job without
processes, for tests of everything else.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from msgspec import Struct

from flux.duration import parse_fsd

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping

LONGEST = 1e10
"""Seconds that a simulated job may run; timers have no longer times."""

PHASES = ("init", "starting", "run")


class Simulation(Struct, frozen=True):
    """What a simulated job does.

    It runs for ``run_duration`` seconds and ends with ``wait_status``. ``mock_exception`` is the
    phase in which it fails, "" for none. With ``override`` start and finish only come by
    ``job-exec.override`` requests.
    """

    run_duration: float
    wait_status: int = 0
    mock_exception: str = ""
    override: bool = False


BULK_PHASES = ("init", "starting")


def mock_exception_of(jobspec: JsonMapping) -> str:
    """Return the phase in which the launcher of a real job is to fail, "" for none (jobspec
    attribute ``system.exec.bulkexec.mock_exception``).

    Raises OSError(EINVAL) if what ``system.exec`` says of real jobs is malformed.
    """
    execution = jobspec.get("attributes", {}).get("system", {}).get("exec")
    if execution is None:
        return ""
    if not isinstance(execution, dict):
        raise _malformed("", "an object")
    bulk = execution.get("bulkexec", {})
    if not isinstance(bulk, dict):
        raise _malformed(".bulkexec", "an object")
    if not isinstance(execution.get("job_shell", ""), str):
        raise _malformed(".job_shell", "a string")
    phase = bulk.get("mock_exception")
    return phase if phase in BULK_PHASES else ""


def _malformed(name: str, expected: str) -> OSError:
    text = f"attributes.system.exec{name} must be {expected}"
    return OSError(errno.EINVAL, f"failed to initialize implementation: {text}")


def _failed(reason: str) -> OSError:
    return OSError(
        errno.EINVAL, f"failed to initialize testconf: attributes.system.exec.test{reason}"
    )


def simulation_of(jobspec: JsonMapping) -> Simulation | None:
    """Return the simulation that ``jobspec`` asks for, None for a real job.

    Raises OSError: EINVAL if the request is malformed, EIO for a job that is to fail before it has
    begun.
    """
    execution = jobspec.get("attributes", {}).get("system", {}).get("exec")
    test = execution.get("test") if isinstance(execution, dict) else None
    if test is None:
        return None
    if not isinstance(test, dict):
        raise _failed(" is not an object")
    duration = test.get("run_duration", "0")
    if not isinstance(duration, str):
        raise _failed(".run_duration must be a string")
    try:
        seconds = parse_fsd(duration)
        phase = str(test.get("mock_exception", ""))
        status = int(test.get("wait_status", 0))
    except (TypeError, ValueError, OverflowError) as error:
        raise _failed(": a value is of the wrong type") from error
    if phase and phase not in PHASES:
        raise _failed(f": unknown phase {phase[:100]}")
    if phase == "init":  # before there is anything that could finish
        raise OSError(errno.EIO, "mock initialization exception generated")
    if not 0 <= seconds <= LONGEST or not 0 <= status <= 0xFFFF:
        raise _failed(": a number is out of range")
    return Simulation(seconds, status, phase, bool(test.get("override", 0)))
