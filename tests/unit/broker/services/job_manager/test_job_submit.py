"""Job-submit plugins of Slurm in the job manager: what is stored, what submitters are told, what
reloads do.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import from_tables
from flux.job.JobID import kvs_key
from flux.security import sign
from flux.wire import json
from flux.wire.errors import errnum_of, text_of

from .cluster import Cluster, jobspec

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from broker.configuration import Config
    from broker.services.job_manager.states import Job

pytest.importorskip("lupa")

SCRIPT = """
function slurm_job_submit(job_desc, part_list, submit_uid)
  if job_desc.name == "no" then slurm.log_user("because") return slurm.ESLURM_INVALID_QOS end
  if job_desc.name == "held" then job_desc.priority = 0 end
  if job_desc.name == "impossible" then job_desc.features = "[a|b]" end
  job_desc.partition = "batch"
  if job_desc.name ~= "quiet" then slurm.log_user("into %s", job_desc.partition) end
  return 0
end
function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  if job_desc.priority == 3 then return slurm.ESLURM_ACCESS_DENIED end
  if job_desc.priority == 2 then slurm.log_user("no") slurm.log_user("2") return slurm.ERROR end
  if job_desc.priority == 1 then slurm.log_user("one") slurm.log_user("two") end
  if job_desc.time_limit == 10 then slurm.log_user("longer") end
  if job_desc.priority == 5 then job_desc.priority = 6 end
  if job_desc.time_limit == 10 then job_desc.time_limit = 20 end
  return 0
end
"""
QUEUES = {
    "queues": {"batch": {}, "debug": {}},
    "policy": {"jobspec": {"defaults": {"system": {"queue": "debug"}}}},
}


def config(folder: pathlib.Path, script: str = SCRIPT) -> Config:
    """Return a configuration with a script."""
    path = folder / "job_submit.lua"
    path.write_text(script)
    table = {"plugins": ["lua"], "lua": {"script": str(path)}}
    return from_tables({**QUEUES, "job-submit": table})


@pytest.fixture
async def cluster(tmp_path: pathlib.Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(config=config(tmp_path))
    await cluster.start()
    yield cluster
    await cluster.stop()


def named(name: str, **system: Any) -> dict[str, Any]:
    return jobspec(job={"name": name}, **system)


def job_of(cluster: Cluster, id: int) -> Job:
    return cluster.manager.service.core.machine.jobs[id]


async def submit(cluster: Cluster, spec: dict[str, Any], urgency: int = 0) -> dict[str, Any]:
    """Submit a job and return the whole answer."""
    signed = sign(json.dumps(spec), 0).decode()
    payload = {"J": signed, "urgency": urgency, "flags": 0}
    answer: dict[str, Any] = await cluster.ingest.request("job-ingest.submit", payload)
    return answer


async def test_the_changed_job_is_what_is_stored(cluster: Cluster) -> None:
    answer = await submit(cluster, named("mine"))
    assert answer["message"] == "into batch"
    stored = json.loads(cluster.kvs.values[f"{kvs_key(answer['id'])}.jobspec"])
    assert stored["attributes"]["system"]["queue"] == "batch"
    assert job_of(cluster, answer["id"]).queue == "batch"


async def test_without_a_message_there_is_none(cluster: Cluster) -> None:
    assert set(await submit(cluster, named("quiet"))) == {"id"}


async def test_a_refusal_has_errno_text_and_message(cluster: Cluster) -> None:
    with pytest.raises(OSError) as caught:
        await submit(cluster, named("no"))
    assert errnum_of(caught.value) == 2066
    assert text_of(caught.value) == "because\nInvalid qos specification"
    assert cluster.manager.service.core.machine.jobs == {}


async def test_the_urgency_of_a_submission(cluster: Cluster) -> None:
    answer = await submit(cluster, named("held"), urgency=16)
    assert job_of(cluster, answer["id"]).urgency == 0


async def test_a_job_that_cannot_be_what_the_plugins_want_is_refused(cluster: Cluster) -> None:
    with pytest.raises(OSError, match="Invalid feature specification") as caught:
        await submit(cluster, named("impossible"))
    assert errnum_of(caught.value) == 2029
    assert cluster.manager.service.core.machine.jobs == {}


async def test_many_jobs_keep_their_order(cluster: Cluster) -> None:
    ids = [(await submit(cluster, named(f"j{number}")))["id"] for number in range(20)]
    assert list(cluster.manager.service.core.machine.jobs) == ids


async def test_changes_are_looked_at(cluster: Cluster) -> None:
    id = (await submit(cluster, named("mine")))["id"]
    await cluster.manager.request("job-manager.urgency", {"id": id, "urgency": 0})
    with pytest.raises(OSError, match="Access/permission denied"):
        await cluster.manager.request("job-manager.urgency", {"id": id, "urgency": 3})
    assert job_of(cluster, id).urgency == 0
    updates = {"attributes.system.duration": 600.0}
    answer = await cluster.manager.request("job-manager.update", {"id": id, "updates": updates})
    assert answer == {"message": "longer"}
    spec = job_of(cluster, id).jobspec or {}
    assert spec["attributes"]["system"]["duration"] == 1200.0


async def test_who_asks_for_a_change_is_told_about_it(cluster: Cluster) -> None:
    id = (await submit(cluster, named("mine")))["id"]
    answer = await cluster.manager.request("job-manager.urgency", {"id": id, "urgency": 1})
    assert answer == {"old_urgency": 0, "message": "one\ntwo"}
    with pytest.raises(OSError) as caught:
        await cluster.manager.request("job-manager.urgency", {"id": id, "urgency": 2})
    assert errnum_of(caught.value) == errno.EINVAL
    assert text_of(caught.value) == "no\n2\njob_submit/lua refused: Unspecified error"


async def test_the_host_is_listed(cluster: Cluster) -> None:
    answer = await cluster.manager.request("job-manager.jobtap", {"query_only": True})
    assert ".job-submit" in answer["plugins"]


async def reload(cluster: Cluster, config: Config) -> None:
    """Reload a configuration."""
    service = cluster.manager.service
    await service.examine(config)
    service.configure(config)
    service.ctx.config = config


async def test_a_reload_with_a_broken_script_changes_nothing(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(OSError) as caught:
        await reload(cluster, config(other, "function ("))
    assert caught.value.errno == errno.EINVAL
    assert (await submit(cluster, named("mine")))["message"] == "into batch"


async def test_a_reload_with_another_script(cluster: Cluster, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    await reload(cluster, config(other, SCRIPT.replace("into", "now in")))
    assert (await submit(cluster, named("mine")))["message"] == "now in batch"


async def test_a_reload_without_plugins(cluster: Cluster) -> None:
    await reload(cluster, from_tables(QUEUES))
    assert set(await submit(cluster, named("no"))) == {"id"}
    assert not cluster.manager.service.job_submit.active


async def test_a_start_with_a_broken_script(tmp_path: pathlib.Path) -> None:
    cluster = Cluster(config=config(tmp_path, "return 5"))
    with pytest.raises(OSError, match="missing required function slurm_job_submit"):
        await cluster.manager.start()
    await cluster.manager.stop()
