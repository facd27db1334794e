"""Batch jobs of flux-batch."""

import pathlib
import subprocess

import cases
import flux_batch

import flux
from flux.job import event_wait, result


def batch():
    """Two jobs, a script before and one after them."""
    jobs = flux_batch.BatchJobV1()
    jobs.add_job(["sh", "-c", "echo one >one"])
    jobs.add_job(["sh", "-c", "echo two >two"])
    options = {"nodes": 1, "nslots": 1, "time_limit": "10m", "job_name": "pair"}
    spec = flux_batch.BatchJobspecV1.from_jobs(jobs, **options)
    spec.add_prolog("echo before >before")
    spec.add_epilog("echo after >after")
    return spec


def submit():
    handle = flux.Flux()
    number = flux_batch.submit(handle, batch())
    assert result(handle, number).result == "COMPLETED"
    for name in ("before", "one", "two", "after"):
        assert pathlib.Path(name).read_text() == f"{name}\n"
    assert event_wait(handle, number, "clean").name == "clean"
    said = subprocess.run(["flux", "jobs", "-no", "{name}", str(number)], capture_output=True)
    assert said.stdout == b"pair\n", said


def preview():
    from flux_batch.submit import preview

    preview(batch())


def flags():
    everything = {
        "exclusive": True,
        "urgency": 20,
        "setopt": ["verbose=0"],
        "setattr": ["system.site=here"],
        "env": ["WORD=more"],
        "env_remove": ["DISPLAY"],
        "rlimit": ["nofile"],
        "conf": ["resource.noverify=true"],
        "signal": "SIGUSR1@1m",
        "dump": "dump.tgz",
        "unbuffered": True,
    }
    jobs = flux_batch.BatchJobV1()
    jobs.add_job(["sh", "-c", "echo $WORD >word"])
    options = {"nodes": 1, "nslots": 1, "time_limit": "10m", "job_name": "all"}
    spec = flux_batch.BatchJobspecV1.from_jobs(jobs, **options, **everything)
    handle = flux.Flux()
    assert result(handle, flux_batch.submit(handle, spec)).result == "COMPLETED"
    assert pathlib.Path("word").read_text() == "more\n"


if __name__ == "__main__":
    cases.run(submit, preview, flags)
