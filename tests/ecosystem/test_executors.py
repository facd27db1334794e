"""Programs that run Python functions as jobs: executorlib with pysqa, parsl."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.ecosystem.programs import Programs

PROGRAM = {"executorlib": "executorlib", "pysqa": "pysqa", "parsl": "parsl"}


def test_executorlib_functions(programs: Programs) -> None:
    """``FluxJobExecutor``: functions with arguments."""
    programs.case("executorlib_cases", "plain")


def test_executorlib_error(programs: Programs) -> None:
    """``FluxJobExecutor``: an exception of the function."""
    programs.case("executorlib_cases", "an_error")


def test_executorlib_block(programs: Programs) -> None:
    """``FluxJobExecutor``: block allocation with an init function."""
    programs.case("executorlib_cases", "block")


def test_executorlib_files(programs: Programs) -> None:
    """``FluxJobExecutor``: working directory and log files."""
    programs.case("executorlib_cases", "files")


def test_executorlib_given(programs: Programs) -> None:
    """``FluxJobExecutor``: with a given ``FluxExecutor``."""
    programs.case("executorlib_cases", "given")


def test_executorlib_dependency(programs: Programs) -> None:
    """``FluxJobExecutor``: a future as argument."""
    programs.case("executorlib_cases", "dependency")


def test_executorlib_workers(programs: Programs) -> None:
    """``FluxJobExecutor``: ``max_workers``."""
    programs.case("executorlib_cases", "workers")


def test_executorlib_nesting(programs: Programs) -> None:
    """``FluxJobExecutor``: jobs as instances (nesting)."""
    programs.case("executorlib_cases", "nesting")


def test_executorlib_threads(programs: Programs) -> None:
    """``FluxJobExecutor``: threads for a function."""
    programs.case("executorlib_cases", "cores")


def test_executorlib_cluster(programs: Programs) -> None:
    """``FluxClusterExecutor``: functions through batch scripts, one after another."""
    programs.case("executorlib_cases", "cluster", deadline=60)


def test_pysqa_queue(programs: Programs) -> None:
    """``QueueAdapter``: submit, dependency, status, queue, delete."""
    programs.case("executorlib_cases", "pysqa")


def test_parsl_apps(programs: Programs) -> None:
    """``FluxExecutor``: python apps, one after another."""
    programs.case("parsl_cases", "apps")


def test_parsl_error(programs: Programs) -> None:
    """``FluxExecutor``: an exception of the function."""
    programs.case("parsl_cases", "an_error")


def test_parsl_resources(programs: Programs) -> None:
    """``FluxExecutor``: a resource specification."""
    programs.case("parsl_cases", "resources")


def test_parsl_bash(programs: Programs) -> None:
    """``FluxExecutor``: a bash app with an output file."""
    programs.case("parsl_cases", "bash")
