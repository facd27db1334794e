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
from flux.testing.instance import Instance, default_flux, running_instance
from flux.wire import framing
from flux.wire import message as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(3) as running:
        yield running


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not reached in time"
        time.sleep(0.02)


def connect(instance: Instance) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(instance.uri.removeprefix("local://"))
    sock.settimeout(10)
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
        verdict = _verdict_for(65534, path)
    finally:
        os.chmod(path, 0o700)
        os.chmod(instance.rundir, 0o700)
        os.chmod(instance.base, 0o700)
    assert verdict == b"\x01"
    assert "connection of user 65534 refused" in instance.run("dmesg").stdout


def _verdict_for(userid: int, path: str) -> bytes:
    """Return the byte that a connection of another user gets."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(userid)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            os.write(writer, sock.recv(1))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return answer


def clients(instance: Instance) -> dict[str, int]:
    stats: dict[str, int] = json.loads(instance.run("module", "stats", "connector-local").stdout)
    return stats


def streams(instance: Instance, service: str) -> int:
    with Flux(instance.uri) as h:
        stats = h.rpc(f"{service}.stats.get").get()
    return int(stats["streams"] if "streams" in stats else stats["watchers"])


def test_a_client_killed_in_mid_stream_leaves_nothing(instance: Instance) -> None:
    before = streams(instance, "log"), clients(instance)["clients"]
    follower = subprocess.Popen(
        [default_flux(), "dmesg", "-f"],
        env=instance.environment,
        stdout=subprocess.PIPE,
    )
    assert follower.stdout is not None
    assert follower.stdout.readline()
    until(lambda: streams(instance, "log") == before[0] + 1)
    follower.kill()
    follower.wait()
    follower.stdout.close()
    until(lambda: streams(instance, "log") == before[0])
    until(lambda: clients(instance)["clients"] == before[1])


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
            pending.wait_for(10).get()


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
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupted_follower_exits_without_traceback(instance: Instance) -> None:
    with subprocess.Popen(
        [default_flux(), "event", "sub"],
        env=instance.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as follower:
        until(lambda: clients(instance)["clients"] >= 2)
        assert follower.stdout is not None
        assert follower.stdout.readline().startswith(b"heartbeat.pulse")
        follower.send_signal(signal.SIGINT)
        assert follower.wait(10) == 130
        assert follower.stderr is not None
        assert follower.stderr.read() == b""


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
            started = time.monotonic()
            with pytest.raises(OSError, match="No route to host"):
                held.get()
            assert time.monotonic() - started < 10
            with pytest.raises(OSError, match="No route to host"):
                h.rpc("kvs.ping", {}, nodeid=2).get()
            assert h.rpc("kvs.ping", {}, nodeid=3).get()["route"]
        assert "rank 2 was lost" in instance.run("dmesg").stdout
        assert instance.stop() != 0


def test_an_interior_broker_takes_its_subtree_with_it() -> None:
    with running_instance(4) as instance:
        with Flux(instance.uri.removesuffix("0") + "1") as doomed:
            pid = int(doomed.attr_get("broker.pid") or 0)
        os.kill(pid, signal.SIGKILL)
        until(lambda: "rank 1 was lost, and with it ranks 3" in instance.run("dmesg").stdout)
        started = time.monotonic()
        instance.stop()
        assert time.monotonic() - started < 30


def test_a_silent_broker_is_lost_after_the_timeout() -> None:
    with running_instance(2, "-o,-Soverlay.timeout=1") as instance:
        with Flux(instance.uri.removesuffix("0") + "1") as other:
            pid = int(other.attr_get("broker.pid") or 0)
        os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: "rank 1 was lost" in instance.run("dmesg").stdout)
            with Flux(instance.uri) as h, pytest.raises(OSError) as failure:
                h.rpc("attr.get", {"name": "rank"}, nodeid=1).get()
            assert failure.value.errno == errno.EHOSTUNREACH
        finally:
            os.kill(pid, signal.SIGCONT)
