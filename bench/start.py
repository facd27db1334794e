"""Boot and shutdown: `flux start -sN true`."""

from __future__ import annotations

from bench.measure import Figure, Program, Target, paired, show, timed

REPEAT = 7
SIZES = ((1, Target(bound=0.6, ratio=1.0)), (4, Target()), (8, Target(bound=2.5, ratio=1.0)))


def _boot(size: int, target: Target) -> Figure:
    def sample(program: Program) -> float:
        return timed([program.flux, "start", f"-s{size}", "true"])

    return paired(f"flux start -s{size} true", "s", target, sample, REPEAT)


def figures() -> list[Figure]:
    """Seconds of `flux start -sN true` for one, four and eight brokers."""
    return [_boot(size, target) for size, target in SIZES]


if __name__ == "__main__":
    show(figures())
