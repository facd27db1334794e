"""Round trip of one request: `flux ping kvs`, on the same broker and across the tree."""

from __future__ import annotations

import contextlib
import re
import statistics

from bench.measure import Figure, Program, Target, paired, programs, show
from flux.testing.instance import running_instance

COUNT = 200
INTERVAL = (
    "0.005"  # seconds; with 0 several requests are on their way at once and wait for each other
)
REPEAT = 5
TIME = re.compile(r"time=([\d.]+) ms")


def figures() -> list[Figure]:
    """Median milliseconds of a round trip to kvs on this rank, and to rank 3 of four brokers."""
    among = programs()
    with contextlib.ExitStack() as stack:
        instances = {p.name: stack.enter_context(running_instance(4, flux=p.flux)) for p in among}

        def median(program: Program, target: str) -> float:
            run = instances[program.name].run("ping", "-c", str(COUNT), "-i", INTERVAL, target)
            if run.returncode != 0:
                raise RuntimeError(f"flux ping {target}: {run.stderr.strip()}")
            return statistics.median(float(found) for found in TIME.findall(run.stdout))

        return [
            paired(
                "flux ping kvs, round trip",
                "ms",
                Target(bound=0.6, ratio=1.0),
                lambda p: median(p, "kvs"),
                REPEAT,
                among,
            ),
            paired(
                "flux ping 3!kvs, two hops away",
                "ms",
                Target(),
                lambda p: median(p, "3!kvs"),
                REPEAT,
                among,
            ),
        ]


if __name__ == "__main__":
    show(figures())
