"""Slurm's way to write a time limit: ``minutes``, ``minutes:seconds``, ``hours:minutes:seconds``,
``days-hours`` and so on (sbatch(1), --time).
"""

from __future__ import annotations

import re
from typing import Final

from broker.slurm.constants import INFINITE, NO_VAL

_FORM: Final = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})")


def minutes_of(text: str) -> int:
    """Return the minutes that a time limit stands for, rounded up; as slurmctld gives it to
    scripts, -1 for no limit and -2 for what is none.
    """
    if text.lower() in ("-1", "infinite", "unlimited"):
        return INFINITE - (1 << 32)
    match = _FORM.fullmatch(text.strip())
    if match is None:
        return NO_VAL - (1 << 32)
    parts = [int(part) for part in match["parts"].split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
        hours += 24 * int(match["days"])
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, minutes, seconds = 0, parts[0], parts[1] if len(parts) == 2 else 0
    return hours * 60 + minutes + -(-seconds // 60)
