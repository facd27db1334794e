"""Single commands from a shell: interpreter start, imports, connection, answer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bench.measure import Figure, Program, Target, in_instance, paired, programs, show
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Sequence

REPEAT = 20
MANY_JOBS = 1200


def figures() -> list[Figure]:
    """Milliseconds of `flux getattr size`, `flux jobs`, `flux mini submit`, `flux submit`,
    `flux run`, and of `flux jobs -a` with 1,200 jobs.
    """
    among = programs()
    with contextlib.ExitStack() as stack:
        instances = {p.name: stack.enter_context(running_instance(1, flux=p.flux)) for p in among}
        found = [
            _command("flux getattr size", Target(bound=80), among, instances, ["getattr", "size"]),
            _command("flux jobs", Target(bound=120, ratio=0.7), among, instances, ["jobs"]),
            _submit(among, instances),
            _command(
                "flux submit true (held)",
                Target(),
                among,
                instances,
                ["submit", "--urgency=hold", "true"],
            ),
            _command("flux run true", Target(bound=100), among, instances, ["run", "true"]),
        ]
        for program in among:
            fill(program, instances[program.name], MANY_JOBS)
        name = f"flux jobs -a -c 0 of {MANY_JOBS} jobs"
        found.append(
            _command(name, Target(ratio=0.5), among, instances, ["jobs", "-a", "-c", "0"], repeat=7)
        )
    return found


def fill(program: Program, instance: Instance, count: int) -> None:
    """Run `count` simulated jobs to their end, so that the instance has a history."""
    in_instance(
        instance,
        *program.submit,
        "--quiet",
        "--wait",
        "--setattr=system.exec.test.run_duration=0.0001s",
        f"--cc=1-{count}",
        "true",
    )


def _command(
    name: str,
    target: Target,
    among: Sequence[Program],
    instances: dict[str, Instance],
    arguments: list[str],
    repeat: int = REPEAT,
) -> Figure:
    return paired(
        name,
        "ms",
        target,
        lambda p: 1000 * in_instance(instances[p.name], *arguments),
        repeat,
        among,
        warm_up=2,
    )


def _submit(among: Sequence[Program], instances: dict[str, Instance]) -> Figure:
    def sample(program: Program) -> float:
        return 1000 * in_instance(
            instances[program.name], *program.submit, "--urgency=hold", "true"
        )

    return paired(
        "flux mini submit true (held)", "ms", Target(ratio=0.7), sample, REPEAT, among, warm_up=2
    )


if __name__ == "__main__":
    show(figures())
