"""What options mean where today's flux-core reads them otherwise than 0.29 does: time limits, keys
of attributes, input for some tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flux.job.Jobspec import JobspecV1

SECONDS: Final = 60
UNBUFFERED: Final = {
    "output.stdout.buffer.type": "none",
    "output.stderr.buffer.type": "none",
    "output.batch-timeout": 0.05,
    "input.batch-timeout": 0.0,
}
"""Shell options of ``--unbuffered``."""


def time_limit(text: str) -> float | str:
    """Return a time limit in seconds, of a number without a unit, which is minutes; or the Flux
    standard duration as it is.

    Raises ValueError for a negative number.
    """
    from fluxctl.numbers import real

    minutes = real(text)
    if minutes is None:
        return text
    if minutes < 0:
        raise ValueError("duration must not be negative")
    return minutes * SECONDS


def attribute_key(key: str) -> str:
    """Return the path below ``attributes`` of a key, which is one of the system's unless it begins
    with ``system.``, ``user.``, ``attributes.`` or a period.
    """
    if key.startswith("."):
        return key[1:]
    if key.startswith("attributes."):
        return key.removeprefix("attributes.")
    return key if key.startswith(("system.", "user.")) else f"system.{key}"


def set_unbuffered(jobspec: JobspecV1) -> None:
    """Have the job's shells pass on input and output as they come."""
    for key, value in UNBUFFERED.items():
        jobspec.setattr_shell_option(key, value)


def is_ranks(text: str) -> bool:
    """Whether the value of ``--input`` names tasks rather than a file."""
    from flux.idset import IDset

    if not text[:1].isdigit():
        return False
    try:
        IDset(text)
    except ValueError:
        return False
    return True
