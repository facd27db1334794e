"""What the broker's own services take: names, values, ranks and numbers within bounds, and a
guest's log line not at all.
"""

from __future__ import annotations

import errno
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest

from broker.attributes import Attributes
from broker.builtin.attr import MAX_ATTRIBUTES, AttrService
from broker.builtin.broker import MAX_GUEST_SERVICES, BrokerService, NameService
from broker.builtin.event import EventService
from broker.builtin.log import LogService
from broker.builtin.state import StateMachineService
from broker.log import LogRing
from broker.router import Router
from broker.runlevel import Runlevel
from broker.testing.harness import ServiceHarness
from broker.topology import Topology
from flux.logline import Entry, parse
from flux.wire.message import NORESPONSE, Message

if TYPE_CHECKING:
    from pathlib import Path

    from broker.context import Context
    from broker.modhost import ModuleHost

GUEST = 77


class Client:
    id = "client"

    def deliver(self, msg: Message) -> None:
        """Nothing is sent here."""


def router() -> Router:
    made = Router(Topology(0, 4), lambda function: None)
    made.attach(Client())
    return made


async def errnum(
    harness: ServiceHarness[Any], topic: str, payload: dict[str, Any], userid: int = 0
) -> int:
    try:
        await harness.request(topic, payload, userid=userid)
    except OSError as exc:
        refused = exc
    else:
        return 0
    assert refused.strerror
    assert "Error" not in refused.strerror
    return refused.errno or 0


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"name": "my.attr", "value": "x"}, 0),
        ({"name": "", "value": "x"}, errno.EINVAL),
        ({"name": "a\x1b", "value": "x"}, errno.EINVAL),
        ({"name": "a\udcff", "value": "x"}, errno.EINVAL),
        ({"name": "a" * 2000, "value": "x"}, errno.EINVAL),
        ({"name": "a", "value": "x" * (1 << 21)}, errno.EINVAL),
        ({"name": "a", "value": 1}, errno.EPROTO),
    ],
)
async def test_attributes_have_names_and_values_within_bounds(
    payload: dict[str, Any], expected: int
) -> None:
    assert await errnum(ServiceHarness(AttrService), "attr.set", payload) == expected


async def test_attributes_are_so_many() -> None:
    harness = ServiceHarness(AttrService)
    for number in range(MAX_ATTRIBUTES):
        harness.ctx.attrs.define(f"a{number}", "")
    assert await errnum(harness, "attr.set", {"name": "one.more", "value": ""}) == errno.ENOSPC
    assert await errnum(harness, "attr.set", {"name": "a1", "value": "x"}) == 0


@pytest.mark.parametrize("value", ["9" * 5000, str(1 << 31), "x", ""])
def test_numbers_in_attributes_have_32_bits(value: str) -> None:
    attrs = Attributes()
    LogRing(0, attrs)
    with pytest.raises(OSError, match="Invalid argument"):
        attrs.set("log-ring-size", value)


LONGEST = 128 * 1024 - 1
"""Bytes of ``NAME=VALUE`` with which Linux starts a program."""


class Variables(BrokerService):
    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, cast("ModuleHost", None), router(), lambda: None)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"MINE": "x"}, 0),
        ({"MINE": None}, 0),
        ({"MINE": "\udcff"}, 0),
        ({"MINE": 5}, errno.EINVAL),
        ({"": "x"}, errno.EINVAL),
        ({"A=B": "x"}, errno.EINVAL),
        ({"A\0": "x"}, errno.EINVAL),
        ({"A": "\0"}, errno.EINVAL),
        ({"A": "\ud800"}, errno.EINVAL),
        ({"MINE": "x" * (LONGEST - 5)}, 0),
        ({"MINE": "x" * (LONGEST - 4)}, errno.E2BIG),
        ({"MINE": "é" * (LONGEST // 2)}, errno.E2BIG),
    ],
)
async def test_variables_are_such_that_programs_start(
    env: dict[str, Any], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "before")
    harness = ServiceHarness(Variables)
    assert await errnum(harness, "broker.setenv", {"env": {"MINE": "now", **env}}) == expected
    found = await harness.request("broker.getenv", {"names": ["MINE", "NOWHERE", 5]})
    value = "before" if expected else env["MINE"]
    assert found == {"env": {} if value is None else {"MINE": value}}
    assert subprocess.run(["true"], check=True).returncode == 0
    refused = await errnum(harness, "broker.setenv", {"env": {}}, userid=GUEST)
    assert refused == errno.EPERM


class Names(NameService):
    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, router())


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "a b", "a\n", "a\x1b", "a" * 257, "\udcff"]
)
async def test_service_names_are_words(name: str) -> None:
    assert await errnum(ServiceHarness(Names), "service.add", {"service": name}) == errno.EINVAL


async def test_a_client_serves_so_many_names() -> None:
    harness = ServiceHarness(Names)
    for number in range(MAX_GUEST_SERVICES):
        assert await errnum(harness, "service.add", {"service": f"{GUEST}-{number}"}, GUEST) == 0
    assert await errnum(harness, "service.add", {"service": f"{GUEST}-more"}, GUEST) == errno.ENOSPC
    assert await errnum(harness, "service.remove", {"service": f"{GUEST}-0"}, GUEST) == 0
    assert await errnum(harness, "service.add", {"service": f"{GUEST}-more"}, GUEST) == 0


class Events(EventService):
    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, router())


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"topic": "a.b"}, 0),
        ({"topic": "a.b", "userid": 5, "rolemask": 2}, 0),
        ({"topic": "a.b", "rolemask": 1 << 32}, errno.EPROTO),
        ({"topic": "a.b", "userid": -1}, errno.EPROTO),
        ({"topic": "a.b", "userid": True}, errno.EPROTO),
        ({"topic": ""}, errno.EINVAL),
        ({"topic": "a\n"}, errno.EINVAL),
        ({"topic": "a" * 5000}, errno.EINVAL),
        ({"topic": "a", "flags": 1, "payload": "%%%"}, errno.EPROTO),
        ({"topic": 5}, errno.EPROTO),
    ],
)
async def test_events_are_published_within_bounds(payload: dict[str, Any], expected: int) -> None:
    assert await errnum(ServiceHarness(Events), "event.pub", payload) == expected


class Log(LogService):
    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx, LogRing(0, ctx.attrs))


async def test_only_the_owner_adds_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    harness = ServiceHarness(Log)
    await harness.start()
    line = b"<0>1 2026-01-01T00:00:00.0Z 0 kvs 1 - - \x1b[2Jroot password:\x07\nsecond"
    harness.submit("log.append", line, userid=GUEST, flags=NORESPONSE)
    assert list(harness.service.ring) == []
    assert capsys.readouterr().err == ""
    harness.submit("log.append", line, flags=NORESPONSE)
    assert [entry.text for entry in harness.service.ring] == [
        "\\u001b[2Jroot password:\\u0007",
        "second",
    ]
    assert capsys.readouterr().err.splitlines() == [
        "2026-01-01T00:00:00.0Z kvs.emerg[0]: \\u001b[2Jroot password:\\u0007",
        "2026-01-01T00:00:00.0Z kvs.emerg[0]: second",
    ]


async def test_a_request_to_append_is_answered() -> None:
    harness = ServiceHarness(Log)
    await harness.start()
    assert not await harness.request("log.append", b"<48>1 t 0 n 1 - - text")
    assert not await harness.request("log.append", b"nonsense")
    assert [entry.text for entry in harness.service.ring] == ["text"]


@pytest.mark.parametrize(
    ("said", "texts"),
    [
        (b"one\ntwo\n\nthree", ["one", "two", "three"]),
        (b"one\r\ntwo\r\n", ["one", "two"]),
        (b"\n\r\n", []),
        (b"", []),
        (b"a\0", ["a"]),
        ("gr\xfc\xdf".encode(), ["gr\xfc\xdf"]),
        (b"\xc1\xff\x82", ["A\\u007f\\u0002"]),
    ],
)
async def test_each_line_is_an_entry_and_bytes_that_are_no_text_lose_their_top_bit(
    said: bytes, texts: list[str]
) -> None:
    harness = ServiceHarness(Log)
    await harness.start()
    await harness.request("log.append", b"<48>1 t 0 n 1 - - " + said)
    assert [entry.text for entry in harness.service.ring] == texts


@pytest.mark.parametrize(
    "line", ["<" + "9" * 5000 + ">1 t 0 n p - - x", "<8>1 t " + "9" * 5000 + " n p - - x"]
)
def test_log_lines_with_endless_numbers_are_none(line: str) -> None:
    assert parse(line) is None


def test_a_log_file_that_cannot_be_written_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attrs = Attributes()
    attrs.define("log-filename", str(tmp_path / "none" / "log"))
    (tmp_path / "none").mkdir()
    ring = LogRing(0, attrs)
    shutil.rmtree(tmp_path / "none")
    for _ in range(3):
        ring.append(Entry(6, "t", 0, "n", "1", "text"))
    assert capsys.readouterr().err.count("log-filename") == 1
    (tmp_path / "none").mkdir()
    ring.append(Entry(6, "t", 0, "n", "1", "text"))
    assert (tmp_path / "none" / "log").read_text() == "t n.info[0]: text\n"


class State(StateMachineService):
    """On rank 0 of four brokers; the client is the link to rank 1, below which is rank 3."""

    def __init__(self, ctx: Context) -> None:
        table = router()
        table.children[1] = Client()
        super().__init__(
            ctx, Runlevel(lambda: 0.0, lambda text: None, lambda state: None), table, lambda: None
        )


@pytest.mark.parametrize("idset", ["0", "2", "1-2", "4", "4294967294", "1-18000000000000000000"])
async def test_a_rank_that_cannot_be_is_not_online(idset: str) -> None:
    harness = ServiceHarness(State, size=4)
    found = await errnum(harness, "state-machine.online", {"idset": idset})
    assert found in (errno.EINVAL, errno.EPROTO)
    assert harness.service.online == set()


@pytest.mark.parametrize(
    ("idset", "expected", "left"),
    [
        ("3", 0, {1, 2}),
        ("1,3", 0, {2}),
        ("2-4294967294", errno.EINVAL, {1, 2, 3}),
        ("0-3", errno.EINVAL, {1, 2, 3}),
        ("x", errno.EPROTO, {1, 2, 3}),
        ("9" * 5000, errno.EPROTO, {1, 2, 3}),
    ],
)
async def test_lost_ranks_are_those_below_the_sender(
    idset: str, expected: int, left: set[int]
) -> None:
    harness = ServiceHarness(State, size=4)
    harness.service.online = {1, 2, 3}
    assert await errnum(harness, "state-machine.lost", {"idset": idset}) == expected
    assert harness.service.online == left
    await harness.stop()
