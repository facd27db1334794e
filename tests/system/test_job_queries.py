"""Listing, watching, draining and barriers on a live instance of four brokers."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux import eventlog, security
from flux.aio import AsyncFlux
from flux.testing.instance import Instance, running_instance
from flux.wire import json

from .watching import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.job.types import EventEntry


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as running:
        yield running


def flux(instance: Instance, *arguments: str, code: int = 0) -> str:
    """Run a command, check its exit code and return what it printed."""
    done = instance.run(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout.strip()


def signed(*command: str) -> str:
    jobspec = {
        "resources": [
            {"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "task"}
        ],
        "tasks": [{"command": list(command), "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {
            "system": {"duration": 0, "cwd": "/", "environment": {"PATH": "/usr/bin:/bin"}}
        },
        "version": 1,
    }
    return security.sign(json.dumps(jobspec)).decode()


async def entries(handle: AsyncFlux, jobid: int, path: str) -> list[EventEntry]:
    """Watch an eventlog to its end."""
    async with handle.stream(
        "job-info.eventlog-watch", {"id": jobid, "path": path, "flags": 0}
    ) as stream:
        return [eventlog.parse(item["event"]) async for item in stream]


async def submit(handle: AsyncFlux, *command: str, urgency: int = 16) -> int:
    payload = {"J": signed(*command), "urgency": urgency, "flags": 0}
    return int((await handle.rpc("job-ingest.submit", payload))["id"])


async def test_watchers_of_many_jobs_miss_nothing(instance: Instance) -> None:
    async with await AsyncFlux.connect(instance.uri) as handle:
        ids = await asyncio.gather(
            *(submit(handle, "sh", "-c", "echo one; echo two") for _ in range(30))
        )
        paths = ("eventlog", "guest.exec.eventlog", "guest.output")
        logs = await asyncio.gather(
            *(entries(handle, jobid, path) for jobid in ids for path in paths)
        )
        for main, execution, output in zip(logs[0::3], logs[1::3], logs[2::3], strict=True):
            assert [main[0]["name"], main[-1]["name"]] == ["submit", "clean"]
            assert [execution[0]["name"], execution[-1]["name"]] == ["init", "done"]
            data = "".join(str(entry["context"].get("data", "")) for entry in output[1:])
            assert data == "one\ntwo\n"
        stored = await handle.rpc(
            "job-info.lookup", {"id": ids[0], "keys": ["eventlog"], "flags": 0}
        )
        assert list(eventlog.decode(stored["eventlog"])) == logs[0]
        stats = await handle.rpc("job-info.stats.get")
        assert (stats["watchers"], stats["listeners"]) == (0, 0)


async def test_a_job_is_listed_as_soon_as_it_has_an_id(instance: Instance) -> None:
    async with await AsyncFlux.connect(instance.uri) as handle:
        for _ in range(20):
            jobid = await submit(handle, "true", urgency=0)
            answer = await handle.rpc("job-list.list-id", {"id": jobid, "attrs": ["state", "name"]})
            assert answer["job"]["name"] == "true"
            await handle.rpc("job-manager.raise", {"id": jobid, "severity": 0, "type": "cancel"})


async def test_another_rank_watches_for_its_clients(instance: Instance) -> None:
    async with await AsyncFlux.connect(instance.uri) as handle:
        jobid = await submit(handle, "sleep", "30")
    uri = flux(instance, "exec", "-r", "3", "flux", "getattr", "local-uri")
    async with await AsyncFlux.connect(uri) as far:
        async with far.stream(
            "job-info.eventlog-watch", {"id": jobid, "path": "eventlog", "flags": 0}
        ) as stream:
            async for item in stream:
                if eventlog.parse(item["event"])["name"] == "start":
                    break
        await far.rpc("job-manager.raise", {"id": jobid, "severity": 0, "type": "cancel"})
        assert (await entries(far, jobid, "eventlog"))[-1]["name"] == "clean"
        job = (
            await far.rpc("job-list.list-id", {"id": jobid, "attrs": ["result", "exception_type"]})
        )["job"]
        assert job["exception_type"] == "cancel"
    async with await AsyncFlux.connect(instance.uri) as handle:
        for rank in range(4):
            assert (await handle.rpc("job-info.stats.get", nodeid=rank))["watchers"] == 0


def test_flux_jobs_tells_why_a_job_failed(instance: Instance) -> None:
    jobid = flux(instance, "mini", "submit", "-n1000", "true")
    instance.run("job", "wait-event", jobid, "clean")
    row = flux(instance, "jobs", "-n", "-o", "{status} {ntasks} {exception.note}", jobid)
    assert row.startswith("FAILED 1000 unsatisfiable request: need 1000 slot(s) of 1 core(s), ")


def test_a_reader_that_stops_early_causes_no_noise(instance: Instance) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{instance.flux} jobs -A | head -n 1"],
        env=instance.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.stdout.split()[0], done.stderr) == ("JOBID", "")


def test_drained_ranks_get_no_jobs(instance: Instance) -> None:
    flux(instance, "resource", "drain", "0-2", "service")
    try:
        assert flux(instance, "mini", "run", "flux", "getattr", "rank") == "3"
        status = flux(instance, "resource", "status", "-n", "-o", "{state} {ranks}")
        assert status.splitlines() == ["avail 3", "drain 0-2"]
    finally:
        flux(instance, "resource", "undrain", "0-2")
    log = flux(instance, "kvs", "get", "resource.eventlog").splitlines()
    assert [eventlog.parse(line)["name"] for line in log][-2:] == ["drain", "undrain"]


async def test_a_barrier_spans_ranks(instance: Instance) -> None:
    uris = [
        flux(instance, "exec", "-r", str(rank), "flux", "getattr", "local-uri") for rank in range(4)
    ]
    handles = [await AsyncFlux.connect(uri) for uri in uris]
    try:
        entered = [handle.rpc("barrier.enter", {"name": "all", "nprocs": 4}) for handle in handles]
        waiting = [asyncio.ensure_future(rpc) for rpc in entered[:3]]
        done, _ = await asyncio.wait(waiting, timeout=0.2)
        assert not done
        await asyncio.gather(*waiting, entered[3])
        for handle in handles:
            assert (await handle.rpc("barrier.stats.get"))["waiting"] == 0
    finally:
        for handle in handles:
            await handle.close()


async def test_a_client_that_leaves_breaks_the_barrier(instance: Instance) -> None:
    async with await AsyncFlux.connect(instance.uri) as stays:
        waiting = asyncio.ensure_future(stays.rpc("barrier.enter", {"name": "broken", "nprocs": 3}))
        leaves = await AsyncFlux.connect(instance.uri)
        entered = asyncio.ensure_future(
            leaves.rpc("barrier.enter", {"name": "broken", "nprocs": 3})
        )
        async with asyncio.timeout(PATIENCE):
            while (await stays.rpc("barrier.stats.get"))["waiting"] < 2:
                await asyncio.sleep(0)
        await leaves.close()
        with pytest.raises(OSError):
            await entered
        with pytest.raises(ConnectionAbortedError):
            await asyncio.wait_for(waiting, PATIENCE)


def test_cron_runs_a_command_on_an_event(instance: Instance) -> None:
    flux(instance, "cron", "sync", "--disable")
    flux(instance, "cron", "event", "--count=1", "my.topic", "echo", "from", "cron")
    flux(instance, "event", "pub", "my.topic.x")
    until(lambda: "Success" in flux(instance, "cron", "list"))
    assert 'cron-1[echo]: rank=0: command="echo from cron": "from cron"' in flux(instance, "dmesg")


def test_a_query_finds_jobs_of_all_states_and_counts_what_it_finds(instance: Instance) -> None:
    for name in ("q-one", "q-two", "q-three"):
        flux(instance, "mini", "run", f"--job-name={name}", "true")
    jobid = flux(instance, "mini", "submit", "--urgency=hold", "--job-name=q-held", "true")
    listed = ("jobs", "-n", "-o", "{name}", "--query")
    names = flux(instance, *listed, "name:q-* (state:completed OR urgency:0) -two").split()
    assert sorted(names) == ["q-held", "q-one", "q-three"]
    assert flux(instance, *listed, "name:q-*", "-c", "2").split() == ["q-held", "q-three"]
    assert flux(instance, *listed, "name:q-*", "-f", "pending").split() == ["q-held"]
    assert flux(instance, *listed, "id:" + jobid).split() == ["q-held"]
    assert flux(instance, *listed, "why:*held* name:q-*").split() == ["q-held"]
    flux(instance, "job", "cancel", jobid)


def test_a_query_that_cannot_be_read_is_told_with_its_place(instance: Instance) -> None:
    done = instance.run("jobs", "--query", "name:x sate:failed")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "flux-jobs: ERROR: query: no field sate; did you mean state?\n"
        "  name:x sate:failed\n         ^^^^\n"
    )
