"""The plugins of examples/jobtap: per-user limits, fair share, a maintenance window."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_manager.service import JobManagerService
from broker.testing.harness import ServiceHarness

from .cluster import Cluster, jobspec
from .plugged import logged, remove

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

EXAMPLES = pathlib.Path(__file__).parents[5] / "examples" / "jobtap"
DEPEND, PRIORITY, SCHED, RUN = 2, 4, 8, 16


class Site(Cluster):
    """A cluster whose jobs run until they are told to end."""

    def __init__(self) -> None:
        super().__init__(lambda _: ServiceHarness.OPEN, nodes=16)

    async def load(self, name: str, **conf: Any) -> None:
        """Load an example."""
        await self.manager.request(
            "job-manager.jobtap", {"load": str(EXAMPLES / name), "conf": conf}
        )

    async def query(self, name: str, **how: Any) -> Any:
        """Ask an example what it counts."""
        return await self.manager.request(f"job-manager.{name}.query", **how)

    def states(self, ids: Sequence[int]) -> list[int]:
        """Return the states of jobs, 0 for those that are over."""
        jobs = self.manager.service.core.machine.jobs
        return [jobs[id].state if id in jobs else 0 for id in ids]

    def priority(self, id: int) -> int:
        """Return the priority of an active job."""
        return self.manager.service.core.machine.jobs[id].priority

    async def cancel(self, id: int) -> None:
        """End a job that does not run."""
        await self.manager.request("job-manager.raise", {"id": id, "type": "x", "severity": 0})

    async def end(self, id: int) -> None:
        """End a job that runs."""
        sent = self.manager.sent
        await self.manager.until(
            lambda: any(m.topic == "job-exec.start" and m.json()["id"] == id for m in sent)
        )
        start = next(m for m in sent if m.topic == "job-exec.start" and m.json()["id"] == id)
        for kind, data in (
            ("start", {}),
            ("finish", {"status": 0}),
            ("release", {"ranks": "all", "final": True}),
        ):
            self.manager.answer(start, {"id": id, "type": kind, "data": data})
        await self.until_event(id, "clean")

    async def restart(self, name: str, **conf: Any) -> None:
        """Restart the job manager with an example in its configuration."""
        await self.manager.stop()
        manager = self.manager
        self.manager = ServiceHarness(JobManagerService, rpcs=manager.rpcs)
        plugins = self.manager.service.core.plugins
        builtins = plugins.load_builtins

        def load_all() -> None:
            builtins()
            plugins.load(str(EXAMPLES / name), conf)

        vars(plugins)["load_builtins"] = load_all
        await self.manager.start()
        for topic in ("job-manager.submit", "job-manager.getinfo"):
            self.ingest.rpcs[topic] = self._forward(self.manager, topic)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    assert logged(site) == []
    await site.stop()


# Limits


def counts(active: int, running: int) -> dict[str, int]:
    return {"active": active, "running": running, "waiting": active - running}


async def test_a_user_has_so_many_jobs_at_most(site: Site) -> None:
    await site.load("limits.py", **{"max-active": 2})
    ids = [await site.submit(userid=1000) for _ in range(2)]
    with pytest.raises(OSError, match="you have 2 active jobs, as many as you may have"):
        await site.submit(userid=1000)
    other = await site.submit(userid=1001)
    assert await site.query("limits") == {"users": {"1000": counts(2, 2), "1001": counts(1, 1)}}
    assert await site.query("limits", userid=1001) == {"users": {"1001": counts(1, 1)}}
    await site.end(ids[0])
    await site.submit(userid=1000)
    with pytest.raises(OSError, match="as many as you may have"):
        await site.submit(userid=1000)
    await site.end(other)


async def test_so_many_run_and_the_others_follow_in_their_order(site: Site) -> None:
    await site.load("limits.py", **{"max-running": 2})
    ids = [await site.submit() for _ in range(5)]
    await site.manager.until(lambda: site.states(ids) == [RUN, RUN, DEPEND, DEPEND, DEPEND])
    assert (await site.query("limits"))["users"]["0"] == counts(5, 2)
    await site.cancel(ids[2])
    await site.end(ids[1])
    await site.manager.until(lambda: site.states(ids) == [RUN, 0, 0, RUN, DEPEND])
    await site.end(ids[0])
    await site.manager.until(lambda: site.states(ids) == [0, 0, 0, RUN, RUN])
    assert (await site.query("limits"))["users"]["0"] == counts(2, 2)


async def test_who_waits_for_another_job_takes_nobodys_place(site: Site) -> None:
    await site.load("limits.py", **{"max-running": 2})
    first = await site.submit()
    spec = jobspec(dependencies=[{"scheme": "afterany", "value": str(first)}])
    after = [await site.submit(spec) for _ in range(2)]
    last = await site.submit()
    await site.manager.until(
        lambda: site.states([first, *after, last]) == [RUN, DEPEND, DEPEND, RUN]
    )
    await site.end(first)
    await site.manager.until(lambda: site.states([*after, last]) == [RUN, DEPEND, RUN])


async def test_refused_and_lost_submissions_do_not_count(site: Site) -> None:
    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    await site.load("limits.py", **{"max-active": 1})
    with pytest.raises(OSError, match="not supported"):
        await site.submit(jobspec(dependencies=[{"scheme": "moon", "value": ""}]))
    site.manager.rpcs["kvs.commit"] = full
    with pytest.raises(OSError, match="cannot be stored"):
        await site.submit()
    site.manager.rpcs["kvs.commit"] = site.kvs.commit
    assert await site.query("limits") == {"users": {}}
    await site.submit()


async def test_the_counts_are_exact_after_a_restart_and_when_loaded_again(site: Site) -> None:
    conf = {"max-active": 5, "max-running": 2}
    await site.load("limits.py", **conf)
    spec = jobspec(dependencies=[{"scheme": "begin-time", "value": "9e9"}])
    ids = [await site.submit(urgency=0) for _ in range(4)]
    ids.append(await site.submit(spec))
    wanted = [SCHED, SCHED, DEPEND, DEPEND, DEPEND]
    assert site.states(ids) == wanted
    await remove(site, "limits.py")
    await site.load("limits.py", **conf)
    for _ in range(2):
        assert (await site.query("limits"))["users"]["0"] == counts(5, 2)
        assert site.states(ids) == wanted
        with pytest.raises(OSError, match="as many as you may have"):
            await site.submit()
        await site.restart("limits.py", **conf)
    await site.cancel(ids[0])
    await site.manager.until(lambda: site.states(ids) == [0, SCHED, SCHED, DEPEND, DEPEND])


async def test_jobs_that_were_there_before_the_limit(site: Site) -> None:
    spec = jobspec(dependencies=[{"scheme": "begin-time", "value": "9e9"}])
    ids = [await site.submit(urgency=0) for _ in range(3)] + [await site.submit(spec)]
    await site.load("limits.py", **{"max-running": 2})
    assert (await site.query("limits"))["users"]["0"] == counts(4, 3)
    assert site.manager.service.core.machine.jobs[ids[3]].dependencies > {"max-running"}
    last = await site.submit(urgency=0)
    assert site.states([*ids, last]) == [SCHED, SCHED, SCHED, DEPEND, DEPEND]


async def test_limits_of_single_users(site: Site) -> None:
    users = {"root": {"max-active": 2}, "4242": {"max-active": 0}}
    await site.load("limits.py", **{"max-active": 1, "users": users})
    for userid, most in ((0, 2), (1000, 1), (4242, 0)):
        for _ in range(most):
            await site.submit(userid=userid)
        with pytest.raises(OSError, match=f"you have {most} active jobs"):
            await site.submit(userid=userid)


@pytest.mark.parametrize(
    ("name", "conf", "text"),
    [
        ("limits.py", {"max": 3}, "unknown key max"),
        ("limits.py", {"max-active": "3"}, "max-active is a number of jobs, not '3'"),
        ("limits.py", {"users": {"alice": {"max-running": -1}}}, "max-running is a number of jobs"),
        ("limits.py", {"users": [1]}, "users is a table of limits"),
        ("window.py", {}, "say start=SECONDS and duration=FSD"),
        ("window.py", {"start": 5, "duration": "x"}, "invalid"),
        ("fairshare.py", {"half-life": "x"}, "invalid"),
    ],
)
async def test_configurations_that_cannot_be(
    site: Site, name: str, conf: dict[str, Any], text: str
) -> None:
    with pytest.raises(OSError, match=f"(?i){text}"):
        await site.load(name, **conf)
    assert name not in site.manager.service.core.plugins.names()


# Fair share


async def test_who_has_used_less_comes_first(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("broker.context.Context.now", lambda _: now[0])
    await site.load("fairshare.py", interval="1h")
    busy = await site.submit(jobspec(slots=4), userid=1000)
    await site.manager.until(lambda: site.states([busy]) == [RUN])
    now[0] += 5
    await site.end(busy)
    assert (await site.query("fairshare"))["usage"] == {"1000": pytest.approx(20.0)}
    site.manager.service.core.machine.sched_lost()
    heavy, light = [await site.submit(userid=userid) for userid in (1000, 1001)]
    urgent = await site.submit(userid=1000, urgency=16)
    await site.manager.request("job-manager.urgency", {"id": urgent, "urgency": 17})
    assert site.priority(light) == 1_600_000
    assert site.priority(heavy) == 1_600_000 - 99_999
    assert site.priority(urgent) == 1_700_000 - 99_999


async def test_usage_is_charged_while_jobs_run_and_priorities_follow(site: Site) -> None:
    await site.load("fairshare.py", interval="0.01s")
    runs = await site.submit(jobspec(slots=2, cores=2), userid=1000)
    await site.manager.until(lambda: site.states([runs]) == [RUN])
    site.manager.service.core.machine.sched_lost()
    waits = await site.submit(userid=1000)
    await site.manager.until(lambda: site.priority(waits) == 1_600_000 - 99_999)
    assert (await site.query("fairshare"))["usage"].keys() == {"1000"}


async def test_usage_decays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("broker.context.Context.now", lambda _: now[0])
    await site.load("fairshare.py", **{"interval": "1h", "half-life": "100s"})
    job = await site.submit(jobspec(slots=2, cores=2), userid=1000)
    await site.manager.until(lambda: site.states([job]) == [RUN])
    now[0] += 50
    await site.end(job)
    assert (await site.query("fairshare"))["usage"] == {"1000": 200.0}
    now[0] += 100
    assert (await site.query("fairshare"))["usage"] == {"1000": 100.0}
    now[0] += 200
    assert (await site.query("fairshare"))["usage"] == {"1000": 25.0}


async def test_usage_outlives_the_job_manager(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("broker.context.Context.now", lambda _: now[0])
    conf = {"interval": "0.01s", "half-life": "100s"}
    await site.load("fairshare.py", **conf)
    job = await site.submit(jobspec(slots=2, cores=2), userid=1000)
    await site.manager.until(lambda: site.states([job]) == [RUN])
    now[0] += 50
    await site.end(job)
    await site.manager.until(
        lambda: b'"1000": 200.0' in site.kvs.values.get("jobtap.fairshare", b"")
    )
    await site.manager.stop()
    now[0] += 100
    held: list[Any] = []
    lookup = site.manager.rpcs["kvs.lookup"]

    def slow(payload: dict[str, Any]) -> object:
        if payload["key"] == "jobtap.fairshare":
            held.append(payload)
            return ServiceHarness.OPEN
        return lookup(payload)

    site.manager.rpcs["kvs.lookup"] = slow
    await site.restart("fairshare.py", **conf)
    waits = await site.submit(userid=1000)
    await site.manager.until(lambda: bool(held))
    site.manager.service.core.plugins.reprioritize_all()
    assert site.states([waits]) == [PRIORITY]
    sent = next(m for m in site.manager.sent if m.json() == held[0])
    site.manager.answer(sent, lookup(held[0]))
    await site.manager.until(lambda: site.states([waits]) == [SCHED])
    assert (await site.query("fairshare"))["usage"] == {"1000": 100.0}


# A maintenance window


async def test_jobs_that_would_run_into_the_window_are_held(site: Site) -> None:
    start = site.manager.ctx.now() + 3600
    await site.load("window.py", start=start, duration="1h")
    short, long, endless = [
        await site.submit(jobspec(duration=seconds)) for seconds in (60.0, 7200.0, 0.0)
    ]
    await site.manager.until(lambda: site.states([short, long, endless]) == [RUN, SCHED, SCHED])
    answer = await site.manager.request("job-manager.pending-reasons", {"ids": [long, endless]})
    text = f"would run into the maintenance from {start:.0f} on"
    assert [entry["reason"] for entry in answer["reasons"]] == [text, text]
    await site.manager.request("job-manager.urgency", {"id": long, "urgency": 31})
    await site.manager.request("job-manager.urgency", {"id": endless, "urgency": 20})
    await site.manager.until(lambda: site.states([long, endless]) == [RUN, SCHED])
    await remove(site, "window.py")
    await site.manager.until(lambda: site.states([endless]) == [RUN])


async def test_all_are_released_after_the_window(site: Site) -> None:
    start = site.manager.ctx.now() - 1
    await site.load("window.py", start=start, duration="1.2s")
    ids = [await site.submit(jobspec(duration=seconds)) for seconds in (1e-3, 0.0)]
    assert site.states(ids) == [SCHED, SCHED]
    await site.manager.until(lambda: site.states(ids) == [RUN, RUN])
    for id in ids:
        alloc = await site.until_event(id, "alloc")
        assert alloc["timestamp"] >= start + 1.2
        assert "jobtap" not in alloc["context"]["annotations"]


async def test_a_job_that_waits_too_long_is_held(site: Site) -> None:
    """Nothing but the scheduler keeps it, until it could not end in time."""
    site.manager.service.core.machine.sched_lost()
    await site.load("window.py", start=site.manager.ctx.now() + 1000.2, duration="1h")
    id, canceled = [await site.submit(jobspec(duration=1000.0)) for _ in range(2)]
    await site.cancel(canceled)
    await site.manager.until(lambda: site.priority(id) == 0)
    assert site.states([id]) == [SCHED]
    await site.manager.request("job-manager.sched-ready", {"mode": "unlimited"})
    assert site.states([id]) == [SCHED]


async def test_the_window_after_a_restart(site: Site) -> None:
    conf = {"start": site.manager.ctx.now() + 60, "duration": "1h"}
    await site.load("window.py", **conf)
    ids = [await site.submit() for _ in range(2)]
    assert [site.priority(id) for id in ids] == [0, 0]
    await site.restart("window.py", **conf)
    assert [site.priority(id) for id in ids] == [0, 0]
    answer = await site.manager.request("job-manager.pending-reasons", {"ids": ids})
    assert all("maintenance" in entry["reason"] for entry in answer["reasons"])
