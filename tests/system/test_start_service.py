"""The service that ``flux start --test-size`` has for programs of its instance."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import PATIENCE, until, until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

LEADER = ("--test-start-mode=leader", "--test-exit-mode=leader", "-o,-Sbroker.quorum=0")


@pytest.fixture
def instance() -> Iterator[Instance]:
    """Three brokers in a row, of which only the first is started."""
    with running_instance(3, "-v", "-o,-Stbon.fanout=1", *LEADER) as running:
        yield running


@pytest.fixture
def start(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.environment["FLUX_START_URI"]) as handle:
        yield handle


def failure(start: flux.Flux, topic: str, **payload: Any) -> int:
    with pytest.raises(OSError) as raised:
        start.rpc(f"start.{topic}", payload).get()
    return raised.value.errno or 0


def pids(start: flux.Flux) -> list[int]:
    return [proc["pid"] for proc in start.rpc("start.status", {}).get()["procs"]]


def until_online(instance: Instance, idset: str) -> None:
    """Wait until the ranks online are those of ``idset``."""
    with flux.Flux(instance.uri) as handle:
        until_equal(lambda: handle.rpc("state-machine.quorum-get").get()["idset"], idset)


def test_it_is_told_to_the_initial_program_and_nobody_else(instance: Instance) -> None:
    assert instance.environment["FLUX_START_URI"] == f"local://{instance.rundir}/start"
    assert os.stat(f"{instance.rundir}/start").st_mode & 0o777 == 0o700
    inner = instance.run("start", "sh", "-c", "echo ${FLUX_START_URI-none}")
    assert inner.stdout == "none\n"


def test_it_says_what_cannot_be_done(start: flux.Flux) -> None:
    assert failure(start, "run", rank=0) == errno.EEXIST
    assert failure(start, "run", rank=3) == errno.ESRCH
    assert failure(start, "kill", rank=3, signum=15) == errno.ESRCH
    assert failure(start, "kill", rank=1, signum=15) == errno.ESRCH
    assert failure(start, "kill", rank=0, signum=0) == errno.EINVAL
    assert failure(start, "kill", rank=0, signum=999) == errno.EINVAL
    assert failure(start, "wait", rank=-1) == errno.ESRCH
    assert failure(start, "wait", rank=1) == errno.ENOENT
    assert failure(start, "nosuch") == errno.ENOSYS
    for topic in ("run", "kill", "wait"):
        assert failure(start, topic) == errno.EPROTO
        assert failure(start, topic, rank="1", signum=1.5) == errno.EPROTO
    assert pids(start)[1:] == [-1, -1]


def test_brokers_are_started_killed_and_started_again(instance: Instance, start: flux.Flux) -> None:
    for rank, online in ((1, "[0-1]"), (2, "[0-2]")):
        start.rpc("start.run", {"rank": rank}).get()
        until_online(instance, online)
    before = pids(start)
    assert -1 not in before
    ended = start.rpc("start.wait", {"rank": 2})
    start.rpc("start.kill", {"rank": 2, "signum": int(signal.SIGKILL)}).get()
    assert ended.get() == {"exit_rc": 137}
    assert start.rpc("start.wait", {"rank": 2}).get() == {"exit_rc": 137}
    until_online(instance, "[0-1]")
    assert pids(start) == [*before[:2], -1]
    start.rpc("start.run", {"rank": 2}).get()
    until_online(instance, "[0-2]")
    assert instance.run("exec", "-r2", "flux", "getattr", "rank").stdout == "2\n"
    assert instance.stop() == 0


def test_a_rank_that_comes_late_is_down_until_then(tmp_path: pathlib.Path) -> None:
    made = subprocess.run(
        [default_flux(), "R", "encode", "-r0-2", "-c0"], capture_output=True, timeout=60, check=True
    )
    (tmp_path / "R").write_bytes(made.stdout)
    config = tmp_path / "conf.toml"
    config.write_text(f'[resource]\npath = "{tmp_path}/R"\nnoverify = true\n')
    with (
        running_instance(3, *LEADER, f"-o,--config-path={config}") as instance,
        flux.Flux(instance.environment["FLUX_START_URI"]) as start,
    ):
        start.rpc("start.run", {"rank": 1}).get()
        until_online(instance, "[0-1]")
        until_equal(lambda: down(instance), "1")
        assert instance.run("mini", "run", "true").returncode == 0
        jobid = instance.run("mini", "submit", "-N3", "-n3", "true").stdout.strip()
        start.rpc("start.run", {"rank": 2}).get()
        done = instance.run("job", "attach", jobid, timeout=60)
        assert done.returncode == 0, done.stderr
        until_equal(lambda: down(instance), "0")


def down(instance: Instance) -> str:
    """How many nodes `flux resource list` counts down."""
    run = instance.run("resource", "list", "-no", "{nnodes}", "--states=down")
    return run.stdout.strip()


def test_a_broker_waits_for_its_parent_and_tells_its_clients_so(
    instance: Instance, start: flux.Flux
) -> None:
    start.rpc("start.run", {"rank": 2}).get()
    uri = f"local://{instance.rundir}/local-2"
    until(lambda: connects(uri))
    instance.environment["FLUX_URI"], leader = uri, instance.uri
    for words in (["ping", "-c1", "0"], ["getattr", "size"], ["resource", "list"]):
        run = instance.run(*words)
        assert run.returncode == 1
        assert "broker is offline" in run.stderr
    instance.environment["FLUX_URI"] = leader
    start.rpc("start.run", {"rank": 1}).get()
    until_online(instance, "[0-2]")
    instance.environment["FLUX_URI"] = uri
    assert instance.run("getattr", "size").stdout == "3\n"
    instance.environment["FLUX_URI"] = leader


def connects(uri: str) -> bool:
    """Whether a broker listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(uri.removeprefix("local://")) == 0


def test_verbose_tells_who_comes_and_goes(instance: Instance) -> None:
    with flux.Flux(instance.environment["FLUX_START_URI"]) as handle:
        pids(handle)
    until(lambda: "flux-start: bye " in instance.log)
    found = re.search(r"flux-start: hi ([0-9a-f]{5})\n", instance.log)
    assert found is not None
    assert f"flux-start: disconnect from {found[1]}\nflux-start: bye {found[1]}\n" in instance.log


def test_nonsense_costs_its_connection_only(instance: Instance, start: flux.Flux) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(f"{instance.rundir}/start")
        assert sock.recv(1) == b"\0"
        sock.sendall(b"nonsense" * 10)
        assert sock.recv(1) == b""
    assert pids(start)[0] > 0
