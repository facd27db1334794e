"""Jobs by PSI/J's executor ``flux``."""

import datetime
import pathlib
import threading

import cases
from psij import Job, JobAttributes, JobExecutor, JobSpec, JobState, JobStatus, ResourceSpecV1

import flux
import flux.job
import flux.resource.list
from flux.job import JobID

# Its executor for Flux needs both numbers to be said.
ONE = ResourceSpecV1(process_count=1, cpu_cores_per_process=1)
LIMIT = datetime.timedelta(seconds=60)


def submitted(**spec):
    executor = JobExecutor.get_instance("flux")
    job = Job(JobSpec(**({"resources": ONE} | spec)))
    executor.submit(job)
    return executor, job


def final(job, state=JobState.COMPLETED):
    status = job.wait(timeout=LIMIT)
    assert status is not None, "the job does not end"
    assert status.state == state, status
    return status


def files():
    pathlib.Path("in").write_text("hello\n")
    folder = pathlib.Path.cwd()
    _, job = submitted(
        executable="/bin/sh",
        arguments=["-c", "cat; echo wrong >&2"],
        stdin_path=folder / "in",
        stdout_path=folder / "out",
        stderr_path=folder / "err",
    )
    final(job)
    assert (folder / "out").read_text() == "hello\n"
    assert (folder / "err").read_text() == "wrong\n"


def directory():
    out = pathlib.Path("where").absolute()
    _, job = submitted(
        executable="/bin/sh",
        arguments=["-c", "echo word=$WORD; pwd"],
        directory=pathlib.Path("/usr"),
        environment={"WORD": "more"},
        stdout_path=out,
    )
    final(job)
    print(out.read_text())


def states():
    seen = []
    ended = threading.Event()

    def note(_job, status):
        seen.append(status.state)
        if status.final:
            ended.set()

    executor = JobExecutor.get_instance("flux")
    executor.set_job_status_callback(note)
    job = Job(JobSpec(executable="/bin/true", resources=ONE))
    executor.submit(job)
    assert ended.wait(60), seen
    assert seen == [JobState.QUEUED, JobState.ACTIVE, JobState.COMPLETED], seen


def failure():
    _, job = submitted(executable="/bin/sh", arguments=["-c", "exit 7"])
    assert final(job, JobState.FAILED).exit_code == 7


def cancel():
    _, job = submitted(executable="/bin/sleep", arguments=["600"])
    job.wait(timeout=LIMIT, target_states=[JobState.ACTIVE])
    job.cancel()
    final(job, JobState.CANCELED)


def attached():
    executor, job = submitted(executable="/bin/sleep", arguments=["600"])
    job.wait(timeout=LIMIT, target_states=[JobState.ACTIVE])
    # Its jobs are named in letters, which its list and attach do not know.
    assert JobID(job.native_id) in [JobID(found) for found in executor.list()]
    other = Job()
    JobExecutor.get_instance("flux").attach(other, str(int(JobID(job.native_id))))
    other.wait(timeout=LIMIT, target_states=[JobState.ACTIVE])
    job.cancel()
    assert final(other, JobState.CANCELED)


def resources():
    wanted = ResourceSpecV1(process_count=2, cpu_cores_per_process=1)
    out = pathlib.Path("ranks").absolute()
    _, job = submitted(
        executable="/bin/sh",
        arguments=["-c", "echo $FLUX_TASK_RANK"],
        resources=wanted,
        launcher="single",
        attributes=JobAttributes(duration=datetime.timedelta(minutes=1)),
        stdout_path=out,
    )
    assert isinstance(final(job), JobStatus)
    assert sorted(out.read_text().split()) == ["0", "1"]


def limit():
    short = JobAttributes(duration=datetime.timedelta(seconds=1))
    _, job = submitted(executable="/bin/sleep", arguments=["600"], attributes=short)
    assert "type=timeout" in final(job, JobState.FAILED).message


def missing():
    _, job = submitted(executable="/no/such/program")
    assert final(job, JobState.FAILED).message is not None


def killed():
    _, job = submitted(executable="/bin/sh", arguments=["-c", "kill -9 $$"])
    print("exit code", final(job, JobState.FAILED).exit_code)


def nodes():
    wanted = ResourceSpecV1(node_count=2, process_count=2, cpu_cores_per_process=1)
    out = pathlib.Path("nodes").absolute()
    _, job = submitted(
        executable="/bin/sh",
        arguments=["-c", "echo $FLUX_JOB_NNODES $FLUX_JOB_SIZE"],
        resources=wanted,
        stdout_path=out,
    )
    final(job)
    assert out.read_text() == "2 2\n2 2\n", out.read_text()


def unsatisfiable():
    wanted = ResourceSpecV1(node_count=50, process_count=50, cpu_cores_per_process=1)
    _, job = submitted(executable="/bin/true", resources=wanted)
    print(final(job, JobState.FAILED).message)


def many():
    seen = {}
    ended = threading.Semaphore(0)

    def note(job, status):
        seen.setdefault(job.id, []).append(status.state)
        if status.final:
            ended.release()

    executor = JobExecutor.get_instance("flux")
    executor.set_job_status_callback(note)
    words = {True: "/bin/true", False: "/bin/false"}
    jobs = [Job(JobSpec(executable=words[n % 2 == 0], resources=ONE)) for n in range(20)]
    for job in jobs:
        executor.submit(job)
    for _ in jobs:
        assert ended.acquire(timeout=90), seen
    begin = [JobState.QUEUED, JobState.ACTIVE]
    for number, job in enumerate(jobs):
        last = JobState.COMPLETED if number % 2 == 0 else JobState.FAILED
        assert seen[job.id] == [*begin, last], seen[job.id]


def queued():
    there = flux.resource.list.resource_list(flux.Flux()).get().up
    share = there.ncores // there.nnodes
    everything = ResourceSpecV1(
        node_count=there.nnodes, process_count=there.nnodes, cpu_cores_per_process=share
    )
    _, first = submitted(executable="/bin/sleep", arguments=["600"], resources=everything)
    first.wait(timeout=LIMIT, target_states=[JobState.ACTIVE])
    _, second = submitted(executable="/bin/true")
    second.wait(timeout=LIMIT, target_states=[JobState.QUEUED])
    assert second.status.state == JobState.QUEUED
    second.cancel()
    final(second, JobState.CANCELED)
    first.cancel()
    final(first, JobState.CANCELED)


def attached_last():
    executor, job = submitted(executable="/bin/sh", arguments=["-c", "exit 5"])
    final(job, JobState.FAILED)
    other = Job()
    executor.attach(other, str(int(JobID(job.native_id))))
    assert final(other, JobState.FAILED).exit_code == 5


def unsaid():
    submitted(executable="/bin/true", resources=None)


if __name__ == "__main__":
    functions = (files, states, failure, cancel, attached, resources, unsaid, directory, limit)
    cases.run(*functions, missing, killed, nodes, unsatisfiable, many, queued, attached_last)
