"""Boot and shutdown: `flux start -sN true`."""

from __future__ import annotations

from bench.measure import Figure, Program, Target, paired, show, timed

REPEAT = 7
SIZES = (
    (1, Target(bound=0.6, ratio=1.0), REPEAT),
    (4, Target(), REPEAT),
    (8, Target(bound=0.36, ratio=1.0), REPEAT),
    (64, Target(bound=1.4, ratio=1.0), 5),
    (256, Target(bound=8.0), 3),
)


def _boot(size: int, target: Target, repeat: int) -> Figure:
    def sample(program: Program) -> float:
        return timed([program.flux, "start", f"-s{size}", "true"])

    return paired(f"flux start -s{size} true", "s", target, sample, repeat)


def figures() -> list[Figure]:
    """Seconds of `flux start -sN true` for one to 256 brokers."""
    return [_boot(size, target, repeat) for size, target, repeat in SIZES]


if __name__ == "__main__":
    show(figures())
