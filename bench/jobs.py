"""Job throughput: real processes, simulated jobs, held submissions; each sample on a fresh
instance.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.measure import Figure, Program, Target, paired, show
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Callable

REPEAT = 3
REAL = 400
SIMULATED = 800
HELD = 1000
PEER_SHARE = 4  # flux-core runs a quarter of the jobs: the rate is the figure, and it is slower


def rate(
    program: Program, count: int, submit: Callable[[Instance, int], None], size: int = 1
) -> float:
    """Jobs a second of `submit(instance, count)` on a fresh instance of `size` brokers, after a
    short warm-up.
    """
    count = count if program.name == "ours" else max(50, count // PEER_SHARE)
    with running_instance(size, flux=program.flux) as instance:
        submit(instance, 10)
        started = time.perf_counter()
        submit(instance, count)
        return count / (time.perf_counter() - started)


def _checked(instance: Instance, arguments: tuple[str, ...], stdin: str = "") -> None:
    run = instance.run(*arguments, stdin=stdin, timeout=300)
    if run.returncode != 0:
        raise RuntimeError(
            f"flux {' '.join(arguments)[:60]} ended with {run.returncode}: "
            f"{run.stderr.strip()[-200:]}"
        )


def _bulk(program: Program, *options: str) -> Callable[[Instance, int], None]:
    def submit(instance: Instance, count: int) -> None:
        lines = "".join(f"{number}\n" for number in range(count))
        _checked(
            instance, (*program.bulksubmit, "--quiet", "--wait", *options, "true", "{}"), lines
        )

    return submit


def _held(program: Program) -> Callable[[Instance, int], None]:
    def submit(instance: Instance, count: int) -> None:
        _checked(
            instance, (*program.submit, "--quiet", "--urgency=hold", f"--cc=1-{count}", "true")
        )

    return submit


def figures() -> list[Figure]:
    """Jobs a second, submit to inactive as `bulksubmit --wait` sees it, and held submissions a
    second.
    """
    simulated = "--setattr=system.exec.test.run_duration=0.0001s"
    faster = True
    return [
        paired(
            "real jobs (`true`)",
            "jobs/s",
            Target(100, 5.0, faster),
            lambda p: rate(p, REAL, _bulk(p)),
            REPEAT,
            warm_up=0,
        ),
        paired(
            "real jobs (`true`), 4 brokers",
            "jobs/s",
            Target(None, None, faster),
            lambda p: rate(p, REAL, _bulk(p), 4),
            REPEAT,
            warm_up=0,
        ),
        paired(
            "simulated jobs",
            "jobs/s",
            Target(250, 5.0, faster),
            lambda p: rate(p, SIMULATED, _bulk(p, simulated)),
            REPEAT,
            warm_up=0,
        ),
        paired(
            "submissions of held jobs",
            "jobs/s",
            Target(None, 1.0, faster),
            lambda p: rate(p, HELD, _held(p)),
            REPEAT,
            warm_up=0,
        ),
    ]


if __name__ == "__main__":
    show(figures())
