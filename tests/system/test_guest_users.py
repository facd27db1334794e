"""Another user on a running instance: what a guest sees, may do, and can make the broker hold."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, ending, line

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
NOBODY = 65534

# Runs as the other user: imports first, for it need not be able to read our files.
PRELUDE = """
import asyncio, errno, os, sys
from flux.aio import AsyncFlux
from flux.connect import open_stream
import flux.connect.stream, flux.wire.framing, flux.wire.json, flux.wire.topic, uuid
os.setgroups([]); os.setgid(65534); os.setuid(65534)
uri = sys.argv[1]
async def call(handle, topic, payload=None):
    try:
        return (0, await handle.rpc(topic, payload))
    except OSError as exc:
        return (exc.errno, exc.strerror)
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with tempfile.TemporaryDirectory(prefix="g-", dir="/tmp") as folder:
        os.chmod(folder, 0o711)
        rundir = pathlib.Path(folder) / "run"
        rundir.mkdir(mode=0o711)
        options = (f"-o,--setattr=rundir={rundir}", "-o,--setattr=access.allow-guest-user=true")
        with running_instance(1, *options, "-o,--setattr=access.guest-connections=8") as running:
            yield running


def as_guest(instance: Instance | str, script: str) -> str:
    """Run an asyncio program as another user, at an instance or a URI; its output."""
    body = "\n".join("    " + line for line in script.strip().splitlines())
    program = f"{PRELUDE}\nasync def main():\n{body}\nasyncio.run(main())\n"
    uri = instance if isinstance(instance, str) else instance.uri
    done = subprocess.run(
        [sys.executable, "-c", program, uri],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_owners_keys_and_roots_are_not_shown(instance: Instance) -> None:
    script = """
handle = await AsyncFlux.connect(uri)
events = await handle.subscribe("")
print("ready", flush=True)
while True:
    msg = await anext(events)
    print(msg.topic, flush=True)
    if msg.topic == "the.end":
        break
await handle.close()
"""
    body = "\n".join("    " + line for line in script.strip().splitlines())
    program = f"{PRELUDE}\nasync def main():\n{body}\nasyncio.run(main())\n"
    argv = [sys.executable, "-c", program, instance.uri]
    with ending(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)) as guest:
        assert line(guest) == "ready\n"
        assert instance.run("kvs", "put", "secret.key=1").returncode == 0
        assert instance.run("event", "pub", "the.end").returncode == 0
        seen, _ = guest.communicate(timeout=PATIENCE)
    assert "the.end" in seen.split()
    assert not [topic for topic in seen.split() if topic.startswith("kvs.setroot")]
    owner = instance.run("kvs", "get", "secret.key")
    assert owner.stdout == "1\n"


def test_a_guest_logs_nothing_and_publishes_nothing_of_the_system(instance: Instance) -> None:
    out = as_guest(
        instance,
        """
handle = await AsyncFlux.connect(uri)
handle.send("log.append", b"<0>1 2026-01-01T00:00:00.0Z 0 kvs 1 - - planted")
print(await call(handle, "event.pub", {"topic": "job-exception", "flags": 0}))
print((await call(handle, "event.pub", {"topic": "mine", "flags": 0}))[0])
print(
    (await call(handle, "content.load", None))[0],
    (await call(handle, "attr.set", {"name": "a", "value": "b"}))[0],
    (await call(handle, "kvs.stats.get"))[0],
    (await call(handle, "broker.lsmod"))[0],
    (await call(handle, "broker.panic", {"reason": "x", "flags": 0}))[0],
    (await call(handle, "runat.push", {"name": "cleanup", "commands": ["x"]}))[0],
    (await call(handle, "state-machine.monitor"))[0],
    (await call(handle, "kvs.ping"))[0],
)
await handle.close()
""",
    )
    assert out.splitlines() == [
        "(1, 'events with that topic are published by the instance owner only')",
        "0",
        "1 1 1 1 1 1 0 0",
    ]
    assert "planted" not in instance.run("dmesg").stdout
    assert "planted" not in instance.log


def test_a_guest_has_so_many_connections(instance: Instance) -> None:
    out = as_guest(
        instance,
        """
handles = []
for _ in range(10):
    try:
        handles.append(await AsyncFlux.connect(uri))
    except OSError as exc:
        print(exc.errno == errno.EAGAIN)
print(len(handles))
for handle in handles:
    await handle.close()
""",
    )
    assert out.split() == ["True", "True", "8"]
    assert instance.run("getattr", "size").stdout == "1\n"


def test_guests_that_do_not_read_take_little_memory(instance: Instance) -> None:
    out = as_guest(
        instance,
        """
idle = []
for _ in range(4):
    handle = await AsyncFlux.connect(uri)
    await handle.transport._handle.rpc("local.sub", {"topic": "flood"})
    handle.transport._transport.pause_reading()
    idle.append(handle)
publisher = await AsyncFlux.connect(uri)
for _ in range(300):
    await publisher.publish_seq("flood.x", "x" * 1_000_000)
print("done")
await publisher.close()
for handle in idle:
    handle.transport._transport.abort()
""",
    )
    assert out == "done\n"
    assert instance.log.count(f"of user {NOBODY} does not read its messages") == 4
    pid = int(instance.run("getattr", "broker.pid").stdout)
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 200 * 1024


IMPORTS = "import concurrent.futures.thread, fluxctl.errors; from fluxctl.proxy import server"
PROXY = """
command = ["sh", "-c", "echo $FLUX_URI; read line"]
sys.exit(asyncio.run(server.serve(uri, command, "0.29.0", False, server.LossRules())))
"""


@pytest.fixture
def proxied(instance: Instance) -> Iterator[str]:
    """The URI of a proxy that another user runs."""
    with tempfile.TemporaryDirectory(prefix="g-", dir="/tmp") as folder:
        os.chown(folder, NOBODY, NOBODY)
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORTS + PRELUDE + PROXY, instance.uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": folder},
        )
        with ending(process) as proxy:
            assert proxy.stdin is not None
            yield line(proxy).strip()
            proxy.stdin.write("enough\n")
            proxy.stdin.close()
            assert proxy.wait(PATIENCE) == 0
        assert os.listdir(folder) == []


def test_a_guests_proxy_gives_each_client_a_connection_of_its_own(proxied: str) -> None:
    out = as_guest(
        proxied,
        """
one, two = await AsyncFlux.connect(uri), await AsyncFlux.connect(uri)
ping = {"seq": 0, "time.tv_sec": 0, "time.tv_nsec": 0, "pad": ""}
answers = [(await call(handle, "broker.ping", ping))[1] for handle in (one, two)]
print(*(answer["userid"] for answer in answers), *(answer["rolemask"] for answer in answers))
print(answers[0]["route"] != answers[1]["route"])
print((await call(one, "kvs.stats.get"))[0], (await call(two, "state-machine.monitor"))[0])
events = await one.subscribe("mine.")
await two.publish("mine.word", {"n": 1})
print((await anext(events)).json())
for request in range(100):
    asyncio.ensure_future(call(one, "broker.ping", ping))
await one.close()
print((await call(two, "broker.ping", ping))[0])
handles = [two]
while True:
    try:
        handles.append(await AsyncFlux.connect(uri))
    except OSError as exc:
        print(exc.errno == errno.EAGAIN)
        break
print(len(handles) < 8)  # the proxy's own is the eighth
for handle in handles:
    await handle.close()
""",
    )
    assert out.splitlines() == [
        f"{NOBODY} {NOBODY} 2 2",
        "True",
        "1 0",
        "{'n': 1}",
        "0",
        "True",
        "True",
    ]


# Everything is imported first, for another user need not be able to read our files.
COMMAND = """
import importlib, os, pkgutil, sys
import flux, fluxctl, fluxctl.main
for package in (flux, fluxctl):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".testing" not in module.name and ".seg" not in module.name:
            importlib.import_module(module.name)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(fluxctl.main.run(sys.argv[1:]))
"""


def flux_as_guest(
    instance: Instance, *words: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        env={**instance.environment, "HOME": "/"},
        cwd="/",
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


SIMULATED = '--setattr=system.exec.test.run_duration="0.01s"'
REFUSED = "exception: type=exec note=jobs of user 65534 cannot be run by an instance of user 0"


def test_another_user_submits_in_bulk(instance: Instance) -> None:
    def bulk(count: int, *words: str) -> subprocess.CompletedProcess[str]:
        inputs = "".join(f"{number}\n" for number in range(count))
        return flux_as_guest(instance, "mini", "bulksubmit", *words, stdin=inputs)

    # More than are followed one by one: the journal of all jobs is not for guests.
    done = bulk(40, "--wait", SIMULATED, "true", "{}")
    assert done.returncode == 0, done.stderr
    ids = done.stdout.split()
    assert len(set(ids)) == 40
    shown = flux_as_guest(instance, "jobs", "-an", "-o", "{username} {status}", *ids).stdout
    assert set(shown.splitlines()) == {"nobody COMPLETED"}
    done = bulk(3, "--wait", "true", "{}")
    assert done.returncode == 1
    assert done.stderr.count(REFUSED) == 3
    held = bulk(3, "--urgency=hold", "true", "{}").stdout.split()
    mine = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    refused = flux_as_guest(instance, "job", "cancel", mine)
    assert (refused.returncode, "guests" in refused.stderr) == (1, True)
    done = flux_as_guest(instance, "job", "cancelall", "-f")
    assert done.stderr == "flux-job: Canceled 3 jobs (0 errors)\n"
    left = instance.run("jobs", "-n", "-A", "-o", "{id.f58}", *held, mine).stdout.split()
    assert mine in left
    assert instance.run("jobs", "-n", "-o", "{state}", mine).stdout == "SCHED\n"
    instance.run("job", "cancel", mine)
