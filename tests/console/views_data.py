"""A made-up instance of 48 nodes for the screens of views: what it answers, and its jobs."""

from __future__ import annotations

import errno
import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from tests.console.conftest import NOW
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample
from tui.model.facts import InstanceInfo

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject

NODES = 48
CORES = 16
INSTANCE = InstanceInfo("local:///run/flux/local", NODES, "0.29.0", NOW - 7500, 0, "fluke0")
QUEUES = ("batch", "batch", "batch", "debug", "night")
PLACES = (
    ("rank[0-3]/core[0-15]", "0-3", 64),
    ("rank4/core[0-7]", "4", 8),
    ("rank4/core[8-11]", "4", 4),
    ("rank[5-6]/core[0-11]", "5-6", 24),
    ("rank[5-6]/core[12-15]", "5-6", 8),
    ("rank7/core0", "7", 1),
    ("rank7/core1", "7", 1),
    ("rank7/core[2-4]", "7", 3),
    ("rank[8-19]/core[0-15]", "8-19", 192),
    ("rank[20-23]/core[0-7]", "20-23", 32),
    ("rank[20-22]/core[8-13]", "20-22", 18),
    ("rank[30-31]/core[0-15],gpu[0-1]", "30-31", 32),
)


def resources(ranks: str, cores: str = "0-15", gpus: str = "0-1") -> JsonObject:
    """Return an R object."""
    children = {"core": cores, "gpu": gpus}
    lite = [{"rank": ranks, "children": children}] if ranks else []
    return {
        "version": 1,
        "execution": {"R_lite": lite, "nodelist": ["fluke[0-47]"], "starttime": 0, "expiration": 0},
    }


def allocated() -> JsonObject:
    """Return what is in use, as the scheduler tells it."""
    found = resources("")
    found["execution"]["R_lite"] = [
        {"rank": "0-3,8-19", "children": {"core": "0-15"}},
        {"rank": "30-31", "children": {"core": "0-15", "gpu": "0-1"}},
        {"rank": "4", "children": {"core": "0-11"}},
        {"rank": "5-6", "children": {"core": "0-15"}},
        {"rank": "7", "children": {"core": "0-4"}},
        {"rank": "20-22", "children": {"core": "0-13"}},
        {"rank": "23", "children": {"core": "0-7"}},
    ]
    return found


def jobs() -> list[JsonObject]:
    """Return running jobs on some of the nodes, and others that wait."""
    found = []
    for number, (where, ranks, ntasks) in enumerate(PLACES):
        job: dict[str, Any] = {
            "id": (number + 1) * 7_000_000_003,
            "userid": number % 2,
            "name": f"sim-{number}",
            "state": 16,
            "ntasks": ntasks,
            "nnodes": 1,
            "t_submit": NOW - 4000,
            "t_run": NOW - 60.0 * (number + 1),
            "ranks": ranks,
            "annotations": {"sched": {"resource_summary": where}},
        }
        found.append(job)
    found += [job for job in sample.jobs(60, NOW) if job["state"] != 16]
    return [{**job, "queue": QUEUES[job["id"] % 5]} for job in found]


def topology(rank: int = 0, size: int = NODES) -> JsonObject:
    """Return a binary tree."""
    below = [topology(child, size) for child in (2 * rank + 1, 2 * rank + 2) if child < size]
    return {"rank": rank, "size": 1 + sum(child["size"] for child in below), "children": below}


def health(_: JsonMapping, rank: int) -> JsonObject:
    """Return what a broker knows of its children: 45 and what was below it is lost."""
    bad = {45: "lost", 22: "degraded", 10: "partial", 4: "partial", 1: "partial", 0: "partial"}
    children = [
        {"rank": child, "status": bad.get(child, "full"), "duration": 12.5 + child}
        for child in (2 * rank + 1, 2 * rank + 2)
        if child < NODES
    ]
    return {"rank": rank, "status": bad.get(rank, "full"), "duration": 12.5, "children": children}


def node_answers() -> dict[str, Any]:
    """Return the answers on nodes."""
    return {
        "resource.status": {
            "R": resources("0-47"),
            "drain": {
                "20-22": {"timestamp": NOW - 500, "reason": "memory errors on DIMM 3"},
                "40-41": {"timestamp": NOW - 90_000, "reason": "firmware"},
            },
            "online": "0-44,46",
            "offline": "45,47",
            "exclude": "24",
        },
        "sched.resource-status": {"all": resources("0-47"), "allocated": allocated(), "down": {}},
        "overlay.topology": topology(),
        "overlay.health": health,
        "resource.drain": {},
        "resource.undrain": {},
    }


def queue_answers() -> dict[str, Any]:
    """Return the answers on three queues, of which one is disabled and one stopped."""
    states: dict[str, JsonObject] = {
        "batch": {"enable": True, "start": True},
        "debug": {"enable": False, "start": True, "disable_reason": "maintenance at 18:00"},
        "night": {"enable": True, "start": False, "stop_reason": "opens at 22:00"},
    }
    limits = {"duration": "1h", "job-size": {"max": {"nnodes": 4}}}
    return {
        "job-manager.queue-list": {"queues": list(states)},
        "job-manager.queue-status": lambda payload, _: states[payload["name"]],
        "job-manager.queue-enable": {},
        "job-manager.queue-start": {},
        "config.get": {
            "queues": {"batch": {}, "debug": {"policy": {"limits": limits}}, "night": {}},
            "policy": {
                "limits": {"duration": "24h"},
                "jobspec": {"defaults": {"system": {"queue": "batch"}}},
            },
        },
    }


MODULES = (
    ("barrier", 1), ("connector-local", 0), ("content-sqlite", 4), ("cron", 2), ("heartbeat", 0),
    ("job-exec", 3), ("job-info", 3), ("job-ingest", 0), ("job-list", 1), ("job-manager", 0),
    ("kvs", 0), ("kvs-watch", 12), ("resource", 70), ("sched-simple", 0),
)  # fmt: skip
"""Names of modules, and how long they are idle."""
SERVES = {"content-sqlite": ["content-backing", "kvs-checkpoint"], "sched-simple": ["sched"]}


def stats(name: str, seen: dict[str, int]) -> JsonObject:
    """Return statistics that grow each time they are asked for."""
    seen[name] = seen.get(name, 0) + 1
    base = len(name) * 1000
    return {
        "#request (rx)": base + 40 * seen[name],
        "#response (tx)": base + 38 * seen[name],
        "#event (rx)": seen[name],
        "cache": {"objects": 54, "size (MiB)": 0.0234584},
        "busy": False,
    }


def module_answers() -> dict[str, Any]:
    """Return the answers on modules: those of rank 1 are fewer."""

    def listed(_: JsonMapping, rank: int) -> JsonObject:
        names = MODULES if rank == 0 else MODULES[:2]
        return {
            "mods": [
                {
                    "name": name,
                    "size": 4736,
                    "digest": "a3355a33",
                    "idle": idle,
                    "status": 1,
                    "services": [name, *SERVES.get(name, ())],
                }
                for name, idle in names
            ]
        }

    seen: dict[str, int] = {}
    return {
        "broker.lsmod": listed,
        "broker.rusage": {"maxrss": 40128, "utime": 61.5, "stime": 12.25},
        "broker.rmmod": {},
        "broker.restore-module": {},
        "job-manager.jobtap": {"plugins": [".priority-default", ".dependency-after"]},
        **{f"{name}.stats.get": lambda _, __, name=name: stats(name, seen) for name, _ in MODULES},
        **{f"{name}.ping": {"seq": 0} for name, _ in MODULES},
        **{f"{name}.debug": {"flags": 1} for name, _ in MODULES},
    }


def cron_answers() -> dict[str, Any]:
    """Return the answers on entries of cron: of each kind, one that fails and one that stopped."""

    def run(state: str, code: int, ago: float) -> JsonObject:
        times = {"start-time": NOW - ago, "end-time": NOW - ago + 0.25}
        return {"rank": 0, "pid": 7, "state": state, "code": code, **times}

    def entry(number: int, name: str, kind: str, data: JsonObject, **more: Any) -> JsonObject:
        stats = {"lastrun": NOW - 20, "count": 12, "success": 12, "failure": 0, "deferred": 3}
        known = {"rank": 0, "name": name, "command": f"{name} --all", "repeat": 0}
        made = {**known, "id": number, "type": kind, "typedata": data, "stopped": False}
        return {**made, "stats": stats, "tasks": [run("Exited", 0, 20)], **more}

    failed = {"lastrun": NOW - 4, "count": 7, "success": 0, "failure": 7, "deferred": 0}
    never = {"lastrun": 0.0, "count": 0, "success": 0, "failure": 0, "deferred": 0}
    date = {"minute": 5, "hour": 4, "mday": -1, "month": -1, "weekday": -1}
    return {
        "cron.list": {
            "entries": [
                entry(1, "tidy", "interval",
                      {"interval": 60.0, "after": 60.0, "next_wakeup": NOW + 40}),
                entry(2, "report", "datetime", {**date, "next_wakeup": NOW + 13_000}, repeat=1,
                      stats=never, tasks=[]),
                entry(3, "backup", "interval",
                      {"interval": 5.0, "after": 1.0, "next_wakeup": NOW + 1},
                      stats=failed, tasks=[run("Exited", 3, 4), run("Exited", 3, 9)]),
                entry(4, "beat", "event", {"topic": "heartbeat.pulse", "nth": 10}, stopped=True),
            ]
        },
        "cron.sync": {"sync_event": "heartbeat.pulse", "sync_epsilon": 0.015},
        "cron.stop": {},
        "cron.start": {},
        "cron.delete": {},
    }  # fmt: skip


def still_statistics() -> dict[str, Any]:
    """Return statistics that stay as they are, for pictures."""
    return {f"{name}.stats.get": stats(name, {}) for name, _ in MODULES}


CRON_LOG = (
    '<30>1 2026-11-21T00:20:20.0Z 0 cron - - - cron-1[tidy]: rank=0: command="tidy": "3 files"',
    '<27>1 2026-11-21T00:20:45.0Z 0 cron - - - cron-3[backup]: rank=0: command="b": "disk full"',
    '<27>1 2026-11-21T00:20:45.2Z 0 cron - - - cron-3: "backup --all": Failed: Exit 3',
    "<30>1 2026-11-21T00:20:46.0Z 0 kvs - - - not about cron-3",
)
"""What the entries wrote, as it is in the log."""


class Store:
    """A key-value store with some keys of every kind, and what it was asked to change."""

    def __init__(self) -> None:
        events = [
            {"timestamp": NOW - 9, "name": "resource-init", "context": {"restart": False}},
            {"timestamp": NOW - 5, "name": "drain", "context": {"idset": "2", "reason": "fan"}},
        ]
        eventlog = "".join(json.dumps(event) + "\n" for event in events)
        self.values: dict[str, dict[str, bytes]] = {
            "primary": {
                "resource.eventlog": eventlog.encode(),
                "resource.R": json.dumps({"version": 1, "execution": {"ranks": [0, 1]}}).encode(),
                "admin.note": b"first line\nsecond line\n",
                "admin.image": bytes(range(40)),
                "admin.nothing": b"",
                "count": b"42",
            },
            "job-7": {"output": b"hello"},
        }
        self.version = 1
        self.commits: list[JsonMapping] = []

    def getroot(self, _: JsonMapping, __: int) -> JsonObject:
        return {"rootref": f"sha1-{self.version}", "rootseq": self.version, "owner": 0, "flags": 0}

    def names(self, _: JsonMapping, __: int) -> JsonObject:
        return {"namespaces": [{"namespace": name, "owner": 0} for name in self.values]}

    def commit(self, request: JsonMapping, _: int) -> JsonObject:
        self.commits.append(request)
        values = self.values[request["namespace"]]
        for op in request["ops"]:
            key = op["key"]
            for known in [k for k in values if k == key or k.startswith(f"{key}.")]:
                del values[known]
            if op["dirent"]:
                values[key] = b64decode(op["dirent"]["data"])
        self.version += 1
        return {"rootseq": self.version}

    def lookup(self, request: JsonMapping, _: int) -> JsonObject:
        values = self.values.get(request["namespace"])
        if values is None:
            raise OSError(errno.ENOTSUP, "no such namespace")
        key = request["key"]
        if not request["flags"] & 1:
            if key not in values:
                raise OSError(errno.ENOENT, "No such file or directory")
            return {"val": self._val(values[key])}
        before = "" if key == "." else f"{key}."
        inside = [known[len(before) :] for known in values if known.startswith(before)]
        if not inside:
            raise OSError(errno.ENOENT, "No such file or directory")
        return {"val": {"type": "dir", "ver": 1, "data": self._entries(values, before, inside)}}

    def _entries(self, values: dict[str, bytes], before: str, inside: list[str]) -> JsonObject:
        found: JsonObject = {}
        for rest in inside:
            name, dot, _ = rest.partition(".")
            ref = {"type": "dirref", "ver": 1, "data": [f"sha1-{before}{name}-{self.version}"]}
            found[name] = ref if dot else self._val(values[before + name])
        if not before:
            found["latest"] = {"type": "symlink", "ver": 1, "data": {"target": "admin.note"}}
        return found

    def _val(self, data: bytes) -> JsonObject:
        return {"type": "val", "ver": 1, "data": b64encode(data).decode()}

    def answers(self) -> dict[str, Any]:
        """Return what it answers."""
        return {
            "kvs.getroot": self.getroot,
            "kvs.lookup": self.lookup,
            "kvs.commit": self.commit,
            "kvs.namespace-list": self.names,
        }


def views_feed(answers: JsonMapping | None = None, **more: Any) -> SyntheticFeed:
    """Return the feed."""
    made = (node_answers(), queue_answers(), module_answers(), cron_answers(), Store().answers())
    known = {topic: answer for part in (*made, answers or {}) for topic, answer in part.items()}
    more.setdefault("log_lines", CRON_LOG)
    return SyntheticFeed(jobs(), instance=INSTANCE, cores=(768, 400, 4), answers=known, **more)
