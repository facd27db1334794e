"""The multifactor plugin in a job manager: each factor, what changes them, what is refused."""

from __future__ import annotations

import errno
import re
from typing import Any

import pytest

from broker.configuration import from_tables
from flux.constants import FLUX_JOB_PRIORITY_MAX
from flux.job.lifecycle import PRIORITY, SCHED
from flux.wire import json
from tests.unit.broker.services.job_manager.cluster import FakeKvs, jobspec, resources
from tests.unit.broker.services.job_manager.plugged import logged
from tests.unit.broker.slurm.priority.priority_cluster import (
    HOUR,
    NAME,
    SERVICE,
    Clocks,
    PriorityCluster,
    running,
)

QUEUES: dict[str, Any] = {"all": {}, "hot": {}}


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


async def test_nothing_is_loaded_without_the_table(clocks: Clocks) -> None:
    for tables in ({}, {"priority": {"type": "basic"}}):
        cluster = PriorityCluster(clocks, {})
        cluster.tables = tables
        cluster.manager.service.ctx.config = type(cluster.manager.service.ctx.config)()
        await cluster.start()
        assert NAME not in cluster.manager.service.core.plugins.names()
        with pytest.raises(OSError, match=r".") as failure:
            await cluster.manager.request(f"{SERVICE}.weights")
        assert failure.value.errno == errno.ENOSYS
        await cluster.stop()
    assert clocks.drivers == []


async def test_it_is_not_loaded_by_hand(clocks: Clocks) -> None:
    async with running(clocks, {}) as cluster:
        await cluster.manager.request("job-manager.jobtap", {"remove": NAME})
        with pytest.raises(OSError, match=re.escape("[priority] in the configuration")):
            await cluster.manager.request("job-manager.jobtap", {"load": NAME})
        assert NAME not in cluster.manager.service.core.plugins.names()


async def test_a_priority_is_the_weighted_sum(clocks: Clocks) -> None:
    table = {
        "weight": {"job-size": 10001, "partition": 2, "qos": 10, "assoc": 100},
        "queue": {"all": 10, "hot": 40},
        "qos": {"normal": {"priority": 1}, "high": {"priority": 2}},
        "account": {"physics": {"priority": 1}},
    }
    tables = {"queues": QUEUES}
    async with running(clocks, table, tables=tables) as cluster:
        filler = await cluster.submit(jobspec(slots=32, queue="all"))
        await cluster.until_event(filler, "alloc")
        plain = await cluster.wait(jobspec(queue="all"))
        # A node and a core of four and 32, a queue of 10 of 40, the default QOS of 1 of 2.
        assert cluster.priority(plain) == int(0.140625 * 10001 + 0.25 * 2 + 0.5 * 10)
        best = await cluster.wait(
            jobspec(slots=4, nodes=2, queue="hot", qos="high", bank="physics", nice=7)
        )
        size = (2 / 4 + 8 / 32) / 2
        assert cluster.priority(best) == int(size * 10001 + 2 + 10 + 100 - 7)
        assert [job.id for job in await cluster.list()] == [plain, best]


async def test_age(clocks: Clocks) -> None:
    async with running(clocks, {"max-age": "1h", "weight": {"age": 3600}}) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        assert cluster.priority(job) == 1
        clocks.pass_by(600)
        await cluster.round()
        assert 600 <= cluster.priority(job) < 660
        clocks.pass_by(4 * HOUR)
        await cluster.round()
        assert cluster.priority(job) == 3600


async def test_a_step_of_the_clock_is_no_age(clocks: Clocks) -> None:
    async with running(clocks, {"max-age": "1h", "weight": {"age": 3600}}) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        for step in (-10 * HOUR, 10 * HOUR):
            clocks.day = step
            await cluster.round()
            assert cluster.priority(job) < 60
            (row,) = await cluster.list()
            assert 0 <= row.age < 0.02
            younger = await cluster.wait()
            assert cluster.priority(younger) < 60
            await cluster.manager.request(
                "job-manager.raise", {"id": younger, "type": "x", "severity": 0}
            )
            await cluster.until_event(younger, "clean")


@pytest.mark.parametrize("flags", [[], ["ACCRUE_ALWAYS"]])
async def test_held_jobs_do_not_age_unless_a_flag_says_so(clocks: Clocks, flags: list[str]) -> None:
    table = {"max-age": "1h", "weight": {"age": 3600}, "flags": flags}
    async with running(clocks, table) as cluster:
        await cluster.fill()
        job = await cluster.wait(urgency=0)
        assert cluster.priority(job) == 0
        assert await cluster.list() == []
        clocks.pass_by(600)
        await cluster.round()
        assert cluster.priority(job) == 0
        await cluster.manager.request("job-manager.urgency", {"id": job, "urgency": 16})
        clocks.pass_by(60)
        await cluster.round()
        least = 660 if flags else 60
        assert least <= cluster.priority(job) < least + 60
        await cluster.manager.request("job-manager.urgency", {"id": job, "urgency": 0})
        assert cluster.priority(job) == 0


async def test_a_job_ages_from_the_end_of_its_dependencies(clocks: Clocks) -> None:
    async with running(clocks, {"max-age": "1h", "weight": {"age": 3600}}) as cluster:
        await cluster.fill(31)
        first = await cluster.submit(jobspec())
        await cluster.until_event(first, "alloc")
        wanted = [{"scheme": "afterany", "value": str(first)}]
        job = await cluster.submit(jobspec(slots=2, dependencies=wanted))
        clocks.pass_by(1000)
        assert cluster.priority(job) == -1
        await cluster.end(first)
        await cluster.manager.until(lambda: cluster.priority(job) >= 0)
        clocks.pass_by(100)
        await cluster.round()
        assert 100 <= cluster.priority(job) < 160


async def test_urgency(clocks: Clocks) -> None:
    table = {"weight": {"urgency": 100, "partition": 5000}}
    async with running(clocks, table) as cluster:
        await cluster.fill()
        jobs = {urgency: await cluster.wait(urgency=urgency) for urgency in (1, 16, 20, 31)}
        found = {urgency: cluster.priority(job) for urgency, job in jobs.items()}
        assert found == {1: 3500, 16: 5000, 20: 5400, 31: FLUX_JOB_PRIORITY_MAX}
        await cluster.round()
        assert cluster.priority(jobs[31]) == FLUX_JOB_PRIORITY_MAX
        await cluster.manager.request("job-manager.urgency", {"id": jobs[16], "urgency": 17})
        assert cluster.priority(jobs[16]) == 5100
        assert [row.nice for row in await cluster.list()] == [1500, -100, -400, -1500]


async def test_only_increasing(clocks: Clocks) -> None:
    table = {"weight": {"urgency": 100, "partition": 5000}, "flags": ["INCR_ONLY"]}
    async with running(clocks, table) as cluster:
        await cluster.fill()
        job = await cluster.wait(urgency=18)
        await cluster.manager.request("job-manager.urgency", {"id": job, "urgency": 17})
        assert cluster.priority(job) == 5200
        await cluster.manager.request("job-manager.urgency", {"id": job, "urgency": 19})
        assert cluster.priority(job) == 5300
        await cluster.manager.request("job-manager.urgency", {"id": job, "urgency": 31})
        await cluster.manager.request("job-manager.urgency", {"id": job, "urgency": 16})
        assert cluster.priority(job) == 5000, "not what it had while it was expedited"


@pytest.mark.parametrize(
    ("system", "userid", "text"),
    [
        ({"nice": "1"}, 0, "attributes.system.nice is an integer from -2147483645 to 2147483645"),
        ({"nice": 1.5}, 0, "attributes.system.nice is an integer"),
        ({"nice": True}, 0, "attributes.system.nice is an integer"),
        ({"nice": 1 << 31}, 0, "not 2147483648"),
        ({"nice": -1}, 1000, "only the owner of the instance may ask for a negative nice"),
        ({"bank": 3}, 0, "attributes.system.bank is a name, not 3"),
        ({"bank": ""}, 0, "attributes.system.bank is a name, not ''"),
        ({"bank": "a\nb"}, 0, "attributes.system.bank is a name"),
        ({"bank": "a" * 256}, 0, "attributes.system.bank has more than 255 characters"),
        ({"qos": ["high"]}, 0, "attributes.system.qos is a name"),
        ({"qos": "nosuch"}, 0, "there is no QOS nosuch: there are normal, high"),
        ({"qos": "high"}, 1000, "QOS high is not for user"),
    ],
)
async def test_refused_jobs(clocks: Clocks, system: dict[str, Any], userid: int, text: str) -> None:
    table = {"qos": {"normal": {}, "high": {"priority": 9, "allow-user": ["root"]}}}
    async with running(clocks, table) as cluster:
        with pytest.raises(OSError, match=re.escape(text)) as failure:
            await cluster.submit(jobspec(**system), userid=userid)
        assert failure.value.errno == errno.EINVAL
        assert not cluster.driver.candidates
        assert logged(cluster) == []


async def test_any_qos_will_do_where_none_is_configured(clocks: Clocks) -> None:
    async with running(clocks, {"weight": {"qos": 10}}) as cluster:
        await cluster.fill()
        job = await cluster.wait(jobspec(qos="whatever", nice=-3))
        assert cluster.priority(job) == 3
        assert (await cluster.list())[0].qos_name == "whatever"


async def test_priorities_that_change_are_told_but_not_logged(clocks: Clocks) -> None:
    async with running(clocks, {"max-age": "1h", "weight": {"age": 3600}}) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        replies = cluster.manager.stream("job-manager.events-journal")
        await cluster.manager.until(lambda: bool(replies))
        names, sent = cluster.names(job), len(cluster.manager.sent)
        seen = len(replies)
        clocks.pass_by(600)
        await cluster.round()
        await cluster.manager.until(lambda: len(replies) > seen)
        (event,) = replies[-1].json()["events"]
        assert (event["id"], event["eventlog_seq"], event["entry"]["name"]) == (job, -1, "priority")
        assert event["entry"]["context"] == {"priority": cluster.priority(job)}
        (told,) = [m for m in cluster.manager.sent[sent:] if m.topic == "sched.prioritize"]
        assert told.json() == {"jobs": [[job, cluster.priority(job)]]}
        assert cluster.names(job) == names
        seen, sent = len(replies), len(cluster.manager.sent)
        await cluster.round()
        assert len(replies) == seen, "nothing has changed"
        assert not [m for m in cluster.manager.sent[sent:] if m.topic == "sched.prioritize"]
        late = cluster.manager.stream("job-manager.events-journal", {"together": True})
        await cluster.manager.until(lambda: bool(late))
        last = [e for e in late[0].json()["events"] if e["id"] == job][-1]
        assert last["entry"]["context"] == {"priority": cluster.priority(job)}


async def test_the_scheduler_is_told_of_many_in_one_message(clocks: Clocks) -> None:
    async with running(clocks, {"max-age": "1h", "weight": {"age": 36000}}) as cluster:
        await cluster.fill()
        jobs = [await cluster.wait() for _ in range(20)]
        sent = len(cluster.manager.sent)
        clocks.pass_by(600)
        await cluster.round()
        told = [m.json() for m in cluster.manager.sent[sent:] if m.topic == "sched.prioritize"]
        assert told == [{"jobs": [[job, cluster.priority(job)] for job in jobs]}]


async def test_the_order_decides_who_runs_next(clocks: Clocks) -> None:
    async with running(clocks, {"weight": {"job-size": 1000}}) as cluster:
        filler = await cluster.fill()
        small = await cluster.wait(jobspec(slots=2))
        large = await cluster.wait(jobspec(slots=31))
        await cluster.end(filler)
        await cluster.until_event(large, "alloc")
        assert cluster.job(small).state == SCHED
        await cluster.end(large)
        await cluster.until_event(small, "alloc")


async def test_jobs_wait_until_the_machine_is_known(clocks: Clocks) -> None:
    cluster = PriorityCluster(clocks, {"weight": {"job-size": 1000}})
    known: dict[str, Any] = {"R": {"execution": {"R_lite": []}}}
    cluster.manager.rpcs["resource.status"] = lambda _: known
    await cluster.start()
    job = await cluster.submit(jobspec(slots=8, nodes=4))
    assert cluster.job(job).state == PRIORITY
    known["R"] = resources(4, 8)
    await cluster.manager.until(lambda: cluster.priority(job) == 1000)
    await cluster.stop()


async def test_without_a_resource_module_sizes_count_nothing(clocks: Clocks) -> None:
    cluster = PriorityCluster(clocks, {"weight": {"job-size": 1000}})
    del cluster.manager.rpcs["resource.status"]
    await cluster.start()
    await cluster.ready()
    await cluster.fill()
    job = await cluster.wait()
    assert cluster.priority(job) == 1
    cluster.manager.rpcs["resource.status"] = lambda _: {"R": cluster.machine}
    await cluster.round()
    assert cluster.priority(job) == 140
    cluster.machine = resources(8, 8)
    await cluster.round()
    assert cluster.priority(job) == int(1000 * (1 / 8 + 1 / 64) / 2)
    cluster.manager.rpcs["resource.status"] = lambda _: {"R": {"execution": 7}}
    await cluster.round()
    assert "the size of the machine is unknown" in logged(cluster)[-1]
    await cluster.stop()


async def test_queues_with_a_part_of_the_machine(clocks: Clocks) -> None:
    table = {"weight": {"tres": {"cpu": 1000}}}
    tables = {"queues": {"all": {}, "big": {"requires": ["big"]}}}
    cluster = PriorityCluster(clocks, table, tables=tables)
    cluster.machine["execution"]["properties"] = {"big": "2-3"}
    cluster.resources = cluster.machine
    await cluster.start()
    await cluster.ready()
    filler = await cluster.submit(jobspec(slots=32, queue="all"))
    await cluster.until_event(filler, "alloc")
    assert cluster.priority(await cluster.wait(jobspec(slots=8, queue="all"))) == 250
    assert cluster.priority(await cluster.wait(jobspec(slots=8, queue="big"))) == 500
    await cluster.stop()


async def test_attributes_may_be_changed_while_a_job_waits(clocks: Clocks) -> None:
    table = {
        "weight": {"partition": 1000, "qos": 100, "assoc": 10, "job-size": 5},
        "qos": {"normal": {}, "high": {"priority": 1, "allow-user": ["root"]}},
        "account": {"physics": {"priority": 1}},
    }

    async def update(jobid: int, key: str, value: object, userid: int = 0) -> None:
        updates = {f"attributes.system.{key}": value}
        payload = {"id": jobid, "updates": updates}
        await cluster.manager.request("job-manager.update", payload, userid=userid)

    async with running(clocks, table) as cluster:
        filler = await cluster.fill()
        job = await cluster.wait(userid=1000)
        assert cluster.priority(job) == 1000
        for key, value, priority in (
            ("nice", 7, 993),
            ("bank", "physics", 1003),
            ("nice", 0, 1010),
        ):
            await update(job, key, value, 1000)
            assert cluster.priority(job) == priority
        for key, wrong, text in (
            ("nice", "x", "attributes.system.nice is an integer"),
            ("nice", -1, "only the owner of the instance may ask for a negative nice"),
            ("qos", "high", "QOS high is not for user"),
            ("qos", "x", "there is no QOS x"),
            ("bank", 7, "bank must be a string"),
        ):
            with pytest.raises(OSError, match=re.escape(text)):
                await update(job, key, wrong, 1000)
            assert cluster.priority(job) == 1010
        own = await cluster.wait()
        await update(own, "qos", "high")
        assert cluster.priority(own) == 1100
        with pytest.raises(OSError, match="of a running job is not possible"):
            await update(filler, "nice", 5)
        await cluster.restart()
        await cluster.ready()
        assert (cluster.priority(job), cluster.priority(own)) == (1010, 1100)


FAIR = {"weight": {"fairshare": 1000}, "decay-half-life": "1h"}


async def test_fair_share(clocks: Clocks) -> None:
    async with running(clocks, FAIR) as cluster:
        await cluster.fill(userid=1000)
        clocks.pass_by(60)
        busy = await cluster.wait(userid=1000)
        idle = await cluster.wait(userid=1001)
        await cluster.round()
        assert (cluster.priority(idle), cluster.priority(busy)) == (1000, 500)
        assert [row.fairshare for row in await cluster.list()] == [0.5, 1.0]


async def test_accounts_are_charged_apart(clocks: Clocks) -> None:
    async with running(clocks, FAIR) as cluster:
        await cluster.fill(userid=1000, system={"bank": "a"})
        clocks.pass_by(60)
        banks: list[dict[str, Any]] = [{"bank": "a"}, {"bank": "b"}, {"account": "a"}]
        jobs = [await cluster.wait(jobspec(**bank), userid=1000) for bank in banks]
        await cluster.round()
        assert [cluster.priority(job) for job in jobs] == [500, 1000, 500]


async def test_users_seen_for_the_first_time_are_ranked_soon(clocks: Clocks) -> None:
    async with running(clocks, FAIR) as cluster:
        await cluster.fill(userid=1000)
        jobs = [await cluster.wait(userid=userid) for userid in (1000, 1001)]
        await cluster.manager.until(
            lambda: [cluster.priority(job) for job in jobs] == [500, 1000], timeout=60
        )


async def test_usage_is_kept_and_decays_over_a_restart(clocks: Clocks) -> None:
    kvs = FakeKvs()
    async with running(clocks, FAIR, kvs=kvs) as cluster:
        filler = await cluster.fill(userid=1000)
        clocks.pass_by(100)
        await cluster.end(filler)
        await cluster.fill(1, userid=1001)
        clocks.pass_by(HOUR)
    kept = json.loads(kvs.values["job-manager.priority-multifactor"])
    used = {userid: amount for _, userid, amount in kept["usage"]}
    assert used[1000] == pytest.approx(1600, rel=0.1)
    clocks.pass_by(HOUR)
    async with running(clocks, FAIR, kvs=kvs) as cluster:
        read = {who.userid: used for who, used in cluster.driver.shares.usage.read(0.0).items()}
        assert read[1000] == pytest.approx(800, rel=0.1)


async def test_the_running_jobs_of_a_restart_are_charged_on(clocks: Clocks) -> None:
    async with running(clocks, FAIR) as cluster:
        runs = await cluster.fill(userid=1000)
        waits = await cluster.wait(userid=1000)
        age = cluster.candidate(waits).eligible
        await cluster.restart()
        await cluster.ready()
        assert cluster.candidate(waits).eligible == pytest.approx(age)
        assert cluster.priority(waits) == 1000
        assert runs in cluster.driver.candidates
        used = cluster.driver.shares.usage.read(clocks.clock() + 10)
        assert [who.userid for who in used] == [1000]


@pytest.mark.parametrize(
    "kept",
    [b"{", b"[]", b'{"time":1}', b'{"time":1,"usage":[["a",1,-5]]}', b'{"time":1,"usage":7}'],
)
async def test_usage_that_makes_no_sense_is_left(clocks: Clocks, kept: bytes) -> None:
    kvs = FakeKvs()
    kvs.values["job-manager.priority-multifactor"] = kept
    async with running(clocks, FAIR, kvs=kvs) as cluster:
        assert "usage as it was kept makes no sense" in logged(cluster)[0]
        await cluster.fill(userid=1000)


async def test_usage_is_forgotten_when_its_period_ends(clocks: Clocks) -> None:
    table = {**FAIR, "decay-half-life": "0s", "usage-reset-period": "daily"}
    async with running(clocks, table) as cluster:
        filler = await cluster.fill(userid=1000)
        clocks.pass_by(100)
        await cluster.end(filler)
        await cluster.round()
        assert sum(cluster.driver.shares.usage.read(clocks.clock()).values()) > 3000
        clocks.pass_by(25 * HOUR)
        await cluster.round()
        assert sum(cluster.driver.shares.usage.read(clocks.clock()).values()) == 0


async def test_a_configuration_that_is_read_again_acts(clocks: Clocks) -> None:
    async with running(clocks, {"weight": {"job-size": 1000}}) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        assert cluster.priority(job) == 140
        await cluster.configure(priority={"weight": {"job-size": 2000}, "favor-small": True})
        assert cluster.priority(job) == int(2000 * (1 - 0.140625))
        assert await cluster.manager.request(f"{SERVICE}.weights") == {
            "age": 0,
            "assoc": 0,
            "fairshare": 0,
            "jobsize": 2000,
            "partition": 0,
            "qos": 0,
            "site": 1,
            "urgency": 1,
            "tres": {},
        }
        del cluster.tables["priority"]
        cluster.manager.service.configure(type(cluster.manager.service.ctx.config)())
        assert NAME not in cluster.manager.service.core.plugins.names()
        await cluster.manager.until(lambda: cluster.priority(job) == 16)


async def test_the_table_may_come_later(clocks: Clocks) -> None:
    cluster = PriorityCluster(clocks, {"weight": {"job-size": 1000}})
    cluster.manager.service.ctx.config = type(cluster.manager.service.ctx.config)()
    await cluster.start()
    runs = await cluster.fill(userid=1000)
    job = await cluster.wait(jobspec(bank=7))
    assert cluster.priority(job) == 16
    cluster.manager.service.configure(from_tables(cluster.tables))
    await cluster.ready()
    assert cluster.priority(job) == 140
    assert cluster.driver.shares.usage.read(clocks.clock() + 10)
    assert runs in cluster.driver.candidates
    await cluster.stop()


async def test_guests_see_their_own_jobs(clocks: Clocks) -> None:
    async with running(clocks, {}, tables={"queues": QUEUES}) as cluster:
        filler = await cluster.submit(jobspec(slots=32, queue="all"))
        await cluster.until_event(filler, "alloc")
        mine = await cluster.wait(jobspec(queue="all"), userid=1000)
        other = await cluster.wait(jobspec(queue="hot"), userid=1001)
        both = [mine, other]
        assert [row.id for row in await cluster.list()] == both
        assert [row.id for row in await cluster.list(userid=1000)] == [mine]
        assert await cluster.list({"userids": [1001]}, userid=1000) == []
        assert [row.id for row in await cluster.list({"userids": [1001]})] == [other]
        assert [row.id for row in await cluster.list({"ids": [mine, 5]})] == [mine]
        assert [row.id for row in await cluster.list({"queues": ["hot"]})] == [other]
        malformed: list[dict[str, Any]] = [{"ids": 5}, {"ids": [[]]}, {"queues": [None]}]
        for payload in malformed:
            with pytest.raises(OSError, match=r".") as failure:
                await cluster.list(payload)
            assert failure.value.errno == errno.EPROTO
        with pytest.raises(OSError, match="has to be a streaming one"):
            await cluster.manager.request(f"{SERVICE}.list", {})


async def test_long_lists_come_in_parts(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.slurm.priority.listing.AT_A_TIME", 3)
    monkeypatch.setattr("broker.slurm.priority.driver.AT_A_TIME", 3)
    async with running(clocks, {"max-age": "1h", "weight": {"age": 3600}}) as cluster:
        await cluster.fill()
        jobs = [await cluster.wait() for _ in range(8)]
        assert [row.id for row in await cluster.list()] == jobs
        clocks.pass_by(600)
        await cluster.round()
        assert all(cluster.priority(job) >= 600 for job in jobs)
        stats = await cluster.manager.request(f"{SERVICE}.stats")
        assert (stats["jobs"], stats["changed"]) == (9, 8)


async def test_a_job_that_cannot_be_stored_leaves_nothing(clocks: Clocks) -> None:
    async with running(clocks, FAIR) as cluster:
        cluster.kvs.fail = OSError(errno.ENOSPC, "disk full")
        with pytest.raises(OSError, match="disk full"):
            await cluster.submit(userid=1000)
        assert not cluster.driver.candidates
        cluster.kvs.fail = None
        await cluster.manager.until(lambda: cluster.manager.service.core.journal.trouble is None)


async def test_the_plugin_may_be_removed_at_any_time(clocks: Clocks) -> None:
    async with running(clocks, FAIR) as cluster:
        await cluster.fill()
        job = await cluster.wait()
        round_under_way = cluster.driver.rate_all()
        round_under_way.send(None)
        assert cluster.manager.service.core.machine.unsettled
        round_under_way.close()
        assert not cluster.manager.service.core.machine.unsettled
        await cluster.manager.request("job-manager.jobtap", {"remove": NAME})
        await cluster.manager.until(lambda: cluster.priority(job) == 16)
        assert logged(cluster) == []


async def test_a_store_that_does_not_take_usage(clocks: Clocks) -> None:
    async with running(clocks, FAIR) as cluster:
        refused = cluster.kvs.commit

        def commit(payload: dict[str, Any]) -> dict[str, Any]:
            if payload["ops"][0]["key"] == "job-manager.priority-multifactor":
                raise OSError(errno.ENOSPC, "disk full")
            return refused(payload)

        cluster.manager.rpcs["kvs.commit"] = commit
        await cluster.round()
        await cluster.manager.until(lambda: bool(logged(cluster)))
        assert "disk full" in logged(cluster)[0]
        await cluster.fill()
