"""Resident memory of the rank 0 broker after 1,000 jobs, and of everything it keeps running."""

from __future__ import annotations

from functools import cache

import psutil

from bench.commands import fill
from bench.measure import Figure, Program, Target, paired, show
from flux.testing.instance import running_instance

JOBS = 1000
REPEAT = 3


@cache
def _sample(program: Program, _turn: int) -> tuple[float, float]:
    """MiB of the broker itself, and with all its children."""
    with running_instance(1, flux=program.flux) as instance:
        fill(program, instance, JOBS)
        broker = psutil.Process(int(instance.run("getattr", "broker.pid").stdout))
        own = broker.memory_info().rss / 2**20
        shared_once = (
            sum(child.memory_full_info().pss for child in broker.children(recursive=True)) / 2**20
        )
        return own, own + shared_once


def figures() -> list[Figure]:
    """MiB resident after 1,000 simulated jobs."""
    turns: dict[tuple[str, int], int] = {}

    def sample(program: Program, index: int) -> float:
        turn = turns[program.name, index] = turns.get((program.name, index), -1) + 1
        return _sample(program, turn)[index]

    name = f"broker memory after {JOBS} jobs"
    return [
        paired(
            name, "MiB", Target(bound=120, ratio=0.3), lambda p: sample(p, 0), REPEAT, warm_up=0
        ),
        paired(
            f"{name}, with its helper processes",
            "MiB",
            Target(),
            lambda p: sample(p, 1),
            REPEAT,
            warm_up=0,
        ),
    ]


if __name__ == "__main__":
    show(figures())
