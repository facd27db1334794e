"""Tools of flux-mcp, called over its protocol: a server on standard input and output."""

import asyncio
import json
import os
import pathlib
import subprocess
import time

import cases
import yaml
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from flux.job import JobspecV1


def session(function):
    """Make a case of a coroutine that is given a connected client."""

    def case():
        async def talk():
            transport = StdioTransport("flux-mcp-stdio", [], env=dict(os.environ))
            async with Client(transport, timeout=60) as client:
                await function(client)

        asyncio.run(asyncio.wait_for(talk(), 90))

    case.__name__ = function.__name__
    return case


async def call(client, tool, **arguments):
    """Call a tool, which must say that it did its work; returns what it says."""
    result = await client.call_tool(tool, arguments)
    said = result.data if isinstance(result.data, dict) else json.loads(result.content[0].text)
    assert said.get("success", True), (tool, said)
    return said


@session
async def tools(client):
    names = {tool.name for tool in await client.list_tools()}
    assert {"flux_submit_job", "flux_resource_list", "flux_archive_create"} <= names, names


@session
async def jobs(client):
    said = await call(client, "flux_submit_job", command=["echo", "hello"], num_tasks=1)
    number = said["job_id"]
    lines = (await call(client, "flux_get_job_logs", job_id=number, delay=30))["lines"]
    assert any("hello" in line for line in lines), lines
    info = await call(client, "flux_get_job_info", job_id=number)
    assert "echo" in json.dumps(info), info


@session
async def cancel(client):
    said = await call(client, "flux_submit_job", command=["sleep", "600"], exclusive=False)
    await call(client, "flux_cancel_job", job_id=said["job_id"])
    deadline = time.monotonic() + 60
    while "CANCELED" not in json.dumps(info := await call_info(client, said["job_id"])):
        assert time.monotonic() < deadline, info


async def call_info(client, number):
    return await call(client, "flux_get_job_info", job_id=number)


@session
async def jobspecs(client):
    spec = JobspecV1.from_command(["true"], num_tasks=2)
    spec.duration = 60
    text = yaml.safe_dump(spec.jobspec)
    print(await call(client, "flux_validate_jobspec", content=text))
    print(await call(client, "flux_count_jobspec_resources", content=text))
    said = await call(client, "flux_submit_jobspec", jobspec=spec.dumps())
    assert said["job_id"], said


@session
async def scripts(client):
    script = "#!/bin/bash\n#flux: -N 1\n#flux: -n 2\n#flux: --time-limit=5m\necho hello\n"
    print(await call(client, "flux_validate_jobspec", content=script))


@session
async def resources(client):
    found = await call(client, "flux_resource_list")
    assert "free" in json.dumps(found), found


@session
async def archives(client):
    # Its instance may have one already, of the other test that comes here.
    subprocess.run(["flux", "archive", "remove", "-f"], check=False, capture_output=True)
    pathlib.Path("packed").write_text("hello\n")
    await call(client, "flux_archive_create", paths=["packed"])
    assert "packed" in (await call(client, "flux_archive_list"))["stdout"]
    result = await client.call_tool("flux_archive_remove", {"archive_name": "main"})
    print(result.content[0].text)


@session
async def execute(client):
    said = await call(client, "flux_exec_command", command=["echo", "hello"], ranks="all")
    assert json.dumps(said).count("hello") >= 2, said


@session
async def delegate(client):
    spec = JobspecV1.from_command(["true"])
    uri = os.environ["FLUX_URI"]
    said = await call(client, "flux_handle_delegation", remote_uri=uri, jobspec_str=spec.dumps())
    assert said["job_id"], said


if __name__ == "__main__":
    cases.run(tools, jobs, cancel, jobspecs, scripts, resources, archives, execute, delegate)
