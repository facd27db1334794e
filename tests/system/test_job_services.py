"""The job services of a live instance: reloading modules under jobs, plugins, validators,
FluxExecutor, a burst of jobs.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flux.core.handle import Flux
from flux.job import FluxExecutor, JobException, JobspecV1, cancel
from flux.job.submit import submit_async
from flux.testing.instance import Instance, running_instance

from .watching import until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

TIMEOUT = 60.0

PLUGIN = """
def validate(plugin, topic, args):
    if args["jobspec"]["tasks"][0]["command"][0] == "forbidden":
        plugin.reject_job(args, f"limit is {plugin.conf['limit']}")


def priority(plugin, topic, args):
    args.out["priority"] = args["urgency"] + 1000


def flux_plugin_init(plugin):
    plugin.add_handler("job.validate", validate)
    plugin.add_handler("job.state.priority", priority)
    plugin.add_handler("job.priority.get", priority)
"""

VALIDATOR = """
from flux.job.validator import ValidatorPlugin


class Validator(ValidatorPlugin):
    def validate(self, job):
        if job.jobspec["tasks"][0]["command"][0] == "rude":
            return 1, "not with these words"
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def handle(instance: Instance) -> Iterator[Flux]:
    with Flux(instance.uri) as handle:
        yield handle


def submitted(instance: Instance, *args: str) -> str:
    done = instance.run("mini", "submit", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def jobspec(*command: str) -> str:
    spec = JobspecV1.from_command(list(command))
    spec.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    spec.cwd = "/"
    return spec.dumps()


def test_executor(instance: Instance, handle: Flux) -> None:
    with FluxExecutor(threads=2, handle_args=(instance.uri,)) as executor:
        good, bad = executor.submit(jobspec("true")), executor.submit(jobspec("sh", "-c", "exit 3"))
        killed = executor.submit(jobspec("sh", "-c", "kill -9 $$"))
        long = executor.submit(jobspec("sleep", "100"))
        refused = executor.submit("{}")
        cancel(handle, long.jobid(TIMEOUT), "enough")
        assert [future.result(TIMEOUT) for future in (good, bad, killed)] == [0, 3, 137]
        failure = long.exception(TIMEOUT)
        assert isinstance(failure, JobException)
        assert (failure.type, failure.note) == ("cancel", "enough")
        assert isinstance(refused.exception(TIMEOUT), OSError)
        assert executor.attach(bad.jobid()).result(TIMEOUT) == 3


ENDING = """
import flux.job

executor = flux.job.FluxExecutor()
kept = executor.submit(flux.job.JobspecV1.from_command(["sh", "-c", "sleep 1; exit 3"]))


def more(future):
    try:
        executor.submit(flux.job.JobspecV1.from_command(["true"]))
    except RuntimeError as exc:
        print(future.result(), exc, flush=True)


kept.add_done_callback(more)
"""


def test_program_that_ends_without_shutdown_of_its_executor(instance: Instance) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING],
        env=instance.environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout == "3 cannot schedule new futures after shutdown\n", done.stderr


def test_scheduler_reloaded_under_a_running_job(instance: Instance) -> None:
    jobid = submitted(instance, "sleep", "100")
    instance.run("job", "wait-event", jobid, "start")
    assert instance.run("module", "reload", "sched-simple").returncode == 0
    after = submitted(instance, "true")
    assert instance.run("job", "wait-event", "-t", "60s", after, "clean").returncode == 0
    allocated = ("resource", "list", "-n", "-s", "allocated", "-o", "{ncores}")
    until_equal(lambda: instance.run(*allocated).stdout, "1\n")  # the job keeps what it has
    instance.run("job", "cancel", jobid)
    assert instance.run("job", "wait-event", "-t", "60s", jobid, "clean").returncode == 0
    free = ("resource", "list", "-n", "-s", "free,all", "-o", "{ncores}")
    until_equal(lambda: len(set(instance.run(*free).stdout.split())), 1)  # all of it is free again


def test_job_manager_reloaded_with_jobs(instance: Instance) -> None:
    held, running = (
        submitted(instance, "--urgency=hold", "true"),
        submitted(instance, "sleep", "100"),
    )
    instance.run("job", "wait-event", running, "start")
    assert instance.run("module", "reload", "job-manager").returncode == 0
    assert instance.run("job", "wait-event", "-t", "60s", running, "clean").returncode == 0
    assert instance.run("job", "status", running).returncode == 1, "it was ended by an exception"
    instance.run("job", "urgency", held, "default")
    assert instance.run("job", "attach", held).returncode == 0
    assert instance.run("mini", "run", "echo", "after").stdout == "after\n"


def test_jobs_submitted_without_a_scheduler_wait_for_one(instance: Instance) -> None:
    instance.run("module", "remove", "sched-simple")
    jobid = submitted(instance, "true")
    until_equal(lambda: instance.run("jobs", "-n", "-o", "{state}", jobid).stdout, "SCHED\n")
    instance.run("module", "load", "sched-simple")
    assert instance.run("job", "wait-event", "-t", "60s", jobid, "clean").returncode == 0


def test_jobtap_plugin(instance: Instance, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "plus1000.py"
    file.write_text(PLUGIN)
    assert instance.run("jobtap", "load", str(file), "limit=3").returncode == 0
    assert instance.run("jobtap", "list").stdout == "plus1000.py\n"
    refused = instance.run("mini", "submit", "forbidden")
    assert refused.returncode == 1
    assert "limit is 3" in refused.stderr
    jobid = submitted(instance, "true")
    assert instance.run("job", "wait-event", jobid, "priority").stdout.endswith(
        " priority priority=1016\n"
    )
    assert instance.run("jobtap", "remove", "plus*").returncode == 0
    assert instance.run("jobtap", "list").stdout == ""


def test_validators_in_worker_processes(instance: Instance, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "polite.py"
    file.write_text(VALIDATOR)
    instance.run("module", "remove", "job-ingest")
    done = instance.run(
        "module", "load", "job-ingest", f"validator-plugins=jobspec,feasibility,{file}"
    )
    assert done.returncode == 0, done.stderr
    try:
        assert "not with these words" in instance.run("mini", "submit", "rude").stderr
        assert (
            "request is not satisfiable" in instance.run("mini", "submit", "-n1000", "true").stderr
        )
        submitted(instance, "true")
    finally:
        instance.run("module", "reload", "job-ingest")
    assert instance.run("mini", "submit", "rude").returncode == 0


def test_a_burst_of_simulated_jobs_leaves_nothing(handle: Flux) -> None:
    spec = JobspecV1.from_command(["true"])
    spec.setattr("system.exec.test.run_duration", "0.0001s")
    spec.environment = {}
    text = spec.dumps()
    futures = [submit_async(handle, text, waitable=True) for _ in range(300)]
    ids = {int(future.get_id()) for future in futures}
    waits = [handle.rpc("job-manager.wait", {"id": -1}) for _ in ids]
    answers = [wait.get() for wait in waits]
    assert {answer["id"] for answer in answers} == ids
    assert all(answer["success"] for answer in answers)
    counts = handle.rpc(
        "job-manager.alloc-admin", {"query_only": True, "enable": False, "reason": ""}
    ).get()
    assert (
        counts["queue_length"],
        counts["alloc_pending"],
        counts["free_pending"],
        counts["running"],
    ) == (0, 0, 0, 0)
    with pytest.raises(OSError, match="no more waitable"):
        handle.rpc("job-manager.wait", {"id": -1}).get()


def test_states_of_jobs_are_published_for_who_subscribes_on_any_rank() -> None:
    names = ["DEPEND", "PRIORITY", "SCHED", "RUN", "CLEANUP", "INACTIVE"]
    with running_instance(2) as instance:
        for rank in (0, 1):
            with Flux(instance.uri.removesuffix("0") + str(rank)) as handle:
                handle.event_subscribe("job-state")
                job = submit_async(handle, JobspecV1.from_command(["true"])).get_id()
                seen: list[str] = []
                while seen != names:
                    message = handle.event_recv("job-state")
                    changes = message.payload["transitions"]
                    seen += [name for jobid, name, _ in changes if jobid == job]
                assert seen == names
                handle.event_unsubscribe("job-state")
