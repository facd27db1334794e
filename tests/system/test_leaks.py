"""Nothing in the broker grows with the jobs that ended and the clients that left, but what is kept
on purpose.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import flux
from broker.services.job_manager.journal import RECENT_MAX
from flux.testing.instance import Instance, running_instance

from .watching import until, until_equal

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS = 600
CLIENTS = 200
MORE = 100
"""What a collection may grow by for reasons of its own: less than jobs of a kind, or clients."""

PROBE = '''
"""Counts what is in the collections that the broker's objects hold."""

import collections
import gc

mod_name = "probe"
SIZED = (dict, set, list, collections.deque, bytearray)


def attributes(thing):
    yield from list(getattr(thing, "__dict__", {}).items())
    for kind in type(thing).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(thing, name):
                yield name, getattr(thing, name)


def sizes():
    gc.collect()
    found = collections.Counter()
    for thing in gc.get_objects():
        kind = type(thing)
        if not str(kind.__module__).startswith(("broker.", "flux.")):
            continue
        found[f"{kind.__name__}"] += 1
        for name, value in attributes(thing):
            if isinstance(value, SIZED):
                found[f"{kind.__name__}.{name}"] += len(value)
    return found


def mod_main(h, *args):
    def answer(handle, watcher, message, data):
        handle.respond(message, dict(sizes()))

    with h.msg_watcher_create(answer, topic_glob="probe.sizes"):
        h.reactor_run()
'''

KEPT = {
    "JobIndex": "the list of all jobs",
    "ListedJob": "the list of all jobs",
    "EndedJobs": "how the latest 4,096 jobs ended, for those that depend on them",
    "EndedJob": "how the latest 4,096 jobs ended, for those that depend on them",
    "JobLogs": "the latest 1,024 eventlogs",
    "JobLog": "the latest 1,024 eventlogs",
    "ObjectCache": "bounded by its size in bytes",
    "BlobCache": "bounded by its size in bytes",
    "_Generations": "bounded by its size in bytes",
    "_CachedBlob": "bounded by its size in bytes",
    "_Latest": "the latest 256 environments, attributes and resources",
    "LogRing": "bounded by log-ring-size",
    "Entry": "bounded by log-ring-size",
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    path = tmp_path_factory.mktemp("probe") / "probe.py"
    path.write_text(PROBE)
    with running_instance(1) as running:
        running.run("module", "load", str(path)).check_returncode()
        yield running


def sizes(instance: Instance) -> dict[str, int]:
    with flux.Flux(instance.uri) as h:
        answer = h.rpc("probe.sizes")
        answer.wait_for(60)
        found = answer.get()
    assert isinstance(found, dict)
    return found


def load(instance: Instance, jobs: int, clients: int) -> None:
    """Run jobs, some of which fail or are canceled and all of which are watched, and connect
    clients that leave streams open.
    """
    per = jobs // 4
    for words in (["true"], ["false"], ["echo", "x"]):
        done = instance.run(
            "mini",
            "bulksubmit",
            "--wait",
            "--quiet",
            *words,
            ":::",
            *map(str, range(per)),
            timeout=300,
        )
        assert done.returncode in (0, 1), done.stderr
    cancel_held(instance, per)
    for number in range(clients):
        with flux.Flux(instance.uri) as h:
            h.event_subscribe(f"topic{number}")
            h.rpc("kvs.ping", {}).get()
            h.rpc("job-manager.events-journal", {}, flags=2)
            h.rpc(
                "kvs-watch.lookup",
                {"key": f"k{number}", "namespace": "primary", "flags": 12},
                flags=2,
            )
            h.rpc("kvs.sync", {"namespace": "primary", "rootseq": 1 << 40})
            h.rpc("job-list.list-id", {"id": number, "attrs": []})
            h.rpc("log.dmesg", {"follow": True}, flags=2)


def cancel_held(instance: Instance, jobs: int) -> None:
    held = instance.run("mini", "submit", f"--cc=1-{jobs}", "--urgency=hold", "true")
    assert held.returncode == 0, held.stderr
    instance.run("job", "cancelall", "-f").check_returncode()
    instance.run("queue", "drain").check_returncode()


@pytest.mark.timeout(600)
def test_no_growth_with_jobs_and_clients(instance: Instance) -> None:
    load(instance, 200, 50)
    # The journal keeps its last events: of as many jobs as they can be of, then of jobs that ran.
    cancel_held(instance, RECENT_MAX // 4)
    before = sizes(instance)
    done = instance.run("mini", "submit", "--wait", f"--cc=1-{RECENT_MAX // 8}", "true")
    done.check_returncode()
    for name, count in sizes(instance).items():
        before[name] = max(count, before.get(name, 0))
    load(instance, JOBS, CLIENTS)

    def grown() -> dict[str, tuple[int, int]]:
        return {
            name: (before.get(name, 0), count)
            for name, count in sizes(instance).items()
            if count > before.get(name, 0) + MORE and name.partition(".")[0] not in KEPT
        }

    until_equal(grown, {})


def test_module_statistics_are_back_at_rest(instance: Instance) -> None:
    def stats(name: str) -> Any:
        return json.loads(instance.run("module", "stats", name).stdout)

    at_rest = dict.fromkeys(("active_jobs", "running", "alloc_pending", "free_pending"), 0)
    until_equal(lambda: {name: stats("job-manager")[name] for name in at_rest}, at_rest)
    until(lambda: stats("job-manager")["journal"]["listeners"] <= 3)
    until_equal(lambda: stats("job-exec")["jobs"], 0)
    until_equal(lambda: stats("job-info")["watchers"], 0)
    until_equal(lambda: list(stats("kvs")["namespace"]), ["primary"])
    until_equal(lambda: stats("kvs")["namespace"]["primary"]["#syncers"], 0)
    until(lambda: stats("connector-local")["clients"] <= 3)
