"""The scheduler plugin of AiiDA: its commands and its reading of their output."""

import pathlib
import subprocess
import time

import cases
from aiida.schedulers.datastructures import JobState
from aiida_flux_scheduler.flux import FluxScheduler


class Usable(FluxScheduler):
    """The plugin with what today's AiiDA asks of a scheduler, which this test does not."""

    def submit_job(self, working_directory, filename):
        raise NotImplementedError

    def get_jobs(self, jobs=None, user=None, as_dict=False):
        raise NotImplementedError

    def kill_job(self, jobid):
        raise NotImplementedError


def run(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def submitted(text):
    pathlib.Path("job.sh").write_text(f"#!/bin/bash\n#flux: -n1\n{text}\n")
    scheduler = Usable()
    number = scheduler._parse_submit_output(*run(scheduler._get_submit_command("job.sh")))
    assert isinstance(number, str), number
    return scheduler, number


def listed(scheduler):
    found = scheduler._parse_joblist_output(*run(scheduler._get_joblist_command()))
    return {job.job_id: job for job in found}


def until(scheduler, number, state):
    deadline = time.monotonic() + 60
    while (job := listed(scheduler).get(number)) is None or job.job_state != state:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def submit():
    scheduler, number = submitted("echo hello >said")
    run(f"flux job wait-event {number} clean")
    assert pathlib.Path("said").read_text() == "hello\n"
    details = scheduler._get_detailed_job_info_command(number)
    code, out, err = run(details)
    assert code == 0, err
    assert out


def jobs():
    scheduler, number = submitted("sleep 600")
    job = until(scheduler, number, JobState.RUNNING)
    assert job.num_mpiprocs == 1, job
    run(scheduler._get_kill_command(number))


def kill():
    scheduler, number = submitted("sleep 600")
    until(scheduler, number, JobState.RUNNING)
    print("killed:", scheduler._parse_kill_output(*run(scheduler._get_kill_command(number))))
    code, _, err = run(f"flux job wait-event -t 60 {number} clean")
    assert code == 0, err


def plain():
    FluxScheduler()


if __name__ == "__main__":
    cases.run(submit, jobs, kill, plain)
