"""Jobs that depend on others, in running instances: chains that end at once, jobs that have ended,
also before a restart, singletons; a site's plugins and an unnamed queue's state after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import kill_instance, until_equal

if TYPE_CHECKING:
    import pathlib

CHAIN = """
import sys
import flux
from flux.job import JobID, JobspecV1, submit

h = flux.Flux()
last = JobID(sys.argv[1])
for n in range(int(sys.argv[2])):
    spec = JobspecV1.from_command(["true"])
    scheme = ("afterok", "afterany", "afternotok", "after")[n % 4]
    spec.setattr("system.dependencies", [{"scheme": scheme, "value": str(int(last))}])
    last = JobID(submit(h, spec))
"""


def chained(instance: Instance, length: int) -> str:
    """Submit a chain of jobs whose first is held, and return that."""
    first = submitted(instance, "--urgency=hold")
    done = instance.run("python", "-c", CHAIN, first, str(length), timeout=120)
    assert done.returncode == 0, done.stderr
    return first


def submitted(instance: Instance, *options: str) -> str:
    done = instance.run("mini", "submit", *options, "true")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ends(instance: Instance, jobid: str) -> bool:
    """Wait for a job's end; tell whether it ran."""
    instance.run("job", "wait-event", "-t", "60", jobid, "clean", timeout=90)
    return " start" in instance.run("job", "eventlog", jobid).stdout


@pytest.mark.parametrize("how", ["cancel the first", "cancel all", "end the instance"])
def test_chains_end_at_once(how: str) -> None:
    with running_instance(1) as instance:
        first = chained(instance, 1000)
        running = instance.run("mini", "submit", "sleep", "1000").stdout.strip()
        if how == "cancel all":
            done = instance.run("job", "cancelall", "-f")
            assert done.returncode == 0
            assert done.stderr == "flux-job: Canceled 1002 jobs (0 errors)\n"
            until_equal(lambda: instance.run("jobs", "-no", "{id}").stdout, "")
        elif how == "cancel the first":
            assert instance.run("job", "cancel", first).returncode == 0
            # The next one cannot be satisfied any more, who waits for its end runs, and so on.
            until_equal(lambda: instance.run("jobs", "-no", "{id}").stdout, f"{running}\n")
        assert instance.stop() == 0
        log = instance.log.splitlines()
        assert [line for line in log if ".err[" in line or ".crit[" in line] == []


def test_jobs_that_ended_before_a_restart(tmp_path: pathlib.Path) -> None:
    store = f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"
    with running_instance(1, store) as instance:
        well = submitted(instance)
        badly = instance.run("mini", "submit", "false").stdout.strip()
        ends(instance, well)
        ends(instance, badly)
        assert ends(instance, submitted(instance, f"--dependency=afterok:{well}"))
    with running_instance(1, store) as instance:
        assert ends(instance, submitted(instance, f"--dependency=afterok:{well}"))
        assert ends(instance, submitted(instance, f"--dependency=afternotok:{badly}"))
        for dependency, text in (
            (f"afterok:{badly}", f"dependency: afterok: job {badly} failed or was canceled"),
            (f"afternotok:{well}", f"dependency: afternotok: job {well} succeeded"),
            ("afterok:f1234567", "dependency: afterok: id f1234567: job not found"),
        ):
            done = instance.run("mini", "submit", f"--dependency={dependency}", "true")
            assert (done.returncode, done.stderr) == (1, f"[Errno 22] {text}\n")


def test_singletons() -> None:
    with running_instance(1) as instance:
        first = submitted(instance, "--job-name=one", "--urgency=hold")
        options = ("--job-name=one", "--dependency=singleton:")
        second, third = submitted(instance, *options), submitted(instance, *options)
        waits = instance.run("jobs", "-no", "{state} {dependencies}", second, third).stdout
        assert waits == "DEPEND singleton\nDEPEND singleton\n"
        instance.run("job", "urgency", first, "16")
        ran = [ends(instance, jobid) for jobid in (first, second, third)]
        assert ran == [True, True, True]
        unnamed = instance.run("mini", "submit", "--dependency=singleton:", "true")
        assert unnamed.stderr == "[Errno 22] singleton jobs require a job name\n"


RARE = """
def flux_plugin_init(plugin):
    plugin.add_handler("job.dependency.rare", ask)
    plugin.service_register("there", there)
    plugin.waiting = set()


def ask(plugin, topic, args):
    try:
        plugin.dependency_add(args["id"], "rare")
    except FileExistsError:
        pass
    plugin.get_flux().event_subscribe("rare.there", lambda *event: let_go(plugin, args["id"]))


def let_go(plugin, id):
    if plugin.dependencies(id) == ["rare"]:
        plugin.dependency_remove(id, "rare")


def there(request):
    return {}
"""


@pytest.mark.parametrize("by", ["variable", "attribute"])
def test_a_scheme_of_a_site_after_a_kill(tmp_path: pathlib.Path, by: str) -> None:
    """Its plugin is found in the search path; a job goes on waiting while it is not there."""
    (tmp_path / "rare.py").write_text(RARE)
    options = [f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"]
    environment = {"FLUX_JOBTAP_PATH": str(tmp_path)} if by == "variable" else {}
    if by == "attribute":
        options.append(f"-o,-Sconf.jobtap_pluginpath=/nosuch:{tmp_path}")
    with running_instance(1, *options, environment=environment) as instance:
        assert instance.run("jobtap", "load", "rare.py").stderr == ""
        job = submitted(instance, "--dependency=rare:x")
        kill_instance(instance)
    with running_instance(1, *options, environment=environment) as instance:
        shown = instance.run("jobs", "-no", "{state} {dependencies}", job).stdout
        assert shown == "DEPEND rare\n"
        assert instance.run("jobtap", "load", "rare.py").stderr == ""
        assert instance.run("event", "pub", "rare.there").returncode == 0
        assert ends(instance, job)


def test_the_state_of_the_only_queue_outlives_a_restart(tmp_path: pathlib.Path) -> None:
    store = f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"
    with running_instance(1, store) as instance:
        instance.run("queue", "stop", "mending a pump")
        instance.run("queue", "disable", "until monday")
    with running_instance(1, store) as instance:
        assert instance.run("queue", "status").stderr.splitlines() == [
            "flux-queue: Job submission is disabled: until monday",
            "flux-queue: Scheduling is disabled: mending a pump",
        ]
        assert "job submission is disabled: until monday" in (
            instance.run("mini", "submit", "true").stderr
        )
        for command in ("start", "enable"):
            instance.run("queue", command)
        assert ends(instance, submitted(instance))
