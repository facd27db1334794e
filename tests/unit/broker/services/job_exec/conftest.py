"""One broker's router with the execution services on it, a key-value store that remembers, and a
scripted job manager.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from broker.attributes import Attributes
from broker.builtin.broker import NameService
from broker.endpoint import ServiceHost
from broker.log import LogRing
from broker.router import Router
from broker.service import Request, Service, request
from broker.services.job_exec.service import JobExecService
from broker.services.rexec.today import TodaysRexecService
from broker.services.shell_host.service import ShellHostService
from broker.topology import Topology
from flux.job.JobID import JobID
from flux.treeobj import b64decode
from flux.wire import json
from flux.wire.message import STREAMING
from flux.wire.message import request as new_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flux.aio import AsyncFlux

JOBID = 4242


class MemoryKvs(Service):
    """Namespaces of appended values."""

    name = "kvs"

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.spaces: dict[str, dict[str, Any]] = {"primary": {}}
        self.removed: dict[str, dict[str, Any]] = {}
        self.commits = 0

    @request("namespace-create")
    def create(self, req: Request) -> None:
        self.spaces[req.get("namespace", str)] = {}

    @request("namespace-remove")
    def remove(self, req: Request) -> None:
        name = req.get("namespace", str)
        self.removed[name] = self.spaces.pop(name)

    @request("commit")
    def commit(self, req: Request) -> dict[str, Any]:
        self.commits += 1
        space = self.spaces[req.get("namespace", str)]
        for op in req.get("ops", list):
            dirent = op["dirent"]
            if dirent["type"] == "val":
                space[op["key"]] = space.get(op["key"], "") + b64decode(dirent["data"]).decode()
            else:
                space[op["key"]] = dirent
        return {"rootref": "sha1-" + "0" * 40, "rootseq": self.commits}


class Manager(Service):
    """A job manager that takes what job-exec says."""

    name = "job-manager"

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.raised: list[dict[str, Any]] = []

    @request("exec-hello")
    def hello(self, req: Request) -> None:
        return None

    @request("raise")
    async def raise_exception(self, req: Request) -> None:
        self.raised.append(req.payload)
        await self.ctx.handle.publish("job-exception", req.payload)


class MiniBroker:
    """The services and ways to run a job on them."""

    def __init__(self, rundir: Path) -> None:
        loop = asyncio.get_running_loop()
        self.router = Router(Topology(0, 1, 2), loop.call_soon)
        self.attrs = Attributes()
        self.attrs.define("rundir", str(rundir))
        self.attrs.define("local-uri", f"local://{rundir}/local")
        self.ring = LogRing(0, self.attrs)
        self.host = ServiceHost(self.router, self.attrs, self.ring, os.getuid())
        self.mounted: list[tuple[Service, Any]] = []
        self.said: list[dict[str, Any]] = []
        self.done = asyncio.Event()

    async def mount(self, kind: type[Any], *args: Any) -> Any:
        ctx, endpoint = self.host.context(kind.name)
        service = kind(ctx, *args)
        await self.host.mount(service, endpoint, [])
        self.mounted.append((service, endpoint))
        return service

    async def start(self) -> None:
        await self.mount(NameService, self.router)
        self.kvs: MemoryKvs = await self.mount(MemoryKvs)
        self.manager: Manager = await self.mount(Manager)
        self.shells: ShellHostService = await self.mount(ShellHostService, TodaysRexecService)
        self.exec: JobExecService = await self.mount(JobExecService)
        self.handle: AsyncFlux = self.host.context("test")[1].handle

    async def stop(self) -> None:
        for service, endpoint in reversed(self.mounted):
            await self.host.unmount(service, endpoint)

    def submit(
        self, command: list[str], *, ntasks: int = 1, jobid: int = JOBID, **system: Any
    ) -> None:
        """Start a job of `ntasks` tasks; its responses collect in `said`."""
        environment = {"PATH": os.environ["PATH"]}
        jobspec = {
            "resources": [
                {
                    "type": "slot",
                    "count": ntasks,
                    "label": "task",
                    "with": [{"type": "core", "count": 1}],
                }
            ],
            "tasks": [{"command": command, "slot": "task", "count": {"per_slot": 1}}],
            "attributes": {
                "system": {"duration": 0, "cwd": "/tmp", "environment": environment, **system}
            },
            "version": 1,
        }
        cores = f"0-{ntasks - 1}"
        resources = {
            "version": 1,
            "execution": {"R_lite": [{"rank": "0", "children": {"core": cores}}]},
        }
        self.done = asyncio.Event()
        payload = {"id": jobid, "userid": os.getuid(), "jobspec": jobspec, "R": resources}
        message = new_request("job-exec.start", payload, flags=STREAMING)
        self.handle.start_stream(message, self._said)

    def _said(self, msg: Any) -> None:
        self.said.append({"errnum": msg.errnum, "text": msg.text()} if msg.errnum else msg.json())
        said = self.said[-1]
        for key, text in said.get("data", {}).pop("guest", {}).items():
            self.kvs.spaces["primary"][f"{JobID(said['id']).kvs}.guest.{key}"] = text
        if msg.errnum or self.said[-1]["type"] == "release":
            self.done.set()

    async def run(self, command: list[str], **how: Any) -> int:
        """Run a job to its end and return its wait status."""
        self.submit(command, **how)
        async with asyncio.timeout(60):
            await self.done.wait()
        return int(
            next(item["data"]["status"] for item in self.said if item.get("type") == "finish")
        )

    def log(self, key: str, jobid: int = JOBID) -> list[dict[str, Any]]:
        """Return the events of a guest event log of a job, running or ended."""
        name = f"job-{jobid}"
        space = self.kvs.spaces.get(name) or self.kvs.removed.get(name) or {}
        moved = self.kvs.spaces["primary"].get(f"{JobID(jobid).kvs}.guest.{key}", "")
        return [json.loads(line) for line in (space.get(key) or moved).splitlines()]

    def names(self, key: str, jobid: int = JOBID) -> list[str]:
        """Return the names of a log's events."""
        return [event["name"] for event in self.log(key, jobid)]

    def output(self, stream: str = "stdout", jobid: int = JOBID) -> str:
        """Return what the tasks wrote to `stream`."""
        contexts = [
            event["context"] for event in self.log("output", jobid) if event["name"] == "data"
        ]
        return "".join(
            context.get("data", "") for context in contexts if context["stream"] == stream
        )

    async def until_event(self, name: str, key: str = "exec.eventlog", jobid: int = JOBID) -> None:
        """Wait until an event of that name is in a log."""
        async with asyncio.timeout(60):
            while name not in self.names(key, jobid):
                await asyncio.sleep(0.005)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MiniBroker]:
    broker = MiniBroker(tmp_path)
    await broker.start()
    yield broker
    await broker.stop()
