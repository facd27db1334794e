"""job-ingest, job-manager and sched-simple wired together without a broker, a dictionary for a KVS,
scripted execution.
"""

from __future__ import annotations

import base64
import errno
from typing import TYPE_CHECKING, Any

from broker.services.job_ingest.service import JobIngestService
from broker.services.job_manager.service import JobManagerService
from broker.services.sched_simple.service import SchedSimpleService
from broker.testing.harness import ServiceHarness
from flux.job.JobID import kvs_key
from flux.security import sign
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.configuration import Config
    from flux.wire.message import Message


def resources(nodes: int = 4, cores: int = 2) -> dict[str, Any]:
    """Return an R of ``nodes`` ranks with ``cores`` cores each, all on host vm."""
    ranks = f"0-{nodes - 1}" if nodes > 1 else "0"
    ids = f"0-{cores - 1}" if cores > 1 else "0"
    execution = {
        "R_lite": [{"rank": ranks, "children": {"core": ids}}],
        "starttime": 0.0,
        "expiration": 0.0,
        "nodelist": [",".join(["vm"] * nodes)],
    }
    return {"version": 1, "execution": execution}


def jobspec(
    command: str = "true", *, slots: int = 1, nodes: int = 0, cores: int = 1, **system: Any
) -> dict[str, Any]:
    """Return a version 1 jobspec."""
    slot: dict[str, Any] = {
        "type": "slot",
        "count": slots,
        "with": [{"type": "core", "count": cores}],
        "label": "task",
    }
    top = {"type": "node", "count": nodes, "with": [slot]} if nodes else slot
    return {
        "version": 1,
        "resources": [top],
        "tasks": [{"command": [command], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"duration": 0, "environment": {"HOME": "/"}, **system}},
    }


def submission(id: int, spec: dict[str, Any], urgency: int = 0) -> dict[str, Any]:
    """Return the entry of ``job-manager.submit`` for a job of the owner."""
    signed = sign(json.dumps(spec), 0).decode()
    entry = {"id": id, "userid": 0, "urgency": urgency, "flags": 0, "t_submit": 1.0}
    return {**entry, "J": signed, "jobspec": spec}


class FakeKvs:
    """Values by key; directories are implied by dots."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.fail: OSError | None = None
        self.fails_after_applying = False
        self.refuses: Callable[[dict[str, Any]], bool] | None = None
        self.flags: list[int] = []
        self.commits = 0

    def commit(self, payload: dict[str, Any]) -> dict[str, Any]:
        if self.fail is not None and not self.fails_after_applying:
            raise self.fail
        if self.refuses is not None and any(map(self.refuses, payload["ops"])):
            raise OSError(errno.EINVAL, "bad key")
        self.commits += 1
        self.flags.append(payload["flags"])
        for op in payload["ops"]:
            key, dirent = op["key"], op["dirent"]
            if dirent is None:
                self.values = {
                    k: v for k, v in self.values.items() if k != key and not k.startswith(f"{key}.")
                }
                continue
            data = base64.b64decode(dirent["data"])
            self.values[key] = self.values.get(key, b"") + data if op["flags"] & 32 else data
        if self.fail is not None:
            raise self.fail
        return {"rootref": "sha1-0", "rootseq": self.commits}

    def lookup(self, payload: dict[str, Any]) -> dict[str, Any]:
        key = payload["key"]
        if payload["flags"] & 1:
            prefix = f"{key}."
            names = {
                k[len(prefix) :].partition(".")[0] for k in self.values if k.startswith(prefix)
            }
            if not names:
                raise OSError(errno.ENOENT, None)
            entries = {n: self._entry(f"{prefix}{n}") for n in names}
            return {"val": {"ver": 1, "type": "dir", "data": entries}}
        if key not in self.values:
            raise OSError(errno.ENOENT, None)
        return {"val": self._entry(key)}

    def lookup_plus(self, payload: dict[str, Any]) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for item in payload["lookups"]:
            try:
                results.append(self.lookup(item))
            except OSError as exc:
                results.append({"errnum": exc.errno})
        return {"results": results}

    def _entry(self, key: str) -> dict[str, Any]:
        if key in self.values:
            return {"ver": 1, "type": "val", "data": base64.b64encode(self.values[key]).decode()}
        return {"ver": 1, "type": "dirref", "data": ["sha1-0"]}


def runs_well(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Execute a job without doing anything."""
    id = payload["id"]
    return [
        {"id": id, "type": "start", "data": {}},
        {"id": id, "type": "finish", "data": {"status": 0}},
        {"id": id, "type": "release", "data": {"ranks": "all", "final": True}},
    ]


class Cluster:
    """The three services; ``execute`` answers job-exec.start."""

    def __init__(
        self,
        execute: Callable[[dict[str, Any]], Any] = runs_well,
        *,
        kvs: FakeKvs | None = None,
        nodes: int = 4,
        cores: int = 2,
        sched: bool = True,
        durable: bool = False,
        config: Config | None = None,
    ) -> None:
        self.kvs = kvs or FakeKvs()
        self.resources = resources(nodes, cores)
        self.id_time = 0
        store = {
            "kvs.commit": self.kvs.commit,
            "kvs.lookup": self.kvs.lookup,
            "kvs.lookup-plus": self.kvs.lookup_plus,
        }
        self.manager: ServiceHarness[JobManagerService] = ServiceHarness(
            JobManagerService,
            rpcs={**store},
            attrs={"content.backing-path": "/var/lib/flux/content.sqlite"} if durable else {},
            config=config,
        )
        self.manager.rpcs["job-ingest.getinfo"] = lambda _: {"timestamp": self.id_time}
        self.manager.rpcs["job-exec.start"] = execute
        self.ingest: ServiceHarness[JobIngestService] = ServiceHarness(
            JobIngestService, rpcs={**store}, config=config
        )
        for method in ("submit", "getinfo"):
            self.ingest.rpcs[f"job-manager.{method}"] = self._forward(
                self.manager, f"job-manager.{method}"
            )
        self.sched: ServiceHarness[SchedSimpleService] | None = None
        if sched:
            self.sched = ServiceHarness(SchedSimpleService, config=config)
            self.sched.rpcs["resource.acquire"] = lambda _: ServiceHarness.OPEN
            for method in ("sched-hello", "sched-ready"):
                self.sched.rpcs[f"job-manager.{method}"] = self._forward(
                    self.manager, f"job-manager.{method}"
                )
            methods = ("alloc", "free", "cancel", "prioritize", "pending-reasons", "expiration")
            for topic in (*(f"sched.{method}" for method in methods), "feasibility.check"):
                self.manager.rpcs[topic] = self._forward(self.sched, topic)

    @staticmethod
    def _forward(target: ServiceHarness[Any], topic: str) -> Callable[[Any], Any]:
        def call(payload: Any) -> Any:
            if topic in ("sched.cancel", "sched.prioritize"):
                target.submit(topic, payload)
                return None
            return target.request(topic, payload)

        return call

    async def start(self, *, execution: bool = True) -> None:
        """Start the services; the resources are up at once."""
        await self.manager.start()
        await self.ingest.start()
        if execution:
            await self.manager.request("job-manager.exec-hello", {"service": "job-exec"})
        if self.sched is not None:
            await self.sched.start()
            await self.sched.until(lambda: bool(self.acquires()))
            self.update({"resources": self.resources, "up": "all"})
            await self.manager.until(lambda: self.manager.service.core.machine.sched_online)

    def acquires(self) -> list[Message]:
        assert self.sched is not None
        return [msg for msg in self.sched.sent if msg.topic == "resource.acquire"]

    def update(self, payload: dict[str, Any]) -> None:
        """Have resource.acquire answer once more."""
        assert self.sched is not None
        self.sched.answer(self.acquires()[0], payload)

    async def stop(self) -> None:
        """Stop the services."""
        if self.sched is not None:
            await self.sched.stop()
        await self.ingest.stop()
        await self.manager.stop()

    async def submit(
        self, spec: dict[str, Any] | None = None, *, urgency: int = 16, flags: int = 0, **how: Any
    ) -> int:
        """Submit a job and return its id."""
        userid = how.get("userid", 0)
        signed = sign(json.dumps(spec or jobspec()), userid).decode()
        answer = await self.ingest.request(
            "job-ingest.submit", {"J": signed, "urgency": urgency, "flags": flags}, **how
        )
        return int(answer["id"])

    def eventlog(self, id: int) -> list[dict[str, Any]]:
        """Return a job's eventlog as it is in the KVS."""
        text = self.kvs.values.get(kvs_key(id, "eventlog"), b"")
        return [json.loads(line) for line in text.splitlines()]

    def names(self, id: int) -> list[str]:
        """Return the names of a job's events."""
        return [entry["name"] for entry in self.eventlog(id)]

    async def until_event(self, id: int, name: str) -> dict[str, Any]:
        """Wait for an event in the eventlog and return it."""
        await self.manager.until(lambda: name in self.names(id))
        return next(entry for entry in self.eventlog(id) if entry["name"] == name)
