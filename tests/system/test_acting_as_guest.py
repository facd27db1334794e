"""An owner who acts as a guest by FLUX_HANDLE_USERID and FLUX_HANDLE_ROLEMASK is told what a guest
is told.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

import flux
from flux.testing.instance import Instance, running_instance
from flux.wire.message import event

from .watching import PATIENCE, ending, line

if TYPE_CHECKING:
    from collections.abc import Iterator

GUEST = {"FLUX_HANDLE_USERID": "9999", "FLUX_HANDLE_ROLEMASK": "0x2"}


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        assert running.run("kvs", "put", "a=1").returncode == 0
        for name, owner in (("others", "9000"), ("mine", "9999")):
            done = running.run("kvs", "namespace", "create", "-o", owner, name)
            assert done.returncode == 0
        assert running.run("kvs", "put", "-N", "others", "a=1").returncode == 0
        assert running.run("kvs", "link", "-T", "others", "a", "link").returncode == 0
        assert running.run("kvs", "put", "-N", "mine", "a=1").returncode == 0
        assert running.run("kvs", "link", "-N", "mine", "-T", "others", "a", "lnk").returncode == 0
        yield running


def run(instance: Instance, *words: str, rank: int = 0) -> subprocess.CompletedProcess[str]:
    uri = instance.uri if rank == 0 else instance.uri.replace("local-0", f"local-{rank}")
    return subprocess.run(
        [instance.flux, *words],
        env=instance.environment | GUEST | {"FLUX_URI": uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


DENIED = "Operation not permitted"


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("kvs", "namespace", "create", "N"), "flux-kvs: N: Request requires owner credentals"),
        (("kvs", "namespace", "remove", "mine"), f"flux-kvs: mine: {DENIED}"),
        (("kvs", "namespace", "list"), f"flux-kvs: flux_rpc_get_unpack: {DENIED}"),
        (("kvs", "put", "a=1"), f"flux-kvs: flux_kvs_commit: {DENIED}"),
        (("kvs", "put", "-N", "others", "a=1"), f"flux-kvs: flux_kvs_commit: {DENIED}"),
        (("kvs", "get", "a"), f"flux-kvs: a: {DENIED}"),
        (("kvs", "get", "-N", "others", "a"), f"flux-kvs: a: {DENIED}"),
        (("kvs", "get", "-N", "mine", "lnk"), f"flux-kvs: lnk: {DENIED}"),
        (("kvs", "version"), f"flux-kvs: flux_kvs_get_version: {DENIED}"),
        (("kvs", "wait", "1"), f"flux-kvs: flux_kvs_wait_version: {DENIED}"),
        (("kvs", "getroot"), f"flux-kvs: flux_kvs_getroot_get_treeobj: {DENIED}"),
        (("kvs", "dropcache"), f"flux-kvs: flux_kvs_dropcache: {DENIED}"),
        (("module", "stats", "kvs"), f"flux-module: kvs.stats.get: {DENIED}"),
        (("module", "stats", "-c", "kvs"), f"flux-module: kvs.stats.clear: {DENIED}"),
    ],
)
def test_what_a_guest_may_not(
    instance: Instance, words: tuple[str, ...], message: str, rank: int
) -> None:
    done = run(instance, *words, rank=rank)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{message}\n")


JOB = "JOB"
OWN = "guests can only"


@pytest.fixture(scope="module")
def job(instance: Instance) -> Iterator[str]:
    """A job of the owner that runs until the tests are over."""
    jobid = instance.run("mini", "submit", "sleep", "600").stdout.strip()
    assert instance.run("job", "wait-event", jobid, "start").returncode == 0
    yield jobid
    instance.run("job", "cancel", jobid)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("job", "cancel", JOB), f"flux-job: JOB: {OWN} raise exceptions on their own jobs"),
        (("job", "raise", JOB), f"flux-job: JOB: {OWN} raise exceptions on their own jobs"),
        (("job", "urgency", JOB, "3"), f"flux-job: JOB: {OWN} reprioritize their own jobs"),
        (
            ("job", "kill", JOB),
            "flux-job: kill JOB: guests may only send signals to their own jobs",
        ),
        (("job", "killall", "-u", "all"), f"flux-job: killall: {OWN} kill their own jobs"),
        (
            ("job", "cancelall", "-u", "all"),
            f"flux-job: raiseall: {OWN} raise exceptions on their own jobs",
        ),
        (
            ("job", "raiseall", "-u", "all", "x"),
            f"flux-job: raiseall: {OWN} raise exceptions on their own jobs",
        ),
        (("job", "annotate", JOB, "a", "b"), f"flux-job: annotate: {OWN} annotate their own jobs"),
        (("job", "info", JOB, "R"), f"flux-job: flux_rpc_get_unpack: {DENIED}"),
        (("job", "info", JOB, "nosuch"), f"flux-job: flux_rpc_get_unpack: {DENIED}"),
        (("job", "eventlog", JOB), f"flux-job: flux_job_eventlog_lookup_get: {DENIED}"),
        (("job", "wait-event", JOB, "x"), f"flux-job: flux_job_event_watch_get: {DENIED}"),
        (
            ("job", "wait-event", "-p", "guest.exec.eventlog", JOB, "x"),
            f"flux-job: flux_job_event_watch_get: {DENIED}",
        ),
        (("job", "attach", JOB), f"flux-job: flux_job_event_watch_get: {DENIED}"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_a_guest_may_not_do_with_a_job(
    instance: Instance, job: str, words: tuple[str, ...], message: str, rank: int
) -> None:
    done = run(instance, *(job if word == JOB else word for word in words), rank=rank)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{message.replace(JOB, job)}\n"


def test_the_owner_of_a_namespace_may(instance: Instance) -> None:
    assert run(instance, "kvs", "get", "-N", "mine", "a").stdout == "1\n"
    assert run(instance, "kvs", "put", "-N", "mine", "b=2").returncode == 0
    shown = run(instance, "ping", "-u", "-c1", "kvs").stdout
    assert "userid=9999 rolemask=0x2" in shown


OWNERS_TOPICS = "flux-event: events with that topic are published by the instance owner only\n"


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("option", ["--loopback", "--synchronous", "--private", None])
def test_an_event_with_a_topic_of_the_system_is_refused(
    instance: Instance, rank: int, option: str | None
) -> None:
    options = [option] if option else []
    for topic in ("kvs.setroot", "kvs.setroot-primary", "job-exception", "heartbeat.pulse"):
        done = run(instance, "event", "pub", *options, topic, "{}", rank=rank)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", OWNERS_TOPICS)
    done = run(instance, "event", "pub", *options, "lunch.ready", "{}", rank=rank)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_event_with_a_topic_of_the_system_that_is_sent_as_a_message_is_dropped(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with flux.Flux(instance.uri) as owner:
        owner.event_subscribe("")
        for name, value in GUEST.items():
            monkeypatch.setenv(name, value)
        with flux.Flux(instance.uri) as guest:
            for topic in ("kvs.setroot", "job-exception", "lunch.over"):
                guest.send_wire(event(topic, {"by": "a guest"}))
            while (msg := owner.event_recv()).payload != {"by": "a guest"}:
                pass
    assert msg.topic == "lunch.over"


def test_a_bad_variable_is_named(instance: Instance) -> None:
    done = subprocess.run(
        [instance.flux, "getattr", "size"],
        env=instance.environment | {"FLUX_HANDLE_USERID": "me"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "FLUX_HANDLE_USERID is not a number of 32 bits: me" in done.stderr


def test_a_python_handle_acts_as_a_guest(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in GUEST.items():
        monkeypatch.setenv(name, value)
    with flux.Flux(instance.uri) as h, pytest.raises(PermissionError):
        h.rpc("kvs.getroot", {"namespace": "primary"}).get()
    assert os.environ["FLUX_HANDLE_USERID"] == "9999"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_guest_watches_the_list_of_jobs(instance: Instance, rank: int) -> None:
    """Job by job, until all have ended."""
    ids = []
    for name in ("first", "second"):
        words = ("submit", f"--job-name={name}", "sh", "-c", "until test -e $0; do sleep 0.1; done")
        ids.append(instance.run(*words, f"{instance.home}/{name}").stdout.strip())
    held = instance.run("submit", "--job-name=held", "--urgency=hold", "true").stdout.strip()
    uri = instance.uri.replace("local-0", f"local-{rank}")
    argv = [str(instance.flux), "jobs", "--watch", "-n", "-o", "{name} {status}", *ids, held]
    environment = instance.environment | GUEST | {"FLUX_URI": uri}
    with ending(
        subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
    ) as process:
        begin = sorted(line(process) for _ in range(3))
        assert begin == ["first RUNNING\n", "held PENDING\n", "second RUNNING\n"]
        for name in ("first", "second"):
            (instance.home / name).touch()
            assert line(process) == f"{name} COMPLETED\n"
            (instance.home / name).unlink()
        instance.run("cancel", held)
        assert line(process) == "held CANCELED\n"
        assert process.wait(PATIENCE) == 0
