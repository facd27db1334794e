"""Programs that run Python functions as jobs: executorlib with pysqa, parsl."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.ecosystem.programs import Programs

PROGRAM = {"executorlib": "executorlib", "pysqa": "pysqa", "parsl": "parsl"}


def test_executorlib_functions(programs: Programs) -> None:
    """``FluxJobExecutor``: functions with arguments."""
    assert programs.finishes("executorlib_cases", "plain")


def test_executorlib_error(programs: Programs) -> None:
    """``FluxJobExecutor``: an exception of the function."""
    assert programs.finishes("executorlib_cases", "an_error")


def test_executorlib_block(programs: Programs) -> None:
    """``FluxJobExecutor``: block allocation with an init function."""
    assert programs.finishes("executorlib_cases", "block")


def test_executorlib_files(programs: Programs) -> None:
    """``FluxJobExecutor``: working directory and log files."""
    assert programs.finishes("executorlib_cases", "files")


def test_executorlib_given(programs: Programs) -> None:
    """``FluxJobExecutor``: with a given ``FluxExecutor``."""
    assert programs.finishes("executorlib_cases", "given")


def test_executorlib_dependency(programs: Programs) -> None:
    """``FluxJobExecutor``: a future as argument."""
    assert programs.finishes("executorlib_cases", "dependency")


def test_executorlib_workers(programs: Programs) -> None:
    """``FluxJobExecutor``: ``max_workers``."""
    assert programs.finishes("executorlib_cases", "workers")


def test_executorlib_nesting(programs: Programs) -> None:
    """``FluxJobExecutor``: jobs as instances (nesting)."""
    assert programs.finishes("executorlib_cases", "nesting")


def test_executorlib_threads(programs: Programs) -> None:
    """``FluxJobExecutor``: threads for a function."""
    assert programs.finishes("executorlib_cases", "cores")


def test_executorlib_cluster(programs: Programs) -> None:
    """``FluxClusterExecutor``: functions through batch scripts, one after another."""
    assert programs.finishes("executorlib_cases", "cluster", deadline=60)


def test_executorlib_mpi(programs: Programs) -> None:
    """``FluxJobExecutor``: a function of two MPI ranks (mpi4py)."""
    assert programs.finishes("executorlib_cases", "mpi")


def test_executorlib_pmi2(programs: Programs) -> None:
    """``FluxJobExecutor``: MPI with ``pmi_mode="pmi2"``."""
    assert programs.finishes("executorlib_cases", "pmi2")


def test_executorlib_mpi_block(programs: Programs) -> None:
    """``FluxJobExecutor``: functions of two MPI ranks in one allocation."""
    assert programs.finishes("executorlib_cases", "mpi_block")


def test_executorlib_options(programs: Programs) -> None:
    """``FluxJobExecutor``: nodes, exclusive, limit and priority of a function."""
    assert programs.finishes("executorlib_cases", "options")


def test_executorlib_cluster_mpi(programs: Programs) -> None:
    """``FluxClusterExecutor``: a function of two MPI ranks."""
    assert programs.finishes("executorlib_cases", "cluster_mpi")


def test_executorlib_restarted(programs: Programs) -> None:
    """``FluxJobExecutor``: a worker that dies is started again."""
    assert programs.finishes("executorlib_cases", "restarted")


def test_executorlib_spread(programs: Programs) -> None:
    """``FluxJobExecutor``: a function on two nodes."""
    assert programs.finishes("executorlib_cases", "spread")


def test_executorlib_limited(programs: Programs) -> None:
    """``FluxJobExecutor``: a function that exceeds its limit of time."""
    assert "ExecutorlibSocketError" in programs.case("executorlib_cases", "limited")


def test_executorlib_chain(programs: Programs) -> None:
    """``FluxJobExecutor``: a chain of futures, and an exception handed on."""
    assert programs.finishes("executorlib_cases", "chain")


def test_executorlib_too_many_workers(programs: Programs) -> None:
    """``FluxJobExecutor``: more workers than there are cores."""
    said = programs.case("executorlib_cases", "too_many_workers")
    assert "larger than the available cores" in said, said


def test_executorlib_cluster_error(programs: Programs) -> None:
    """``FluxClusterExecutor``: an exception of the function."""
    assert programs.finishes("executorlib_cases", "cluster_error")


def test_pysqa_queue(programs: Programs) -> None:
    """``QueueAdapter``: submit, dependency, status, queue, delete."""
    assert programs.finishes("executorlib_cases", "pysqa")


def test_pysqa_tables(programs: Programs) -> None:
    """``QueueAdapter``: tables of the queue and of one's jobs, several states at once."""
    assert programs.finishes("executorlib_cases", "pysqa_tables")


def test_pysqa_limits(programs: Programs) -> None:
    """``QueueAdapter``: cores and a limit of time."""
    assert programs.finishes("executorlib_cases", "pysqa_limits")


def test_pysqa_template(programs: Programs) -> None:
    """``QueueAdapter``: a script template with ``# flux:`` lines."""
    assert programs.finishes("executorlib_cases", "pysqa_template")


def test_pysqa_configuration(programs: Programs) -> None:
    """``QueueAdapter``: queues of a configuration."""
    assert programs.finishes("executorlib_cases", "pysqa_configuration")


def test_parsl_apps(programs: Programs) -> None:
    """``FluxExecutor``: python apps, one after another."""
    assert programs.finishes("parsl_cases", "apps")


def test_parsl_error(programs: Programs) -> None:
    """``FluxExecutor``: an exception of the function."""
    assert programs.finishes("parsl_cases", "an_error")


def test_parsl_resources(programs: Programs) -> None:
    """``FluxExecutor``: a resource specification."""
    assert programs.finishes("parsl_cases", "resources")


def test_parsl_bash(programs: Programs) -> None:
    """``FluxExecutor``: a bash app with an output file."""
    assert programs.finishes("parsl_cases", "bash")


def test_parsl_failing_bash(programs: Programs) -> None:
    """``FluxExecutor``: the exit code of a bash app that fails."""
    assert programs.finishes("parsl_cases", "failing_bash")


def test_parsl_dependencies(programs: Programs) -> None:
    """``FluxExecutor``: apps that depend on one that fails, and on a list of others."""
    assert programs.finishes("parsl_cases", "dependencies")


def test_parsl_many(programs: Programs) -> None:
    """``FluxExecutor``: several apps at once."""
    assert programs.finishes("parsl_cases", "many")


def test_parsl_unsatisfiable(programs: Programs) -> None:
    """``FluxExecutor``: more nodes than there are, and another app after it."""
    said = programs.case("parsl_cases", "unsatisfiable")
    assert "JobException" in said, said


def test_parsl_ranks(programs: Programs) -> None:
    """``FluxExecutor``: an app of two tasks."""
    assert programs.finishes("parsl_cases", "ranks")


def test_parsl_retried(programs: Programs) -> None:
    """``FluxExecutor``: an app that is tried again."""
    assert programs.finishes("parsl_cases", "retried")


def test_parsl_pending(programs: Programs) -> None:
    """``FluxExecutor``: waits for all apps."""
    assert programs.finishes("parsl_cases", "pending")
