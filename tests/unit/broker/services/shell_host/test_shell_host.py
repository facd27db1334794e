"""The shell-host service: a host that cannot be started, one that is lost, jobs that it had not
taken up.
"""

from __future__ import annotations

import asyncio
import errno
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from broker.services.rexec.today import TodaysRexecService
from broker.services.shell_host import launcher, sign_of_life
from broker.services.shell_host import service as module
from broker.services.shell_host.service import ShellHostService
from broker.shell import protocol
from broker.testing import ServiceHarness

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable

    from broker.context import Context

Harness = ServiceHarness[ShellHostService]


class Hosting(ShellHostService):
    """With what a broker gives it."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, TodaysRexecService)


class FakeHost:
    """Stands for the host process: keeps the shells' ends of the sockets it is given."""

    def __init__(self, on_death: Callable[[int, int, int], None], *_: Any) -> None:
        self.on_death = on_death
        self.running = True
        self.pid = 1000
        self.ends: list[socket.socket] = []
        self.killed: list[int] = []
        self.error: OSError | None = None
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        if self.error is not None:
            raise self.error

    def fork(self, jobid: int, end: socket.socket) -> None:
        if self.error is not None:
            end.close()
            raise self.error
        self.ends.append(end)

    def kill(self, jobid: int) -> None:
        self.killed.append(jobid)

    def check(self) -> None:
        pass

    async def stop(self) -> None:
        for end in self.ends:
            end.close()


@pytest.fixture
async def harness(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    monkeypatch.setattr(module, "HostProcess", FakeHost)
    monkeypatch.setattr(module, "RETRY_START", 0.01)
    monkeypatch.setattr(module, "FIRST_START", 0.0)
    harness = ServiceHarness[ShellHostService](Hosting)
    yield harness
    await harness.stop()


def fake(harness: Harness) -> FakeHost:
    return cast("FakeHost", harness.service.host)


async def test_a_host_that_cannot_be_started_is_tried_again_and_logged_once(
    harness: Harness,
) -> None:
    host = fake(harness)
    host.error = OSError(errno.EMFILE, "Too many open files")
    await harness.start()
    harness.service.warm_up()
    await harness.until(lambda: host.starts > 3)
    lines = [entry.text for entry in harness.logs]
    assert lines == ["the shell host cannot be started, which is tried again: Too many open files"]
    host.error = None
    starts = host.starts
    await harness.until(lambda: host.starts > starts)


def received(end: socket.socket) -> list[dict[str, Any]]:
    end.settimeout(5)
    return [json.loads(line) for line in end.recv(65536).splitlines()]


def start(harness: Harness) -> list[Any]:
    return harness.stream(
        "shell-host.start", {"id": 7, "userid": 0, "leader": 0, "jobspec": {}, "R": {}}
    )


@pytest.mark.parametrize("absent", ["id", "userid", "jobspec", "R"])
async def test_a_start_that_lacks_a_part_of_the_job_starts_no_shell(
    harness: Harness, absent: str
) -> None:
    await harness.start()
    asked = {"id": 7, "userid": 0, "leader": 0, "jobspec": {}, "R": {}}
    del asked[absent]
    with pytest.raises(OSError) as caught:
        await harness.request("shell-host.start", asked)
    assert caught.value.errno == errno.EPROTO
    assert not harness.service.links
    assert not fake(harness).ends


def last(replies: list[Any]) -> Any:
    assert replies[-1].errnum == errno.ENODATA
    return json.loads(replies[-1].text())


async def test_a_job_that_no_shell_took_up_is_given_to_another_one_once(harness: Harness) -> None:
    await harness.start()
    replies, host = start(harness), fake(harness)
    await harness.request("shell-host.tell", {"id": 7, "msg": {"t": "ack", "bytes": 1}})
    host.ends[0].close()
    await harness.until(lambda: len(host.ends) == 2)
    first, second = received(host.ends[1])
    assert first["job"]["id"] == 7
    assert isinstance(protocol.to_shell(first), protocol.RunJob)
    assert second == {"t": "ack", "bytes": 1}
    host.ends[1].close()
    await harness.until(lambda: len(replies) == 1)
    assert last(replies) == {"t": "exit", "status": 9, "lost": True}
    assert len(host.ends) == 2


async def taken_up(harness: Harness) -> tuple[list[Any], FakeHost]:
    """Start a job whose shell has said hello and gone."""
    await harness.start()
    replies, host = start(harness), fake(harness)
    host.ends[0].sendall(b'{"t":"hello","pid":4194304}\n')
    await harness.until(lambda: harness.service.links[7].pid == 4194304)
    host.ends[0].close()
    return replies, host


async def test_a_job_that_was_taken_up_never_runs_again(harness: Harness) -> None:
    replies, host = await taken_up(harness)
    host.on_death(7, 4194304, 9)
    assert last(replies)["lost"]
    assert len(host.ends) == 1
    assert host.killed == [7]


async def test_the_host_tells_how_a_shell_ended(harness: Harness) -> None:
    replies, host = await taken_up(harness)
    host.on_death(7, 4194304, 3)
    assert (last(replies)["status"], last(replies)["killed"]) == (3, True)


@pytest.mark.parametrize("running", [True, False])
async def test_a_shell_of_which_the_host_says_nothing_is_lost(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, running: bool
) -> None:
    monkeypatch.setattr(module, "DEATH_SECONDS", 0.01 if running else 1000.0)
    fake(harness).running = running
    replies, _ = await taken_up(harness)
    await harness.until(lambda: len(replies) == 1)
    assert (last(replies)["status"], "killed" in last(replies)) == (9, False)


async def test_a_job_that_was_killed_is_not_given_to_another_shell(harness: Harness) -> None:
    await harness.start()
    replies, host = start(harness), fake(harness)
    await harness.request("shell-host.kill", {"id": 7})
    host.ends[0].close()
    await harness.until(lambda: len(replies) == 1)
    assert len(host.ends) == 1


async def test_a_shell_that_talks_nonsense_is_lost(harness: Harness) -> None:
    await harness.start()
    replies, host = start(harness), fake(harness)
    host.ends[0].sendall(
        b'{"t":"hello","pid":4194304}\n{"t":"hello","pid":"x"}\n{"t":"exit","status":0}\n'
    )
    await harness.until(lambda: len(replies) == 1)
    assert last(replies) == {"t": "exit", "status": 9, "lost": True}
    assert host.killed == [7]
    assert [entry.text for entry in harness.logs] == [
        "shell of job 7: malformed message: hello: pid"
    ]


async def test_what_is_for_the_execution_service_goes_on_as_it_came(harness: Harness) -> None:
    await harness.start()
    replies, host = start(harness), fake(harness)
    said = [b'{"t":"ev","output":1}', b'{"t":"exit","status":256,"exec":"x\\n"}']
    host.ends[0].sendall(b'{"t":"hello","pid":4194304}\n' + b"\n".join(said) + b"\n")
    await harness.until(lambda: len(replies) == 2)
    assert replies[0].payload == said[0] + b"\0"
    assert last(replies) == {"t": "exit", "status": 256, "exec": "x\n"}


async def test_a_hung_host_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_of_life, "HUNG_AFTER", 0.0)
    monkeypatch.setattr(launcher, "_BOOT", "import time; time.sleep(6301) # {path!r} {fd}")
    lost: list[tuple[int, str]] = []
    host = launcher.HostProcess(lambda *_: None, lambda pid, why: lost.append((pid, why)))
    host.start()
    pid = host.pid
    host.check()
    assert lost == [(pid, "has not answered for 1s")]
    await host.stop()


async def test_a_host_answers_and_ends_with_its_socket() -> None:
    lost: list[Any] = []
    host = launcher.HostProcess(lambda *_: None, lambda *what: lost.append(what))
    host.start()
    async with asyncio.timeout(60):
        while not host.has_answered:
            await asyncio.sleep(0.01)
    host.check()
    await host.stop()
    assert lost == []
    assert host.pid == 0
