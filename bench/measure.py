"""What every measurement is made of: programs to compare, series of samples, figures with their
targets.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flux.testing.instance import Instance, default_flux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@dataclass(frozen=True)
class Program:
    """One `flux` under measurement."""

    name: str
    flux: pathlib.Path

    @property
    def version(self) -> str:
        """What `flux --version` says."""
        run = subprocess.run(
            [self.flux, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
        words = (run.stdout or run.stderr).split()
        return next((word for word in words if word[0].isdigit()), "unknown")

    @property
    def submit(self) -> tuple[str, ...]:
        """Words that submit a job: `mini submit` until flux-core 0.47, `submit` after."""
        return ("mini", "submit") if self._has_mini else ("submit",)

    @property
    def bulksubmit(self) -> tuple[str, ...]:
        """Words that submit in bulk."""
        return ("mini", "bulksubmit") if self._has_mini else ("bulksubmit",)

    @property
    def _has_mini(self) -> bool:
        run = subprocess.run(
            [self.flux, "mini", "--help"], capture_output=True, timeout=30, check=False
        )
        return run.returncode == 0


def programs() -> list[Program]:
    """Ours, and flux-core when PEER_FLUX names the folder with its `flux`.

    Raises SystemExit if PEER_FLUX is set but holds no `flux`.
    """
    found = [Program("ours", default_flux())]
    if peer := os.environ.get("PEER_FLUX"):
        path = pathlib.Path(peer)
        path = path / "flux" if path.is_dir() else path
        if not os.access(path, os.X_OK):
            raise SystemExit(f"PEER_FLUX={peer}: no executable flux there")
        found.append(Program("flux-core", path))
    return found


@dataclass(frozen=True)
class Series:
    """Samples of one quantity."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        return min(self.samples)

    @property
    def high(self) -> float:
        return max(self.samples)


@dataclass(frozen=True)
class Target:
    """What a figure has to reach: an absolute bound, and a ratio to flux-core measured in the same
    run.
    """

    bound: float | None = None
    ratio: float | None = None
    higher_is_better: bool = False

    @property
    def sign(self) -> str:
        return "≥" if self.higher_is_better else "≤"

    def met_by(self, value: float, limit: float) -> bool:
        return value >= limit if self.higher_is_better else value <= limit


@dataclass(frozen=True)
class Figure:
    """One row of the performance page."""

    name: str
    unit: str
    target: Target
    series: dict[str, Series]
    note: str = ""
    errors: tuple[str, ...] = field(default=())


def paired(
    name: str,
    unit: str,
    target: Target,
    sample: Callable[[Program], float],
    repeat: int,
    among: Sequence[Program] | None = None,
    warm_up: int = 1,
    note: str = "",
) -> Figure:
    """Take `repeat` samples of every program in turns, so that drift of the machine falls on all
    alike.

    A program whose sample raises is left out of the figure, with the error noted.
    """
    samples: dict[str, list[float]] = {program.name: [] for program in among or programs()}
    errors: dict[str, str] = {}
    for turn in range(repeat + warm_up):
        for program in among or programs():
            if program.name in errors:
                continue
            try:
                value = sample(program)
            except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
                errors[program.name] = f"{program.name}: {error}"
                continue
            if turn >= warm_up:
                samples[program.name].append(value)
    series = {
        who: Series(tuple(values))
        for who, values in samples.items()
        if values and who not in errors
    }
    return Figure(name, unit, target, series, note, tuple(errors.values()))


def timed(
    command: Sequence[str | os.PathLike[str]],
    environment: dict[str, str] | None = None,
    cwd: pathlib.Path | None = None,
) -> float:
    """Seconds that `command` takes from spawn to reaped.

    Raises RuntimeError with the end of its standard error if the command failed.
    """
    started = time.perf_counter()
    run = subprocess.run(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    elapsed = time.perf_counter() - started
    if run.returncode != 0:
        said = run.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(
            f"{' '.join(map(str, command))[:80]} ended with {run.returncode}: {said}"
        )
    return elapsed


def in_instance(instance: Instance, *arguments: str) -> float:
    """Seconds that `flux ARGUMENTS` takes in `instance`. Raises RuntimeError when it fails."""
    return timed([instance.flux, *arguments], instance.environment, instance.home)


def show(figures: Iterable[Figure]) -> None:
    """Print figures as lines, for a measurement run alone."""
    for figure in figures:
        for who, series in figure.series.items():
            print(
                f"{figure.name} [{who}]: median {series.median:.4g} {figure.unit}, "
                f"min {series.low:.4g}, max {series.high:.4g}, n={len(series.samples)}"
            )
        for error in figure.errors:
            print(f"{figure.name}: not measured: {error}")
