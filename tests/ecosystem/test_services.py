"""Programs that serve Flux to others: over HTTP, over MCP, to AiiDA, in batch jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.ecosystem.programs import Programs

PROGRAM = {
    "restful": "flux-restful",
    "mcp": "flux-mcp",
    "batch": "flux-batch",
    "aiida": "aiida-flux-scheduler",
}


def test_restful_nodes(programs: Programs) -> None:
    """List the nodes."""
    assert programs.finishes("restful_cases", "nodes")


def test_restful_jobs(programs: Programs) -> None:
    """Submit, job information, output, list."""
    assert programs.finishes("restful_cases", "jobs")


def test_restful_options(programs: Programs) -> None:
    """Submit with tasks and cores."""
    assert programs.finishes("restful_cases", "options")


def test_restful_failing(programs: Programs) -> None:
    """The exit code of a job that fails."""
    assert programs.finishes("restful_cases", "failing")


def test_restful_stream(programs: Programs) -> None:
    """Stream the output of a job."""
    assert programs.finishes("restful_cases", "stream")


def test_restful_cancel(programs: Programs) -> None:
    """Cancel a job over HTTP."""
    assert programs.finishes("restful_cases", "cancel")


def test_restful_search(programs: Programs) -> None:
    """Search jobs."""
    assert programs.finishes("restful_cases", "search")


def test_restful_pages(programs: Programs) -> None:
    """Its pages for browsers."""
    assert programs.finishes("restful_cases", "pages")


def test_mcp_tools(programs: Programs) -> None:
    """The server starts and lists its tools."""
    assert programs.finishes("mcp_cases", "tools")


def test_mcp_jobs(programs: Programs) -> None:
    """Tools: submit, logs, information."""
    assert programs.finishes("mcp_cases", "jobs")


def test_mcp_cancel(programs: Programs) -> None:
    """Tools: cancel."""
    assert programs.finishes("mcp_cases", "cancel")


def test_mcp_jobspecs(programs: Programs) -> None:
    """Tools: validate, count and submit a jobspec."""
    assert programs.finishes("mcp_cases", "jobspecs")


def test_mcp_scripts(programs: Programs) -> None:
    """Tools: validate a batch script with directives."""
    assert programs.finishes("mcp_cases", "scripts")


def test_mcp_resources(programs: Programs) -> None:
    """Tools: list resources."""
    assert programs.finishes("mcp_cases", "resources")


def test_mcp_archives(programs: Programs) -> None:
    """Tools: create and list an archive."""
    assert programs.finishes("mcp_cases", "archives")


@pytest.mark.own_fault("names the archive without --name, which flux archive remove refuses")
def test_mcp_archive_removal(programs: Programs) -> None:
    """Tools: remove an archive."""
    said = programs.case("mcp_cases", "archives")
    assert '"success": false' in said
    assert "archive remove" in said


def test_mcp_execute(programs: Programs) -> None:
    """Tools: run a command on all ranks."""
    assert programs.finishes("mcp_cases", "execute")


def test_mcp_delegate(programs: Programs) -> None:
    """Tools: hand a job to another instance."""
    assert programs.finishes("mcp_cases", "delegate")


def test_batch_submit(programs: Programs) -> None:
    """Two jobs in a batch job, with prolog and epilog."""
    assert programs.finishes("batch_cases", "submit")


def test_batch_preview(programs: Programs) -> None:
    """Preview of a batch job."""
    assert programs.finishes("batch_cases", "preview")


def test_batch_flags(programs: Programs) -> None:
    """A batch job with most options of ``flux batch``."""
    assert programs.finishes("batch_cases", "flags")


def test_aiida_submit(programs: Programs) -> None:
    """Submit, details of a job."""
    assert programs.finishes("aiida_cases", "submit")


def test_aiida_jobs(programs: Programs) -> None:
    """List jobs and their states."""
    assert programs.finishes("aiida_cases", "jobs")


def test_aiida_kill(programs: Programs) -> None:
    """Kill a job."""
    assert programs.finishes("aiida_cases", "kill")


@pytest.mark.own_fault("lacks what AiiDA 2.9 asks of a scheduler: TypeError, abstract methods")
def test_aiida_plain(programs: Programs) -> None:
    """The scheduler as AiiDA makes it."""
    assert "abstract methods get_jobs, kill_job, submit_job" in programs.failing(
        "aiida_cases", "plain"
    )
