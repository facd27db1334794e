"""What a guest is told about the jobs, queues and modules of others, word for word."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

GUEST = {"FLUX_HANDLE_USERID": "9999", "FLUX_HANDLE_ROLEMASK": "0x2"}
DENIED = "Operation not permitted"
OWNERS = "Request requires owner credentals"
WATCH = f"flux-job: flux_job_event_watch_get: {DENIED}"
LOOKUP = f"flux-job: flux_job_eventlog_lookup_get: {DENIED}"
INFO = f"flux-job: flux_rpc_get_unpack: {DENIED}"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture(scope="module")
def jobs(instance: Instance) -> Iterator[dict[str, str]]:
    """The ids of a job that runs and of one that has ended."""
    running = instance.run("mini", "submit", "sleep", "300").stdout.strip()
    ended = instance.run("mini", "submit", "true").stdout.strip()
    assert instance.run("job", "wait-event", ended, "clean").returncode == 0
    assert instance.run("job", "wait-event", running, "start").returncode == 0
    yield {"RUN": running, "END": ended}
    instance.run("job", "cancelall", "-f")


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("job info RUN jobspec", INFO),
        ("job info RUN no-such-key", INFO),
        ("job info END R eventlog", INFO),
        ("job eventlog RUN", LOOKUP),
        ("job eventlog -p guest.exec.eventlog END", LOOKUP),
        ("job wait-event RUN clean", WATCH),
        ("job wait-event -p guest.exec.eventlog RUN done", WATCH),
        ("job attach RUN", WATCH),
        ("job attach END", WATCH),
        ("job cancel RUN", "flux-job: RUN: guests can only raise exceptions on their own jobs"),
        ("job raise RUN", "flux-job: RUN: guests can only raise exceptions on their own jobs"),
        ("job urgency RUN 3", "flux-job: RUN: guests can only reprioritize their own jobs"),
        ("job kill RUN", "flux-job: kill RUN: guests may only send signals to their own jobs"),
        ("job killall -f", "flux-job: killall: guests can only kill their own jobs"),
        ("job killall --user all", "flux-job: killall: guests can only kill their own jobs"),
        (
            "job cancelall --user all",
            "flux-job: raiseall: guests can only raise exceptions on their own jobs",
        ),
        ("job annotate RUN k v", "flux-job: annotate: guests can only annotate their own jobs"),
        ("queue stop", f"flux-queue: alloc-admin: {OWNERS}"),
        ("queue disable why", f"flux-queue: submit-admin: {OWNERS}"),
        ("queue idle", f"flux-queue: idle: {OWNERS}"),
        ("dmesg", f"flux: log.dmesg: {DENIED}"),
        ("dmesg --follow", f"flux: log.dmesg: {DENIED}"),
        ("module list", f"flux-module: broker.lsmod: {DENIED}"),
        ("mini submit true", "[Errno 1] signer=0 != requestor=9999"),
    ],
)
def test_what_a_guest_may_not(
    instance: Instance, jobs: dict[str, str], command: str, message: str, rank: int
) -> None:
    for name, jobid in jobs.items():
        command = command.replace(name, jobid)
        message = message.replace(name, jobid)
    uri = instance.uri.replace("local-0", f"local-{rank}")
    done = subprocess.run(
        [instance.flux, *command.split()],
        env=instance.environment | GUEST | {"FLUX_URI": uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = message.replace("signer=0", f"signer={_owner(instance)}")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{said}\n")


def _owner(instance: Instance) -> str:
    return instance.run("getattr", "security.owner").stdout.strip()
