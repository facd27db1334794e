"""What job-submit plugins tell users, by every way to submit a job."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

import flux
from flux import job
from flux.testing.instance import running_instance

from .watching import until

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from flux.testing.instance import Instance

pytest.importorskip("lupa")

SCRIPT = """
function slurm_job_submit(job_desc, part_list, submit_uid)
  slurm.log_user("first")
  slurm.log_user("of %s", job_desc.name)
  if job_desc.name == "no" then return slurm.ESLURM_ACCESS_DENIED end
  if job_desc.name == "die" then os.exit(3) end
  job_desc.comment = "seen"
  local jobs = 0
  local names = {}
  local few = 0
  for _, other in pairs(slurm.jobs) do
    jobs = jobs + 1
    names[other.name] = other.job_state
    if other.name == "few" then few = few + 1 end
  end
  if job_desc.name == "few" and few >= 5 then return slurm.ESLURM_ACCESS_DENIED end
  job_desc.admin_comment = jobs .. " active, held: " .. tostring(names.held)
  return slurm.SUCCESS
end
function slurm_job_modify(job_desc, job_rec) return slurm.SUCCESS end
"""
REFUSED = "[Errno 2002] Access/permission denied"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder: pathlib.Path = tmp_path_factory.mktemp("site")
    (folder / "job_submit.lua").write_text(SCRIPT)
    table = (
        f'[job-submit]\nplugins = ["lua"]\n[job-submit.lua]\nscript = "{folder}/job_submit.lua"\n'
    )
    (folder / "site.toml").write_text(table)
    with running_instance(2, f"--config-path={folder}/site.toml") as made:
        yield made


WAYS = (
    "mini submit --job-name={} true",
    "mini run --job-name={} true",
    "mini batch --job-name={} -n1 --output=/dev/null --wrap true",
    "mini alloc --job-name={} -n1 true",
    "mini bulksubmit --job-name={} {{}} ::: true",
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.split()[1])
def test_a_job_that_is_taken(instance: Instance, way: str) -> None:
    done = instance.run(*way.format("yes").split())
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:2] == ["flux-mini: first", "flux-mini: of yes"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.split()[1])
def test_a_job_that_is_refused(instance: Instance, way: str) -> None:
    done = instance.run(*way.format("no").split())
    assert done.returncode == 1
    first, second, reason = done.stderr.splitlines()
    assert (first, second) == ("flux-mini: ERROR: first", "flux-mini: ERROR: of no")
    assert reason.endswith(REFUSED)


def jobspec(name: str) -> job.JobspecV1:
    spec = job.JobspecV1.from_command(["true"])
    spec.environment = {"PATH": "/usr/bin:/bin"}
    spec.setattr("system.job.name", name)
    return spec


def test_the_python_interface(instance: Instance) -> None:
    with flux.Flux(instance.uri) as handle:
        future = job.submit_async(handle, jobspec("yes"))
        assert future.get_message() == "first\nof yes"
        stored = json.loads(instance.run("job", "info", str(future.get_id()), "jobspec").stdout)
        assert stored["attributes"]["system"]["comment"] == "seen"
        with pytest.raises(OSError) as caught:
            job.submit(handle, jobspec("no"))
        assert caught.value.errno == 2002
        assert caught.value.strerror == "first\nof no\nAccess/permission denied"


def test_other_jobs_are_seen(instance: Instance) -> None:
    with flux.Flux(instance.uri) as handle:
        held = [job.submit(handle, jobspec("held"), urgency=0) for _ in range(3)]
        until(lambda: len(instance.run("jobs", "-n").stdout.splitlines()) == 3)
        last = job.submit(handle, jobspec("held"), urgency=0)
        text = instance.run("job", "info", str(last), "jobspec").stdout
        kept = json.loads(text)["attributes"]["system"]["slurm"]
        assert kept == {"admin_comment": "3 active, held: 0"}
        for jobid in (*held, last):
            job.cancel(handle, jobid)


def test_a_limit_on_jobs_holds_for_those_that_come_together(instance: Instance) -> None:
    with flux.Flux(instance.uri) as handle:
        futures = [job.submit_async(handle, jobspec("few"), urgency=0) for _ in range(300)]
        taken = []
        for future in futures:
            with contextlib.suppress(OSError):
                taken.append(future.get_id())
        assert len(taken) == 5
        for jobid in taken:
            job.cancel(handle, jobid)


def test_a_script_that_ends_its_process(instance: Instance) -> None:
    done = instance.run("mini", "submit", "--job-name=die", "true")
    assert done.returncode == 1
    assert done.stderr == "[Errno 5] job-submit ended with exit code 3\n"
    assert instance.run("mini", "run", "--job-name=yes", "echo", "on").stdout == "on\n"


def test_jobs_from_another_rank(instance: Instance) -> None:
    command = ("flux", "mini", "submit", "--job-name=yes", "true")
    done = instance.run("exec", "-r1", *command)
    assert "flux-mini: of yes" in done.stderr
