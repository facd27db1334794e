"""Changes of jobs after their submission: what may be changed, when, by whom, and who is told."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import Config, from_tables
from broker.services.job_manager.modify import JobChanges
from broker.testing.harness import ServiceHarness
from flux.job.JobID import kvs_key
from flux.job.updates import CONSTRAINTS, DURATION, NAME, QUEUE
from flux.wire import json

from .cluster import Cluster, FakeKvs, jobspec

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from broker.services.job_manager.states import Job

GUEST = 1000
LONG = 1e9
TABLES: dict[str, Any] = {
    "queues": {
        "debug": {"requires": ["debug"], "policy": {"limits": {"duration": "30m"}}},
        "batch": {"requires": ["batch"]},
        "plain": {},
        "far": {"requires": ["far"]},
        "small": {"policy": {"limits": {"job-size": {"max": {"ncores": 1}}}}},
        "closed": {"policy": {"access": {"allow-user": ["nobody-here"]}}},
    },
    "policy": {
        "jobspec": {"defaults": {"system": {"queue": "batch"}}},
        "limits": {"duration": "2h"},
    },
}


async def made(
    config: Config | None = None, kvs: FakeKvs | None = None, *, durable: bool = False
) -> Cluster:
    found = Cluster(lambda _: ServiceHarness.OPEN, config=config, kvs=kvs, durable=durable)
    found.resources["execution"]["properties"] = {"debug": "0-1", "batch": "2-3"}
    await found.start()
    return found


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Jobs run until they are ended."""
    found = await made()
    yield found
    await found.stop()


@pytest.fixture
async def queued() -> AsyncIterator[Cluster]:
    """Queues with limits."""
    found = await made(from_tables(TABLES))
    yield found
    await found.stop()


async def update(cluster: Cluster, id: int, updates: object, **how: Any) -> Any:
    payload = {"id": id, "updates": updates}
    return await cluster.manager.request("job-manager.update", payload, **how)


async def refused(cluster: Cluster, id: int, updates: object, **how: Any) -> OSError:
    """Return why an update is refused: nothing of it is done."""
    before = cluster.names(id)
    with pytest.raises(OSError) as raised:
        await update(cluster, id, updates, **how)
    assert cluster.names(id) == before
    return raised.value


async def held(cluster: Cluster, spec: Any = None, **how: Any) -> int:
    """Return a job that is held."""
    id = await cluster.submit(spec or jobspec(duration=600), urgency=0, **how)
    await cluster.until_event(id, "priority")
    return id


async def running(cluster: Cluster, spec: Any = None, **how: Any) -> int:
    id = await cluster.submit(spec or jobspec(duration=600), **how)
    await cluster.until_event(id, "alloc")
    await cluster.manager.until(lambda: bool(started(cluster, id)))
    return id


def started(cluster: Cluster, id: int) -> list[dict[str, Any]]:
    return [
        message.json()
        for message in cluster.manager.sent
        if message.topic == "job-exec.start" and message.json()["id"] == id
    ]


def sent(cluster: Cluster, topic: str) -> list[dict[str, Any]]:
    return [message.json() for message in cluster.manager.sent if message.topic == topic]


def job(cluster: Cluster, id: int) -> Job:
    return cluster.manager.service.core.machine.jobs[id]


def system(cluster: Cluster, id: int) -> dict[str, Any]:
    found: dict[str, Any] = (job(cluster, id).jobspec or {})["attributes"]["system"]
    return found


async def event(cluster: Cluster, id: int, name: str) -> dict[str, Any]:
    """Return the context of the last event of a name."""
    await cluster.until_event(id, name)
    found: dict[str, Any] = [e for e in cluster.eventlog(id) if e["name"] == name][-1]["context"]
    return found


# A job that waits


async def test_a_waiting_jobs_time_limit(cluster: Cluster) -> None:
    id = await held(cluster)
    await update(cluster, id, {DURATION: 1200.5})
    assert await event(cluster, id, "jobspec-update") == {DURATION: 1200.5}
    assert system(cluster, id)["duration"] == 1200.5
    assert cluster.names(id)[-2:] == ["jobspec-update", "priority"]
    stored = json.loads(cluster.kvs.values[kvs_key(id, "jobspec")])
    assert stored["attributes"]["system"]["duration"] == 600


async def test_the_scheduler_is_asked_again(cluster: Cluster) -> None:
    await running(cluster, jobspec(slots=8))
    id = await cluster.submit(jobspec(slots=8, duration=600))
    await cluster.manager.until(lambda: job(cluster, id).alloc_pending)
    await update(cluster, id, {DURATION: 5})
    await cluster.manager.until(lambda: len(sent(cluster, "sched.alloc")) == 3)
    assert sent(cluster, "sched.cancel") == [{"id": id}]
    asked = sent(cluster, "sched.alloc")[-1]
    assert (asked["id"], asked["jobspec"]["attributes"]["system"]["duration"]) == (id, 5)


async def test_what_was_given_for_the_old_jobspec_goes_back(cluster: Cluster) -> None:
    """The scheduler's answer may be on its way when the job changes."""
    manager = cluster.manager
    manager.rpcs["sched.alloc"] = lambda _: ServiceHarness.OPEN
    manager.rpcs["sched.cancel"] = lambda _: None
    freed: list[dict[str, Any]] = []

    def free(payload: dict[str, Any]) -> dict[str, Any]:
        freed.append(payload)
        return {"id": payload["id"]}

    manager.rpcs["sched.free"] = free
    id = await cluster.submit(jobspec(duration=600))
    await manager.until(lambda: bool(sent(cluster, "sched.alloc")))
    first = next(m for m in manager.sent if m.topic == "sched.alloc")
    await update(cluster, id, {DURATION: 5})
    resources = {"version": 1, "execution": {"R_lite": [{"rank": "0", "children": {"core": "0"}}]}}
    manager.answer(first, {"id": id, "type": 0, "R": resources})
    await manager.until(lambda: len(sent(cluster, "sched.alloc")) == 2)
    assert freed == [{"id": id, "R": resources}]
    assert "alloc" not in cluster.names(id)
    again = [m for m in manager.sent if m.topic == "sched.alloc"][-1]
    assert again.json()["jobspec"]["attributes"]["system"]["duration"] == 5
    manager.answer(again, {"id": id, "type": 0, "R": resources})
    await cluster.until_event(id, "alloc")


async def test_a_denial_of_the_old_jobspec_does_not_count(cluster: Cluster) -> None:
    manager = cluster.manager
    manager.rpcs["sched.alloc"] = lambda _: ServiceHarness.OPEN
    manager.rpcs["sched.cancel"] = lambda _: None
    id = await cluster.submit(jobspec(duration=600))
    await manager.until(lambda: bool(sent(cluster, "sched.alloc")))
    first = next(m for m in manager.sent if m.topic == "sched.alloc")
    await update(cluster, id, {DURATION: 5})
    manager.answer(first, {"id": id, "type": 2, "note": "never"})
    await manager.until(lambda: len(sent(cluster, "sched.alloc")) == 2)
    assert "exception" not in cluster.names(id)


async def test_a_description_may_be_changed(cluster: Cluster) -> None:
    id = await held(cluster)
    asked = {NAME: "probe", "attributes.system.bank": "b", "attributes.user.any": {"x": [1]}}
    await update(cluster, id, asked)
    assert await event(cluster, id, "jobspec-update") == asked
    assert system(cluster, id)["job"] == {"name": "probe"}


async def test_other_jobs_keep_what_they_share(cluster: Cluster) -> None:
    first, second = await held(cluster), await held(cluster)
    await update(cluster, first, {DURATION: 5, "attributes.user.x": 1})
    assert system(cluster, second)["duration"] == 600
    assert system(cluster, first)["environment"] == system(cluster, second)["environment"]
    assert "user" not in (job(cluster, second).jobspec or {})["attributes"]


# A job that runs


async def test_a_running_jobs_time_limit(cluster: Cluster) -> None:
    id = await running(cluster)
    given = started(cluster, id)[0]["R"]["execution"]
    await update(cluster, id, {DURATION: 1200, NAME: "x"})
    expiration = given["starttime"] + 1200
    assert await event(cluster, id, "resource-update") == {"expiration": expiration}
    assert cluster.names(id)[-2:] == ["jobspec-update", "resource-update"]
    assert sent(cluster, "sched.expiration") == [{"id": id, "expiration": expiration}]
    await cluster.manager.until(lambda: bool(sent(cluster, "job-exec.expiration")))
    assert sent(cluster, "job-exec.expiration") == [{"id": id, "expiration": expiration}]
    assert job(cluster, id).resources == {
        **started(cluster, id)[0]["R"],
        "execution": {**given, "expiration": expiration},
    }
    assert cluster.sched is not None
    held = cluster.sched.service._sched.held  # noqa: SLF001 - what it counts on
    assert held[id].expiration == expiration


async def test_a_running_job_may_lose_its_limit_and_get_one(cluster: Cluster) -> None:
    id = await running(cluster, jobspec())
    began = (await cluster.until_event(id, "alloc"))["timestamp"]
    await update(cluster, id, {DURATION: 60})
    assert await event(cluster, id, "resource-update") == {"expiration": began + 60}
    await update(cluster, id, {DURATION: 0})
    assert await event(cluster, id, "resource-update") == {"expiration": 0.0}


async def test_a_scheduler_may_refuse_a_new_end(cluster: Cluster) -> None:
    id = await running(cluster)

    def refuse(_: object) -> None:
        raise OSError(errno.EINVAL, "reserved for others")

    cluster.manager.rpcs["sched.expiration"] = refuse
    assert "reserved" in str(await refused(cluster, id, {DURATION: 1200}))


async def test_one_that_knows_no_expirations_does_not_hinder(cluster: Cluster) -> None:
    id = await running(cluster)

    def unknown(_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    cluster.manager.rpcs["sched.expiration"] = unknown
    await update(cluster, id, {DURATION: 1200})
    assert await event(cluster, id, "resource-update")


async def test_a_job_that_gets_resources_meanwhile_is_judged_as_one_that_runs(
    queued: Cluster,
) -> None:
    """The scheduler is asked whether the job could run, and gives it resources before it says."""
    gate = asyncio.Event()

    async def slow(_: object) -> None:
        await gate.wait()

    queued.manager.rpcs["feasibility.check"] = slow
    id = await held(queued, jobspec(duration=600))
    asked = asyncio.ensure_future(update(queued, id, {QUEUE: "plain"}))
    await queued.manager.until(lambda: bool(sent(queued, "feasibility.check")))
    await queued.manager.request("job-manager.urgency", {"id": id, "urgency": 16})
    await queued.until_event(id, "alloc")
    gate.set()
    with pytest.raises(OSError, match="update of queue for running job not supported"):
        await asked


@pytest.mark.parametrize(
    "updates",
    [{QUEUE: "x"}, {CONSTRAINTS: {}}, {"attributes.system.bank": "b"}],
)
async def test_what_a_running_job_keeps(cluster: Cluster, updates: dict[str, Any]) -> None:
    id = await running(cluster)
    assert "for running job not supported" in str(await refused(cluster, id, updates))


async def test_no_job_expires_in_the_past(cluster: Cluster) -> None:
    id = await running(cluster)
    error = await refused(cluster, id, {DURATION: 1e-9})
    assert error.strerror == "requested duration places job expiration in the past"


# Refusals


@pytest.mark.parametrize(
    ("updates", "text"),
    [
        ({DURATION: "5m"}, "duration must be a number of seconds"),
        ({DURATION: True}, "duration must be a number of seconds"),
        ({DURATION: None}, "duration must be a number of seconds"),
        ({DURATION: -1}, "duration must not be negative"),
        ({"duration": 5}, "one or more jobspec updates are invalid"),
        ({"": 5}, "one or more jobspec updates are invalid"),
        ({"tasks.x": 5}, "one or more jobspec updates are invalid"),
        ({"attributes.system": {}}, "update of attributes.system not supported"),
        ({"attributes.system.foo": 1}, "update of attributes.system.foo not supported"),
        ({"attributes.system.dependencies": []}, "update of attributes.system.dependencies not"),
        ({"attributes.system.": 1}, "update of attributes.system. not supported"),
        ({f"{DURATION}.x": 1}, f"update of {DURATION}.x not supported"),
        ({DURATION: 5, "attributes.system.foo": 1}, "update of attributes.system.foo not"),
        ({NAME: 5}, "job.name must be a string"),
        ({QUEUE: "x"}, "'x' is not a valid queue"),
        ({QUEUE: ""}, "'' is not a valid queue"),
        ({QUEUE: 1}, "queue must be a string"),
        ({CONSTRAINTS: {"never": []}}, "unknown constraint operator 'never'"),
        ({CONSTRAINTS: {"properties": ["not-there"]}}, "unsatisfiable"),
    ],
)
async def test_what_is_refused(cluster: Cluster, updates: dict[str, Any], text: str) -> None:
    id = await held(cluster)
    error = await refused(cluster, id, updates)
    assert text in str(error.strerror)
    assert error.errno in (errno.EINVAL, errno.EOVERFLOW)


@pytest.mark.parametrize("payload", [{}, {"id": 1}, {"updates": {}}, {"id": "x", "updates": {}}])
async def test_malformed_requests(cluster: Cluster, payload: dict[str, Any]) -> None:
    with pytest.raises(OSError) as raised:
        await cluster.manager.request("job-manager.update", payload)
    assert raised.value.errno == errno.EPROTO


async def test_updates_that_would_bloat_the_eventlog(cluster: Cluster) -> None:
    id = await held(cluster)
    error = await refused(cluster, id, {"attributes.user.x": "y" * 70_000})
    assert error.errno == errno.E2BIG


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


async def test_a_jobspec_too_deep_to_be_sent_on(cluster: Cluster) -> None:
    """Key and value are not too deep by themselves."""
    id = await held(cluster)
    key = "attributes.user." + ".".join("b" * 58)
    error = await refused(cluster, id, {key: nested(141)})
    assert (error.errno, error.strerror) == (
        errno.EINVAL,
        "jobspec: nested deeper than 200 levels",
    )
    await update(cluster, id, {key: nested(138)})
    await cluster.manager.request("job-manager.urgency", {"id": id, "urgency": 16})
    await cluster.until_event(id, "alloc")


async def test_many_updates_do_not_make_a_jobspec_grow_for_ever(cluster: Cluster) -> None:
    id = await held(cluster)
    for number in range(20):
        await update(cluster, id, {f"attributes.user.k{number}": "x" * 50_000})
    error = await refused(cluster, id, {"attributes.user.more": "x" * 50_000})
    assert error.strerror == "the jobspec would have more than 1048576 bytes"
    await update(cluster, id, {"attributes.user.k0": ""})


async def test_no_updates_are_none(cluster: Cluster) -> None:
    id = await held(cluster)
    await update(cluster, id, {})
    assert "jobspec-update" not in cluster.names(id)


async def test_jobs_that_are_not_active(cluster: Cluster) -> None:
    assert (await refused(cluster, 7, {DURATION: 1})).args == (errno.ENOENT, "unknown job id")
    id = await held(cluster)
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    await cluster.until_event(id, "clean")
    assert (await refused(cluster, id, {DURATION: 1})).args == (errno.EINVAL, "job is inactive")


async def test_a_job_that_is_being_ended(cluster: Cluster) -> None:
    """As in flux-core its time limit can be changed while it holds resources; it ends all the
    same.
    """
    id = await running(cluster)
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    await update(cluster, id, {DURATION: 1200})
    assert (await event(cluster, id, "resource-update"))["expiration"] > 0
    assert "for running job" in str(await refused(cluster, id, {QUEUE: "x"}))


# Who


async def test_guests_change_their_own_jobs(queued: Cluster) -> None:
    mine = await held(queued, userid=GUEST)
    other = await held(queued)
    await update(queued, mine, {DURATION: 60}, userid=GUEST)
    error = await refused(queued, other, {DURATION: 60}, userid=GUEST)
    assert error.args == (errno.EPERM, "guests may only update their own jobs")


async def test_guests_stay_within_the_limits(queued: Cluster) -> None:
    id = await held(queued, userid=GUEST)
    error = await refused(queued, id, {DURATION: 7201}, userid=GUEST)
    assert "exceeds policy limit of 2h" in str(error)
    error = await refused(queued, id, {DURATION: 0}, userid=GUEST)
    assert "(unlimited) exceeds policy limit of 2h" in str(error)


async def test_guests_do_not_change_the_limit_of_a_running_job(queued: Cluster) -> None:
    id = await running(queued, userid=GUEST)
    error = await refused(queued, id, {DURATION: 60}, userid=GUEST)
    assert error.errno == errno.EPERM


@pytest.mark.parametrize("runs", [False, True], ids=["waiting", "running"])
async def test_what_the_instance_owner_has_given_is_the_users_to_keep(
    queued: Cluster, runs: bool
) -> None:
    id = await (running if runs else held)(queued, userid=GUEST)
    await update(queued, id, {DURATION: LONG})
    assert await event(queued, id, "set-flags") == {"flags": ["immutable"]}
    place = queued.names(id).index("set-flags")
    assert queued.names(id)[place + 1] == "jobspec-update"
    for asked in ({DURATION: 60}, {NAME: "x"}):
        error = await refused(queued, id, asked, userid=GUEST)
        text = "job is immutable due to previous instance owner update"
        assert error.args == (errno.EPERM, text)
    await update(queued, id, {DURATION: LONG + 1})
    assert queued.names(id).count("set-flags") == 1


async def test_the_owners_own_job_may_exceed_the_limits(queued: Cluster) -> None:
    id = await held(queued)
    await update(queued, id, {DURATION: LONG})
    assert "set-flags" not in queued.names(id)


# Queues


async def test_another_queue(queued: Cluster) -> None:
    id = await held(queued)
    assert system(queued, id)["constraints"] == {"properties": ["batch"]}
    await update(queued, id, {QUEUE: "debug"})
    assert await event(queued, id, "jobspec-update") == {
        QUEUE: "debug",
        CONSTRAINTS: {"properties": ["debug"]},
    }
    assert job(queued, id).queue == "debug"
    await queued.manager.request("job-manager.urgency", {"id": id, "urgency": 16})
    await queued.until_event(id, "alloc")
    assert sent(queued, "job-exec.start")[0]["R"]["execution"]["R_lite"][0]["rank"] == "0"


async def test_a_jobs_own_constraints_go_with_it(queued: Cluster) -> None:
    own = {"hostlist": ["vm"]}
    id = await held(queued, jobspec(duration=600, constraints=own))
    await update(queued, id, {QUEUE: "debug"})
    joined = {"and": [own, {"properties": ["debug"]}]}
    assert system(queued, id)["constraints"] == joined
    await update(queued, id, {QUEUE: "plain"})
    assert system(queued, id)["constraints"] == own


async def test_new_constraints_keep_those_of_the_queue(queued: Cluster) -> None:
    id = await held(queued)
    await update(queued, id, {CONSTRAINTS: {"ranks": ["2"]}})
    assert system(queued, id)["constraints"] == {
        "and": [{"ranks": ["2"]}, {"properties": ["batch"]}]
    }
    await update(queued, id, {CONSTRAINTS: None, QUEUE: "debug"})
    assert system(queued, id)["constraints"] == {"properties": ["debug"]}


async def test_the_job_counts_for_its_new_queue(queued: Cluster) -> None:
    id = await held(queued)
    machine = queued.manager.service.core.machine
    await update(queued, id, {QUEUE: "plain"})
    assert machine.census.count(None, "batch") == 0
    assert machine.census.count(None, "plain") == machine.pending_jobs("plain") == 1


async def test_a_job_that_waits_in_a_stopped_queue_gets_away(queued: Cluster) -> None:
    stop = {"name": "batch", "start": False, "reason": "x"}
    await queued.manager.request("job-manager.queue-start", stop)
    id = await queued.submit(jobspec(duration=600))
    await queued.until_event(id, "priority")
    await update(queued, id, {QUEUE: "debug"})
    await queued.until_event(id, "alloc")
    assert queued.manager.service.core.machine.census.count(None, "batch") == 0


@pytest.mark.parametrize(
    ("updates", "text"),
    [
        ({QUEUE: "debug", DURATION: 3600}, "requested duration (1h) exceeds policy limit of 30m"),
        ({QUEUE: "far"}, "unsatisfiable request"),
        ({QUEUE: "nowhere"}, "'nowhere' is not a valid queue"),
        ({QUEUE: "small"}, "requested ncores (2) exceeds policy limit of 1 for queue small"),
    ],
)
async def test_queues_have_rules_for_everybody(
    queued: Cluster, updates: dict[str, Any], text: str
) -> None:
    id = await held(queued, jobspec(slots=2, duration=600))
    assert text in str(await refused(queued, id, updates))


async def test_a_queue_that_takes_no_jobs(queued: Cluster) -> None:
    disable = {"name": "debug", "enable": False, "reason": "x"}
    await queued.manager.request("job-manager.queue-enable", disable)
    id = await held(queued)
    error = await refused(queued, id, {QUEUE: "debug"})
    assert error.strerror == "queue debug is currently disabled"


async def test_a_queue_that_is_for_others(queued: Cluster) -> None:
    id = await held(queued, userid=GUEST)
    error = await refused(queued, id, {QUEUE: "closed"}, userid=GUEST)
    assert "access to queue closed is restricted" in str(error)
    await update(queued, id, {QUEUE: "closed"})


# Rules of the site


async def test_rules_may_change_what_is_asked_for(cluster: Cluster) -> None:
    id, seen = await held(cluster), []

    async def rules(job: Job, changes: JobChanges, userid: int) -> JobChanges:
        seen.append((job.id, changes, userid))
        return JobChanges(5, {"attributes.system.slurm.x": 1})

    modifications = cluster.manager.service.core.modifications
    modifications.rules = rules
    modifications.extends = lambda key: key.startswith("attributes.system.slurm.")
    await update(cluster, id, {DURATION: 7})
    assert seen == [(id, JobChanges(updates={DURATION: 7}), 0)]
    assert await event(cluster, id, "jobspec-update") == {"attributes.system.slurm.x": 1}
    assert await event(cluster, id, "urgency") == {"userid": 0, "urgency": 5}


async def test_rules_look_at_urgencies_too(cluster: Cluster) -> None:
    id = await held(cluster)

    async def rules(_job: Job, changes: JobChanges, _userid: int) -> JobChanges:
        assert (changes.urgency, dict(changes.updates)) == (16, {})
        return JobChanges(0, {NAME: "held"})

    cluster.manager.service.core.modifications.rules = rules
    asked = {"id": id, "urgency": 16}
    assert await cluster.manager.request("job-manager.urgency", asked) == {"old_urgency": 0}
    assert (await event(cluster, id, "urgency"))["urgency"] == 0
    assert system(cluster, id)["job"]["name"] == "held"


async def test_the_urgency_of_an_immutable_job_is_its_users(cluster: Cluster) -> None:
    id = await held(cluster, userid=GUEST)
    await update(cluster, id, {DURATION: LONG})

    async def rules(_job: Job, changes: JobChanges, _userid: int) -> JobChanges:
        return changes

    cluster.manager.service.core.modifications.rules = rules
    asked = {"id": id, "urgency": 5}
    answer = await cluster.manager.request("job-manager.urgency", asked, userid=GUEST)
    assert answer == {"old_urgency": 0}


@pytest.mark.parametrize("topic", ["update", "urgency"])
async def test_rules_may_refuse(cluster: Cluster, topic: str) -> None:
    id = await held(cluster)

    async def rules(_job: Job, _changes: JobChanges, _userid: int) -> JobChanges:
        raise OSError(errno.EPERM, "not on a Friday")

    cluster.manager.service.core.modifications.rules = rules
    before = cluster.names(id)
    with pytest.raises(OSError, match="not on a Friday"):
        await cluster.manager.request(
            f"job-manager.{topic}", {"id": id, "urgency": 5, "updates": {DURATION: 1}}
        )
    assert cluster.names(id) == before


async def test_what_rules_make_of_it_is_checked(cluster: Cluster) -> None:
    id = await held(cluster)

    async def rules(_job: Job, _changes: JobChanges, _userid: int) -> JobChanges:
        return JobChanges(99, {DURATION: 1})

    cluster.manager.service.core.modifications.rules = rules
    assert "urgency value is out of range" in str(await refused(cluster, id, {DURATION: 7}))


async def test_changes_of_one_job_are_made_in_turn(cluster: Cluster) -> None:
    id, other = await held(cluster), await held(cluster)
    gate, order = asyncio.Event(), []

    async def rules(job: Job, changes: JobChanges, _userid: int) -> JobChanges:
        order.append(changes.updates[DURATION])
        if job.id == id:
            await gate.wait()
        return changes

    modifications = cluster.manager.service.core.modifications
    modifications.rules = rules
    waiting = [asyncio.ensure_future(update(cluster, id, {DURATION: n})) for n in (1, 2, 3)]
    await cluster.manager.until(lambda: order == [1])
    await update(cluster, other, {DURATION: 4})
    assert order == [1, 4]
    gate.set()
    await asyncio.gather(*waiting)
    assert order == [1, 4, 2, 3]
    assert system(cluster, id)["duration"] == 3
    assert not modifications._turns  # noqa: SLF001 - nothing is left behind


async def test_a_job_that_ends_meanwhile(cluster: Cluster) -> None:
    id, asking, gate = await held(cluster), asyncio.Event(), asyncio.Event()

    async def rules(_job: Job, changes: JobChanges, _userid: int) -> JobChanges:
        asking.set()
        await gate.wait()
        return changes

    cluster.manager.service.core.modifications.rules = rules
    asked = asyncio.ensure_future(update(cluster, id, {DURATION: 1}))
    await asking.wait()
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    await cluster.manager.until(lambda: id in cluster.manager.service.core.inactive)
    gate.set()
    with pytest.raises(OSError, match="job is inactive"):
        await asked
    assert cluster.names(id)[-1] == "clean"


# The store


async def test_an_update_is_acknowledged_when_it_is_stored() -> None:
    cluster = await made(durable=True)
    id = await held(cluster)
    cluster.kvs.fail = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="done, but not stored yet"):
        await update(cluster, id, {DURATION: 5})
    cluster.kvs.fail = None
    assert await event(cluster, id, "jobspec-update") == {DURATION: 5}
    await cluster.stop()


async def test_a_restart_finds_what_was_changed() -> None:
    config, kvs = from_tables(TABLES), FakeKvs()
    before = await made(config, kvs, durable=True)
    mine = await held(before, userid=GUEST)
    id = await held(before)
    await update(before, id, {QUEUE: "debug", NAME: "probe"})
    await update(before, mine, {DURATION: LONG})
    await before.stop()
    after = await made(config, kvs, durable=True)
    assert job(after, id).queue == "debug"
    assert system(after, id)["job"]["name"] == "probe"
    assert system(after, id)["constraints"] == {"properties": ["debug"]}
    assert system(after, mine)["duration"] == LONG
    error = await refused(after, mine, {DURATION: 60}, userid=GUEST)
    assert "immutable" in str(error)
    await after.stop()


# Plugins


PLUGIN = """
def flux_plugin_init(plugin):
    plugin.seen = []
    {handlers}


def allow(plugin, topic, args):
    assert args["updates"][args["key"]] == args["value"]
    assert topic == "job.update." + args["key"]
    {body}


def updated(plugin, topic, args):
    plugin.annotate(args["id"], {{"user": {{"updated": args["updates"]}}}})


def validate(plugin, topic, args):
    if args["jobspec"]["attributes"]["system"].get("foo") == "bad":
        plugin.reject_job(args, "foo is bad")
"""
HANDLERS = (
    'plugin.add_handler("job.update.attributes.system.foo", allow); '
    'plugin.add_handler("job.update", updated); plugin.add_handler("job.validate", validate)'
)
FOO = "attributes.system.foo"


def load(cluster: Cluster, path: pathlib.Path, body: str = "pass", handlers: str = HANDLERS) -> Any:
    file = path / "site.py"
    file.write_text(PLUGIN.format(handlers=handlers, body=body))
    host = cluster.manager.service.core.plugins
    host.load(str(file))
    return host.plugins[-1]


async def test_a_plugin_answers_for_a_key(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    load(cluster, tmp_path)
    id = await held(cluster)
    await update(cluster, id, {FOO: 5})
    assert await event(cluster, id, "jobspec-update") == {FOO: 5}
    assert job(cluster, id).annotations == {"user": {"updated": {FOO: 5}}}
    assert "not supported" in str(await refused(cluster, id, {"attributes.system.fop": 1}))


async def test_a_plugin_refuses_a_value(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    load(cluster, tmp_path, "plugin.reject_job(args, f\"no {args['value']}\")")
    id = await held(cluster)
    assert (await refused(cluster, id, {FOO: 5})).args == (errno.EINVAL, "no 5")


@pytest.mark.parametrize(
    "body",
    [
        "1 / 0",
        "return -1",
        'args.out["updates"] = 5',
        'args.out["updates"] = {"tasks": 5}',
        f'args.out["updates"] = {{"{DURATION}": "5m"}}',
        f'args.out["updates"] = {{"{QUEUE}": []}}',
    ],
)
async def test_a_plugin_that_fails_lets_nothing_pass(
    cluster: Cluster, tmp_path: pathlib.Path, body: str
) -> None:
    load(cluster, tmp_path, body)
    id = await held(cluster)
    assert (await refused(cluster, id, {FOO: 5})).errno == errno.EINVAL


async def test_what_a_plugin_adds(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    load(cluster, tmp_path, f'args.out["updates"] = {{"{DURATION}": 9}}')
    id = await held(cluster)
    await update(cluster, id, {FOO: 5})
    assert await event(cluster, id, "jobspec-update") == {FOO: 5, DURATION: 9}


async def test_the_changed_jobspec_is_validated(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    load(cluster, tmp_path)
    id = await held(cluster)
    assert "foo is bad" in str(await refused(cluster, id, {FOO: "bad"}))


async def test_a_plugin_may_vouch_for_it(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    load(cluster, tmp_path, 'args.out["validated"] = True')
    id = await held(cluster)
    await update(cluster, id, {FOO: "bad"})
    assert cluster.names(id)[-1] in ("jobspec-update", "priority")
    assert "jobspec-update" in cluster.names(id)


async def test_a_guest_for_whom_a_plugin_vouches_goes_on_changing_the_job(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    load(cluster, tmp_path, 'args.out["validated"] = True')
    id = await held(cluster, userid=GUEST)
    for value in (1, 2):
        await update(cluster, id, {FOO: value}, userid=GUEST)
    assert "set-flags" not in cluster.names(id)


async def test_a_plugin_may_have_the_scheduler_asked(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    load(cluster, tmp_path, 'args.out["feasibility"] = True')
    id = await held(cluster)
    await update(cluster, id, {FOO: 5})
    asked = sent(cluster, "feasibility.check")[0]["jobspec"]["attributes"]["system"]
    assert (asked["foo"], "environment" in asked) == (5, False)


async def test_plugins_change_jobspecs_themselves(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    plugin = load(cluster, tmp_path, handlers="pass")
    id = await running(cluster)
    plugin.jobspec_update(id, {"attributes.system.any": 1})
    plugin.event_post(id, "jobspec-update", {DURATION: 1200})
    await cluster.until_event(id, "resource-update")
    updates = [e["context"] for e in cluster.eventlog(id) if e["name"] == "jobspec-update"]
    assert updates == [{"attributes.system.any": 1}, {DURATION: 1200}]
    assert sent(cluster, "sched.expiration")[0]["id"] == id
    wrong: Any
    for wrong in ({"tasks": []}, {"attributes.system": 5}, {f"{DURATION}.x": 1}, 5):
        with pytest.raises(OSError) as raised:
            plugin.jobspec_update(id, wrong)
        assert raised.value.errno == errno.EINVAL


@pytest.mark.parametrize("topic", ["job.validate", "job.new", "job.state.depend"])
async def test_plugins_change_new_jobs(
    cluster: Cluster, tmp_path: pathlib.Path, topic: str
) -> None:
    file = tmp_path / "bank.py"
    file.write_text(
        "def flux_plugin_init(plugin):\n"
        f'    plugin.add_handler("{topic}", change)\n\n\n'
        "def change(plugin, topic, args):\n"
        '    plugin.jobspec_update(args["id"], {"attributes.system.bank": "b"})\n'
        '    assert topic != "job.validate" or args["jobspec"]["attributes"]["system"]["bank"]\n'
    )
    cluster.manager.service.core.plugins.load(str(file))
    id = await cluster.submit(jobspec(duration=600))
    await cluster.until_event(id, "alloc")
    assert await event(cluster, id, "jobspec-update") == {"attributes.system.bank": "b"}
    assert cluster.names(id)[:2] == ["submit", "jobspec-update"]
    assert system(cluster, id)["bank"] == "b"
    assert started(cluster, id)[0]["jobspec"]["attributes"]["system"]["bank"] == "b"
