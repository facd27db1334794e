"""Shell options whose effect takes an instance: time, several shells, clients."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as instance:
        yield instance


def mini(instance: Instance, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return instance.run("mini", "run", *arguments, stdin=stdin, timeout=60)


def test_tasks_are_dealt_out(instance: Instance) -> None:
    command = ["sh", "-c", "echo $(flux getattr rank) $FLUX_TASK_RANK"]
    done = mini(instance, "-N4", "-n8", "--taskmap=cyclic", *command)
    assert sorted(done.stdout.splitlines()) == [
        f"{rank} {task}" for rank in range(4) for task in (rank, rank + 4)
    ]
    done = mini(instance, "-N2", "-n4", "-o", "taskmap=manual:0,3;1-2", *command)
    first, last = sorted({int(line.split()[0]) for line in done.stdout.splitlines()})
    assert sorted(done.stdout.splitlines()) == [
        f"{rank} {task}" for rank, task in ((first, 0), (first, 3), (last, 1), (last, 2))
    ]


def test_the_map_is_told(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "--wait", "-N4", "-n8", "--taskmap=cyclic", "true")
    where = ["-p", "guest.exec.eventlog", jobid.stdout.strip()]
    log = instance.run("job", "eventlog", *where).stdout
    assert re.search(r'shell.start .*taskmap=\{"version":1,"map":\[\[0,4,1,2\]\]\}', log)


def test_who_sends_limits_is_told_the_map(instance: Instance) -> None:
    """Clients of 0.88 do both: they send the limits with each job, and read the map of each."""
    for words, told in ((("--rlimit=core",), ' taskmap={"version":1,"map":[[0,2,2,1]]}'), ((), "")):
        job = instance.run("submit", "--wait", "-N2", "-n4", *words, "true").stdout.strip()
        log = instance.run("job", "eventlog", "-p", "guest.exec.eventlog", job).stdout
        assert re.findall(r"shell.start task-count=4(.*)", log) == [told]


PMI = """
from broker.pmi_client import PmiClient
client = PmiClient.from_environment()
print(client.rank, client.get("PMI_process_mapping"))
client.finalize()
"""


@pytest.mark.parametrize(
    ("option", "mapping"),
    [
        ("taskmap=cyclic", "(vector,(0,4,1),(0,4,1))"),
        ("taskmap=manual:6-7;4-5;2-3;0-1", "(vector,(3,1,2),(2,1,2),(1,1,2),(0,1,2))"),
        ("pmi.clique=single", "(vector,(0,1,8))"),
        ("pmi.clique=pershell", "(vector,(0,4,2))"),
    ],
)
def test_processes_hear_of_the_map(instance: Instance, option: str, mapping: str) -> None:
    done = mini(instance, "-N4", "-n8", "-o", option, sys.executable, "-c", PMI)
    assert sorted(done.stdout.splitlines()) == [f"{rank} {mapping}" for rank in range(8)]


def test_a_signal_comes_before_the_time_limit(instance: Instance) -> None:
    script = "trap 'echo warned; exit 3' USR2; echo ready; while :; do sleep 0.05; done"
    done = mini(instance, "-N2", "-n2", "-t60s", "--signal=USR2@59.5s", "bash", "-c", script)
    assert done.stdout.splitlines().count("warned") == 2
    assert "signal: job will expire in 59.5s, sending SIGUSR2 to job" in done.stderr
    assert done.returncode == 3


def test_a_job_with_less_time_left_gets_it_at_once(instance: Instance) -> None:
    done = mini(instance, "-t30s", "-o", "signal=TERM@1h", "sleep", "300")
    assert done.returncode == 143
    assert "sending SIGTERM to job" in done.stderr


def test_without_a_time_limit_there_is_no_signal(instance: Instance) -> None:
    done = mini(instance, "--signal=TERM@1h", "true")
    assert "signal: job has no expiration, SIGTERM will not be sent" in done.stderr
    assert done.returncode == 0


def test_output_to_the_terminal_reaches_the_user(instance: Instance) -> None:
    done = mini(instance, "-o", "output.stdout.type=term", "sh", "-c", "echo out; echo err >&2")
    assert done.stdout == ""
    lines = [line.partition(": ")[2] for line in done.stderr.splitlines()]
    assert sorted(lines) == [
        "flux-shell[0]: stderr: 0: err",
        "flux-shell[0]: stdout: 0: out",
    ]


def test_nodes_and_tasks_have_files_of_their_own(instance: Instance) -> None:
    home = instance.home
    template = f"{home}/{{{{name}}}}-{{{{node.id}}}}"
    command = ["sh", "-c", "echo $FLUX_TASK_RANK"]
    done = mini(instance, "-N4", "-n8", f"--output={template}", *command)
    assert done.returncode == 0, done.stderr
    for node in range(4):
        lines = sorted((home / f"sh-{node}").read_text().splitlines())
        assert lines == [str(2 * node), str(2 * node + 1)]
    mini(instance, "-N4", "-n8", f"--output={home}/task-{{{{taskid}}}}", *command)
    for task in range(8):
        assert (home / f"task-{task}").read_text() == f"{task}\n"


def test_limits_go_along_with_a_job(instance: Instance) -> None:
    done = mini(instance, "--rlimit=nofile=77,core=0", "sh", "-c", "ulimit -n; ulimit -c")
    assert done.stdout == "77\n0\n"
    assert "invalid limit" not in done.stderr


def test_the_oom_score_of_tasks(instance: Instance) -> None:
    done = mini(instance, "-o", "oom.adjust=777", "cat", "/proc/self/oom_score_adj")
    assert done.stdout == "777\n"


def test_variables_for_mpi(instance: Instance) -> None:
    command = ["sh", "-c", "env | grep -E '^(MPIRUN|OMPI)' | sort"]
    done = mini(instance, "-n2", *command)
    assert re.fullmatch(
        r"(MPIRUN_NTASKS=2\nMPIRUN_RANK=\d\nMPIRUN_RSH_LAUNCH=1\n"
        r"OMPI_MCA_btl_vader_backing_directory=/.*/jobtmp-0-.*\n){2}",
        done.stdout,
    )
    assert mini(instance, "-o", "mpi=none", *command).stdout == ""
    spectrum = mini(instance, "-n2", "-o", "mpi=spectrum", *command).stdout
    assert sorted(re.findall(r"OMPI_COMM_WORLD_RANK=(\d)", spectrum)) == ["0", "1"]


def test_the_temporary_directory_of_tasks(instance: Instance) -> None:
    command = ["sh", "-c", "[ $TMPDIR = $FLUX_JOB_TMPDIR ] && echo same; ls -d $TMPDIR"]
    assert mini(instance, "--env=-TMPDIR", *command).stdout.startswith("same\n")
    path = instance.home / "made"
    assert mini(instance, f"--env=TMPDIR={path}", *command).stdout == f"{path}\n"
    done = mini(instance, f"--env=TMPDIR={path}/not/made", *command)
    assert done.returncode == 1
    assert f"tmpdir: error creating TMPDIR: {path}/not/made: No such file" in done.stderr


ABORT = """
from broker.pmi_client import PmiClient
import os, time
client = PmiClient.from_environment()
client.barrier()
if client.rank == 2:
    os.write(int(os.environ["PMI_FD"]), b"cmd=abort exitcode=5 error_msg=no way\\n")
time.sleep(300)
"""


def test_an_abort_of_any_rank_is_an_exception(instance: Instance) -> None:
    done = mini(instance, "-N4", "-n4", sys.executable, "-c", ABORT)
    assert "job.exception type=exec severity=0 MPI_Abort: no way" in done.stderr
    assert "FATAL: MPI_Abort: no way" in done.stderr
    assert done.returncode != 0


EXCHANGE = """
from broker.pmi_client import PmiClient
client = PmiClient.from_environment()
for number in range(3):
    client.put(f"k{number}-{client.rank}", f"v{client.rank}")
    client.barrier()
    found = [client.get(f"k{number}-{rank}") for rank in range(client.size)]
    assert found == [f"v{rank}" for rank in range(client.size)], found
print("all")
client.finalize()
"""


@pytest.mark.parametrize("options", ["kvs=native", "kvs=exchange", "exchange.k=1", "exchange.k=3"])
def test_tasks_get_what_others_put(instance: Instance, options: str) -> None:
    done = mini(instance, "-N4", "-n6", "-o", f"pmi.{options}", sys.executable, "-c", EXCHANGE)
    assert (done.stdout.split(), done.returncode) == (["all"] * 6, 0), done.stderr


def test_pmi_is_traced(instance: Instance) -> None:
    done = mini(instance, "-o", "verbose=2", sys.executable, "-c", PMI)
    said = [line.partition("TRACE: ")[2] for line in done.stderr.splitlines() if "TRACE: " in line]
    assert said[:2] == [
        "0: C: cmd=init pmi_version=1 pmi_subversion=1",
        "0: S: cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1",
    ]
    assert said[-3:] == ["0: S: cmd=finalize_ack rc=0", "0: S: pmi finalized", "0: C: pmi EOF"]


def test_too_much_input_ends_the_job(instance: Instance) -> None:
    done = mini(instance, "-o", "input.limit=1k", "cat", stdin="x" * 5000)
    assert done.returncode != 0
    assert "input: input of more than 1000 bytes" in done.stderr
    assert mini(instance, "-o", "input.limit=10k", "wc", "-c", stdin="x" * 5000).stdout == "5000\n"


def test_wrong_events_are_told_and_harm_nothing(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "sleep", "300").stdout.strip()
    where = ["-t", "30", "-p", "guest.exec.eventlog", jobid]
    instance.run("job", "wait-event", *where, "shell.start")
    number = instance.run("job", "id", "--to=dec", jobid).stdout.strip()
    for payload in ('{"signum": 199}', '{"x": 1}', '{"signum": "x"}'):
        instance.run("event", "pub", f"shell-{number}.kill", payload)
    instance.run("event", "pub", f"shell-{number}.kill", '{"signum": 15}')
    done = instance.run("job", "attach", jobid, timeout=60)
    assert done.stderr.count("WARN: kill: ignoring malformed event") == 2
    assert "ERROR: kill task 0: signal 199: Invalid argument" in done.stderr
    assert done.returncode == 143


def test_a_batch_job_without_a_script(instance: Instance) -> None:
    done = mini(instance, "--setattr=system.batch.x=1", "true")
    assert "batch: failed to unpack batch info: it has no script" in done.stderr
    assert done.returncode == 1


def test_a_terminal_cannot_only_be_read(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "-o", "pty", "sleep", "300").stdout.strip()
    done = instance.run("job", "attach", "--read-only", jobid, timeout=60)
    assert done.stderr.endswith("flux-job: Cannot connect to pty in readonly mode\n")
    assert done.returncode == 1
    instance.run("job", "cancel", jobid)


def test_an_exit_code_for_exceptions_may_be_zero(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    instance.run("job", "cancel", jobid)
    assert instance.run("job", "status", "--exception-exit-code=0", jobid).returncode == 0
    assert instance.run("job", "status", jobid).returncode == 1


def shell_job(instance: Instance, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = instance.home / "js.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return mini(instance, f"--setattr=system.exec.job_shell={path}", *arguments, "unused")


def test_any_program_may_be_the_job_shell(instance: Instance) -> None:
    done = shell_job(instance, 'echo out $# $FLUX_JOB_ID; flux job id --to=f58 "$1"; echo err >&2')
    lines = [line.partition(": ")[2] for line in done.stderr.splitlines()]
    said = re.findall(r"^js.sh\[0\]: stdout: (?:out 1 )?(\S+)$", "\n".join(lines), re.M)
    assert len(said) == 2
    assert said[0] == said[1]
    assert "js.sh[0]: stderr: err" in lines
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_worst_of_the_job_shells_counts(instance: Instance) -> None:
    script = "r=$(flux getattr rank); [ $r = 0 ] || sleep 0.3; exit $r"
    assert shell_job(instance, script, "-N4", "-n4").returncode == 3


def test_a_job_shell_is_ended_with_its_job(instance: Instance) -> None:
    path = instance.home / "waits.sh"
    path.write_text("#!/bin/sh\nsleep 4371 &\necho ready\nwait\n")
    path.chmod(0o755)
    attribute = f"--setattr=system.exec.job_shell={path}"
    jobid = instance.run("mini", "submit", attribute, "unused").stdout.strip()
    instance.run("job", "wait-event", "-t", "30", "-p", "guest.exec.eventlog", jobid, "log")
    instance.run("job", "cancel", jobid)
    finish = instance.run("job", "wait-event", "-t", "30", jobid, "finish").stdout
    assert "status=15" in finish
    instance.run("job", "wait-event", "-t", "30", jobid, "clean")
    left = [
        one for one in psutil.process_iter(["cmdline"]) if "4371" in (one.info["cmdline"] or ())
    ]
    assert not psutil.wait_procs(left, timeout=60)[1]


def test_a_job_shell_that_is_not_there(instance: Instance) -> None:
    done = mini(instance, "--setattr=system.exec.job_shell=/nonexist", "unused")
    assert "cmd=/nonexist: rank=" in done.stderr
    assert "exec failed: No such file or directory" in done.stderr
    assert done.returncode == 127


@pytest.mark.parametrize(("phase", "code"), [("init", 1), ("starting", 143)])
def test_exceptions_of_the_launcher(instance: Instance, phase: str, code: int) -> None:
    done = mini(instance, f"--setattr=system.exec.bulkexec.mock_exception={phase}", "true")
    assert f"type=exec severity=0 mock {phase} exception generated" in done.stderr
    assert done.returncode == code


@pytest.mark.parametrize(
    ("attribute", "text", "code"),
    [
        ("exec=5", "failed to initialize implementation: attributes.system.exec must be", 1),
        ("exec.bulkexec=5", "attributes.system.exec.bulkexec must be an object", 1),
        ("exec.job_shell=5", "attributes.system.exec.job_shell must be a string", 1),
        ("exec.test=5", "failed to initialize testconf", 1),
        ("exec.test.run_duration=5", "failed to initialize testconf", 1),
        ("exec.test.mock_exception=init", "mock initialization exception generated", 1),
        ("exec.test.mock_exception=run", "mock run exception generated", 143),
        ("shell=5", "malformed jobspec: attributes.system.shell must be an object", 1),
        ("shell.options=5", "malformed jobspec: attributes.system.shell.options must be an", 1),
    ],
)
def test_attributes_of_the_execution(
    instance: Instance, attribute: str, text: str, code: int
) -> None:
    done = mini(instance, f"--setattr=system.{attribute}", "true")
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == code
    jobid = instance.run("jobs", "-a", "-n", "-c1", "-o", "{id}").stdout.strip()
    finished = " finish " in instance.run("job", "eventlog", jobid).stdout
    assert finished is (attribute.startswith("shell") or attribute.endswith("=run"))
