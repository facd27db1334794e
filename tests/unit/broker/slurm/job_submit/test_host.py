"""The host with its process: jobs that come back changed or refused, and what ends the process."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import pytest

from broker.configuration.job_submit import JobSubmitConfig, LuaTable
from broker.slurm.job_submit.host import JobSubmitHost, NotLoaded
from broker.slurm.job_submit.messages import ChangeRequest, JobToCheck

from .jobs import OWNER, at, jobspec

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

pytest.importorskip("lupa")

SCRIPT = """
function slurm_job_submit(job_desc, part_list, submit_uid)
  local name = job_desc.name
  if name == "sleep" then os.execute("sleep 1000") end
  if name == "exit" then os.exit(3) end
  if name == "loop" then while true do end end
  if name == "refused" then slurm.log_user("not you") return slurm.ESLURM_INVALID_QOS end
  if name == "invalid" then job_desc.min_nodes = 3 job_desc.work_dir = "" end
  job_desc.comment = name .. "!"
  slurm.log_user("hello %s", name)
  return slurm.SUCCESS
end
function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  if job_desc.priority == 0 then return slurm.ERROR end
  job_desc.time_limit = job_rec.time_limit + 1
  return slurm.SUCCESS
end
"""


class Hosted:
    """Hosts of a test, and what they log."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.script = folder / "job_submit.lua"
        self.script.write_text(SCRIPT)
        self.logs: list[str] = []
        self.hosts: list[JobSubmitHost] = []

    async def start(self, time_limit: float = 30.0) -> JobSubmitHost:
        """Start a host with the script."""
        lua = LuaTable(script=str(self.script))
        config = JobSubmitConfig(plugins=("lua",), time_limit=time_limit, lua=lua)
        host = JobSubmitHost(config, "", lambda _, text: self.logs.append(text), list)
        self.hosts.append(host)
        await host.start()
        return host


@pytest.fixture
async def hosted(tmp_path: pathlib.Path) -> AsyncIterator[Hosted]:
    hosted = Hosted(tmp_path)
    yield hosted
    for host in hosted.hosts:
        await host.close()


def jobs(*names: str) -> list[JobToCheck]:
    return [
        JobToCheck(number, OWNER, 16, jobspec(job={"name": name}))
        for number, name in enumerate(names, 1)
    ]


async def test_jobs_come_back_in_their_order(hosted: Hosted) -> None:
    host = await hosted.start()
    names = [f"job{number}" for number in range(200)]
    verdicts = await host.submit(jobs(*names))
    assert [verdict.lines for verdict in verdicts] == [(f"hello {name}",) for name in names]
    assert [at(verdict.jobspec or {}, "comment") for verdict in verdicts] == [
        f"{name}!" for name in names
    ]


async def test_the_environment_comes_back_as_it_was_or_changed(hosted: Hosted) -> None:
    hosted.script.write_text("""
      function slurm_job_submit(job_desc)
        job_desc.comment = "changed"
        if job_desc.name == "env" then job_desc.environment["NEW"] = "1" end
        return 0
      end
      function slurm_job_modify() return 0 end
    """)
    host = await hosted.start()
    sent = [*jobs("plain", "env"), JobToCheck(9, OWNER, 16, jobspec(environment=None))]
    answers = [verdict.jobspec or {} for verdict in await host.submit(sent)]
    assert [at(spec, "comment") for spec in answers] == ["changed"] * 3
    found = [at(spec, "environment") for spec in answers]
    assert found == [{"HOME": "/home/me"}, {"HOME": "/home/me", "NEW": "1"}, None]


async def test_a_refusal(hosted: Hosted) -> None:
    host = await hosted.start()
    first, second = await host.submit(jobs("refused", "fine"))
    assert first.error is not None
    assert (first.error.errno, first.error.strerror) == (2066, "Invalid qos specification")
    assert first.lines == ("not you",)
    assert second.error is None


@pytest.mark.parametrize(
    ("name", "errnum", "said"),
    [
        ("sleep", errno.ETIMEDOUT, "job-submit took more than 2 seconds"),
        ("exit", errno.EIO, "job-submit ended with exit code 3"),
        ("loop", errno.ETIMEDOUT, "instructions"),
    ],
)
async def test_only_the_job_that_is_to_blame(
    hosted: Hosted, name: str, errnum: int, said: str
) -> None:
    host = await hosted.start(time_limit=2.0)
    before, blamed, after = await host.submit(jobs("a", name, "b"))
    assert blamed.error is not None
    assert blamed.error.errno == errnum
    assert said in (blamed.error.strerror or "")
    assert before.lines == ("hello a",)
    assert after.lines == ("hello b",)
    assert any(said in line for line in hosted.logs)


async def test_a_change(hosted: Hosted) -> None:
    host = await hosted.start()
    updates = {"attributes.system.duration": 60.0}
    facts = {"id": 5, "duration": 600}
    verdict = await host.modify(ChangeRequest(OWNER, OWNER, jobspec(), facts, updates))
    assert verdict.updates == {"attributes.system.duration": 660.0}
    with pytest.raises(OSError, match="Unspecified error") as caught:
        await host.modify(ChangeRequest(OWNER, OWNER, jobspec(), facts, {}, urgency=0))
    assert caught.value.errno == errno.EINVAL


async def test_a_script_that_is_missing(hosted: Hosted) -> None:
    hosted.script.unlink()
    with pytest.raises(NotLoaded) as caught:
        await hosted.start()
    assert caught.value.errno == errno.ENOENT
    assert caught.value.key == ("job-submit", "lua", "script")


async def test_nobody_gets_past_a_script_that_broke_before_a_restart(hosted: Hosted) -> None:
    host = await hosted.start()
    good = hosted.script.read_text()
    hosted.script.write_text("function (")
    (dead,) = await host.submit(jobs("exit"))
    assert dead.error is not None
    (refused,) = await host.submit(jobs("fine"))
    assert refused.error is not None
    assert "job_submit/lua cannot be loaded" in (refused.error.strerror or "")
    hosted.script.write_text(good)
    (taken,) = await host.submit(jobs("fine"))
    assert taken.error is None


async def test_jobs_that_came_before_it_retires_are_looked_at(hosted: Hosted) -> None:
    host = await hosted.start()
    coming = [asyncio.ensure_future(host.submit(jobs(f"job{number}"))) for number in range(5)]
    await asyncio.sleep(0)
    await host.retire()
    verdicts = [(await one)[0] for one in coming]
    assert [verdict.lines for verdict in verdicts] == [
        (f"hello job{number}",) for number in range(5)
    ]


async def test_messages_about_changes(hosted: Hosted) -> None:
    hosted.script.write_text(
        "function slurm_job_submit() return 0 end\n"
        "function slurm_job_modify() slurm.log_user('no %d', 5) return 0 end"
    )
    host = await hosted.start()
    verdict = await host.modify(ChangeRequest(OWNER, OWNER, jobspec(), {}, {}))
    assert verdict.lines == ("no 5",)
    assert hosted.logs == []


async def test_jobs_that_wait_when_it_is_closed(hosted: Hosted) -> None:
    host = await hosted.start()
    await host.close()
    (verdict,) = await host.submit(jobs("fine"))
    assert verdict.error is not None
    assert verdict.error.errno == errno.ENOSYS


@pytest.mark.skipif(
    not os.path.exists("/usr/share/lua/5.1/posix"), reason="lua-posix is not installed"
)
async def test_modules_of_the_distribution(hosted: Hosted) -> None:
    hosted.script.write_text(
        'require "posix"\nlocal unistd = require "posix.unistd"\n'
        'function slurm_job_submit(d) d.comment = "pid " .. unistd.getpid() '
        "return 0 end\nfunction slurm_job_modify() return 0 end"
    )
    host = await hosted.start()
    (verdict,) = await host.submit(jobs("any"))
    assert str(at(verdict.jobspec or {}, "comment")).startswith("pid ")


async def test_jobs_of_a_message_see_those_before_them_and_others_are_listed_once(
    hosted: Hosted,
) -> None:
    hosted.script.write_text(
        "function slurm_job_submit(job_desc)\n"
        "  local seen = {}\n"
        "  for _, other in pairs(slurm.jobs) do table.insert(seen, other.name) end\n"
        "  job_desc.comment = #seen .. table.concat(seen)\n"
        "  return job_desc.name == 'b' and slurm.ERROR or slurm.SUCCESS\n"
        "end\n"
        "function slurm_job_modify() return slurm.SUCCESS end\n"
    )
    host = await hosted.start()
    verdicts = await host.submit(jobs("a", "b", "c", "d"))
    found = [at(it.jobspec, "comment") for it in verdicts if it.jobspec is not None]
    assert [found[0], found[1], set(str(found[2]))] == ["0", "1a", set("2ac")]
    assert sum("the jobs cannot be listed" in text for text in hosted.logs) == 1
    (last,) = await host.submit([JobToCheck(5, OWNER, 16, jobspec(job={"name": "e"}))])
    assert last.jobspec is not None
    assert set(str(at(last.jobspec, "comment"))) == set("3acd")  # not listed yet


async def test_a_limit_on_jobs_counts_many_that_come_together(hosted: Hosted) -> None:
    hosted.script.write_text(
        "function slurm_job_submit(job_desc, parts)\n"
        "  local count = 0\n"
        "  for _, other in pairs(slurm.jobs) do\n"
        "    if other.user_id == job_desc.user_id then count = count + 1 end\n"
        "  end\n"
        "  return count < 7 and slurm.SUCCESS or slurm.ESLURM_ACCESS_DENIED\n"
        "end\n"
        "function slurm_job_modify() return slurm.SUCCESS end\n"
    )
    host = await hosted.start()
    verdicts = await host.submit(jobs(*(f"job{number}" for number in range(2000))))
    assert [it.error is None for it in verdicts] == [True] * 7 + [False] * 1993
    assert {it.error.errno for it in verdicts if it.error is not None} == {2002}
