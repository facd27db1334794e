"""What brokers survive: broken clients, other users, lost brokers, floods."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flux import Flux
from flux.testing.instance import Instance, running_instance
from flux.wire import framing
from flux.wire import message as wire

from .watching import PATIENCE, background, broker_pid, line, send, tree, until, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(3) as running:
        yield running


def connect(instance: Instance) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(instance.uri.removeprefix("local://"))
    sock.settimeout(PATIENCE)
    assert sock.recv(1) == b"\0"
    return sock


def closed(sock: socket.socket) -> bool:
    try:
        while sock.recv(65536):
            continue
    except ConnectionError:
        return True
    return True


good = framing.pack(wire.request("attr.get", {"name": "size"}, matchtag=1))
garbage = st.one_of(
    st.binary(min_size=8, max_size=300).filter(lambda data: data[:4] != good[:4]),
    st.integers(1 << 30, (1 << 32) - 1).map(
        lambda size: good[:4] + struct.pack(">I", size + 1 & 0xFFFFFFFF) + b"x"
    ),
    st.binary(min_size=1, max_size=60).map(
        lambda body: good[:4] + struct.pack(">I", len(body)) + body[:-1] + b"\0"
    ),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(garbage)
def test_garbage_closes_that_connection_only(instance: Instance, data: bytes) -> None:
    with connect(instance) as bad, connect(instance) as other:
        bad.sendall(good)
        bad.sendall(data)
        bad.shutdown(socket.SHUT_WR)
        assert closed(bad)
        other.sendall(good)
        assert framing.Unpacker().feed(other.recv(4096))[0].json() == {"value": "3", "flags": 1}


def test_garbage_is_logged(instance: Instance) -> None:
    with connect(instance) as bad:
        bad.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert closed(bad)
    assert "bad magic, connection closed" in instance.run("dmesg").stdout


def test_a_truncated_message_is_logged(instance: Instance) -> None:
    with connect(instance) as bad:
        bad.sendall(good + good[:-3])
    until(lambda: "ended within a message" in instance.run("dmesg").stdout)
    assert instance.run("getattr", "size").stdout == "3\n"


def test_a_payload_that_is_not_an_object_is_a_protocol_error(instance: Instance) -> None:
    with Flux(instance.uri) as h:
        for payload in ("[1]", "{broken", '"text"'):
            with pytest.raises(OSError, match="Protocol error"):
                h.rpc("attr.get", payload).get()
        assert h.attr_get("size") == "3"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_another_user_is_refused(instance: Instance) -> None:
    path = instance.uri.removeprefix("local://")
    os.chmod(instance.base, 0o755)
    os.chmod(instance.rundir, 0o755)
    os.chmod(path, 0o777)
    try:
        refusal = verdict(65534, instance.uri)
    finally:
        os.chmod(path, 0o700)
        os.chmod(instance.rundir, 0o700)
        os.chmod(instance.base, 0o700)
    assert refusal == errno.EPERM
    assert "connection of user 65534 refused" in instance.run("dmesg").stdout


def clients(instance: Instance) -> dict[str, int]:
    stats: dict[str, int] = json.loads(instance.run("module", "stats", "connector-local").stdout)
    return stats


def streams(instance: Instance, service: str) -> int:
    with Flux(instance.uri) as h:
        stats = h.rpc(f"{service}.stats.get").get()
    return int(stats["streams"] if "streams" in stats else stats["watchers"])


def test_a_client_killed_in_mid_stream_leaves_nothing(instance: Instance) -> None:
    before = streams(instance, "log"), clients(instance)["clients"]
    with background(instance, "dmesg", "-f") as follower:
        assert line(follower)
        until(lambda: streams(instance, "log") > 0)
        follower.kill()
    # Clients of the tests before may still have been there.
    until(lambda: streams(instance, "log") <= before[0])
    until(lambda: clients(instance)["clients"] <= before[1])


def test_a_client_that_serves_a_name_and_dies_frees_it(instance: Instance) -> None:
    first = Flux(instance.uri)
    first.service_register("mine").get()
    with Flux(instance.uri) as second:
        with pytest.raises(OSError, match="already registered"):
            second.service_register("mine").get()
        first.close()
        until(lambda: _registers(second, "mine"))


def test_a_request_to_a_client_that_dies_is_answered(instance: Instance) -> None:
    server = Flux(instance.uri)
    server.service_register("doomed").get()
    with Flux(instance.uri) as h:
        pending = h.rpc("doomed.x", {})
        assert server.recv().topic == "doomed.x"
        server.close()
        with pytest.raises(OSError, match="has gone"):
            pending.wait_for(PATIENCE).get()


def _registers(h: Flux, name: str) -> bool:
    try:
        h.service_register(name).get()
    except OSError:
        return False
    return True


def test_a_hundred_clients_at_once(instance: Instance) -> None:
    handles = [Flux(instance.uri) for _ in range(100)]
    pings = [
        h.rpc("kvs.ping", {"n": number}, nodeid=number % 3) for number, h in enumerate(handles)
    ]
    assert [ping.get()["n"] for ping in pings] == list(range(100))
    for h in handles:
        h.close()


def test_a_broken_pipe_is_silent(instance: Instance) -> None:
    done = subprocess.run(
        "flux lsattr -v | head -1; flux dmesg | head -1",
        shell=True,
        env=instance.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupted_follower_exits_without_traceback(instance: Instance) -> None:
    with background(instance, "event", "sub") as follower:
        assert line(follower).startswith("heartbeat.pulse")
        follower.send_signal(signal.SIGINT)
        _, errors = follower.communicate(timeout=PATIENCE)
        assert (follower.returncode, errors) == (130, "")


def test_a_killed_broker_is_noticed_and_the_rest_goes_on() -> None:
    with running_instance(4) as instance:
        with Flux(instance.uri) as h, Flux(instance.uri.removesuffix("0") + "2") as doomed:
            pid = int(doomed.attr_get("broker.pid") or 0)
            held = h.rpc(
                "barrier.enter",
                {"name": "never", "count": 1, "nprocs": 2, "internal": False},
                nodeid=2,
            )
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(OSError, match="No route to host"):
                held.wait_for(PATIENCE).get()
            with pytest.raises(OSError, match="No route to host"):
                h.rpc("kvs.ping", {}, nodeid=2).get()
            assert h.rpc("kvs.ping", {}, nodeid=3).get()["route"]
        assert "rank 2 was lost" in instance.run("dmesg").stdout
        assert instance.stop() != 0


def test_an_interior_broker_takes_its_subtree_with_it() -> None:
    with running_instance(4) as instance:
        os.kill(broker_pid(instance, 1), signal.SIGKILL)
        until(lambda: "rank 1 was lost, and with it ranks 3" in instance.run("dmesg").stdout)
        assert instance.stop(PATIENCE) != -signal.SIGKILL


def test_an_instance_that_stood_still_goes_on() -> None:
    """As on a machine whose virtual processor was taken away, or under a debugger."""
    with running_instance(4, "-o,-Soverlay.timeout=1") as instance:
        everything = [process.pid for process in tree(instance.process.pid)]
        send(everything, signal.SIGSTOP)
        time.sleep(3)
        send(everything, signal.SIGCONT)
        ranks = instance.run("exec", "flux", "getattr", "rank")
        assert sorted(ranks.stdout.split()) == ["0", "1", "2", "3"], ranks.stderr
        assert instance.run("mini", "run", "-N4", "-n4", "true").returncode == 0
        assert "was lost" not in instance.run("dmesg").stdout
        assert instance.stop(PATIENCE) == 0


def test_a_silent_broker_is_lost_after_the_timeout() -> None:
    with running_instance(2, "-o,-Soverlay.timeout=2") as instance:
        pid = broker_pid(instance, 1)
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: "rank 1 was lost" in instance.run("dmesg").stdout)
            with Flux(instance.uri) as h, pytest.raises(OSError) as failure:
                h.rpc("attr.get", {"name": "rank"}, nodeid=1).get()
            assert failure.value.errno == errno.EHOSTUNREACH
        finally:
            os.kill(pid, signal.SIGCONT)
