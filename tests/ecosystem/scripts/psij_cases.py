"""Jobs by PSI/J's executor ``flux``."""

import datetime
import pathlib
import threading

import cases
from psij import Job, JobAttributes, JobExecutor, JobSpec, JobState, JobStatus, ResourceSpecV1

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


def unsaid():
    submitted(executable="/bin/true", resources=None)


if __name__ == "__main__":
    cases.run(files, states, failure, cancel, attached, resources, unsaid, directory)
