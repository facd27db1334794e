"""What jobs cost in the content store: bytes a job in the file, in use and not, after many jobs and
after a collection.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
from functools import cache
from typing import TYPE_CHECKING

from bench.measure import Figure, Program, Target, paired, programs, show
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = 5000
KIB = 1024.0


@cache
def _sample(program: Program) -> dict[str, float]:
    """KiB a job: the file with its log, what is in use, what is not, and after a collection."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "content.sqlite")
        with running_instance(
            1, f"-o,-Scontent.backing-path={path}", flux=program.flux
        ) as instance:
            lines = "".join(f"{number}\n" for number in range(JOBS))
            run = instance.run(
                "mini", "bulksubmit", "--wait", "--quiet", "true", "{}", stdin=lines, timeout=900
            )
            if run.returncode != 0:
                raise RuntimeError(
                    f"bulksubmit ended with {run.returncode}: {run.stderr.strip()[-200:]}"
                )
            file = sum(part.stat().st_size for part in pathlib.Path(folder).iterdir())
            before = _stats(instance.run("module", "stats", "content-sqlite").stdout)
            collected = instance.run("content", "gc", timeout=300)
            if collected.returncode != 0:
                raise RuntimeError(f"flux content gc: {collected.stderr.strip()}")
            after = _stats(instance.run("module", "stats", "content-sqlite").stdout)
    dead = before["live_bytes"] + before["dead_bytes"] - after["live_bytes"]
    figures = {
        "file": file,
        "live": after["live_bytes"],
        "dead": dead,
        "shrunk": after["file_bytes"],
    }
    return {name: value / KIB / JOBS for name, value in figures.items()}


def _stats(text: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(text)
    return found


def _part(name: str) -> Callable[[Program], float]:
    return lambda program: _sample(program)[name]


def figures() -> list[Figure]:
    """KiB of a persistent store for each of 5,000 jobs that run `true`."""
    ours = programs()[:1]
    rows = (
        ("store for each job (`true`), not collected, with the log", "file", Target()),
        ("of it in use", "live", Target()),
        ("of it not in use any more", "dead", Target()),
        ("store for each job after a collection", "shrunk", Target(bound=12)),
    )
    return [
        paired(name, "KiB", target, _part(which), 1, ours, warm_up=0)
        for name, which, target in rows
    ]


if __name__ == "__main__":
    show(figures())
