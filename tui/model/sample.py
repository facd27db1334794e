"""Made-up jobs of every kind, always the same for the same seed: for tests, snapshots and
measurements.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tui.model.records import Job

NAMES: Final = (
    "sha256sum",
    "lammps",
    "train.py",
    "align",
    "merge.sh",
    "fft3d",
    "render",
    "pytest",
    "blastn",
    "reduce",
)
_KINDS: Final = (
    (64, 1, 70),
    (64, 2, 8),
    (64, 4, 3),
    (64, 8, 2),
    (16, 0, 5),
    (32, 0, 1),
    (8, 0, 9),
    (4, 0, 1),
    (2, 0, 1),
)


def jobs(number: int, now: float, seed: int = 1) -> list[Job]:
    """Return ``number`` job-list records, the last submitted just before ``now``."""
    return list(_jobs(number, now, random.Random(seed)))


def _jobs(number: int, now: float, rng: random.Random) -> Iterator[Job]:
    kinds = rng.choices([kind[:2] for kind in _KINDS], [kind[2] for kind in _KINDS], k=number)
    for i, (state, result) in enumerate(kinds):
        submit = now - (number - i) * 2 - rng.random()
        job: Job = {
            "id": int((submit - now + 1e7) * 1000) << 24 | i & 0xFFFF,
            "userid": rng.choice((0, 0, 0, 1)),
            "urgency": 16,
            "priority": 16,
            "t_submit": submit,
            "t_depend": submit,
            "state": state,
            "name": rng.choice(NAMES),
            "ntasks": rng.choice((1, 1, 1, 2, 4, 8)),
            "nnodes": 1,
        }
        rank = rng.randrange(4)
        if state >= 16:
            job.update(
                t_run=submit + rng.random(), ranks=str(rank), nodelist=f"node{rank}", expiration=0.0
            )
            job["annotations"] = {
                "sched": {"resource_summary": f"rank{rank}/core{rng.randrange(2)}"}
            }
        if state >= 32:
            job["t_cleanup"] = job["t_run"] + rng.expovariate(0.2)
        if state == 64:
            job["t_inactive"] = job["t_cleanup"] + 0.01
            job["result"] = result
            job.update(_ENDINGS[result])
        if state == 8 and rng.random() < 0.1:
            job["urgency"] = job["priority"] = 0
        if state == 2:
            job["dependencies"] = ["afterok:\u0192AbC12"]
        yield job


_ENDINGS: Final[dict[int, dict[str, object]]] = {
    1: {"success": True, "waitstatus": 0, "exception_occurred": False},
    2: {"success": False, "waitstatus": 256, "exception_occurred": False},
    4: {
        "waitstatus": 36608,
        "exception_type": "cancel",
        "exception_severity": 0,
        "exception_note": "not needed",
    },
    8: {
        "waitstatus": 36352,
        "exception_type": "timeout",
        "exception_severity": 0,
        "exception_note": "time limit",
    },
}
