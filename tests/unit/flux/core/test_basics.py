"""What a module with a blocking handle answers by itself."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from flux.core.basics import ModuleBasics
from flux.wire import message as wire


class Recorder:
    def __init__(self) -> None:
        self.sent: list[wire.Message] = []

    def send_wire(self, msg: wire.Message) -> None:
        self.sent.append(msg)


def ask(
    basics: ModuleBasics, topic: str, payload: Any = None, rolemask: int = 1
) -> wire.Message | None:
    recorder = Recorder()
    msg = wire.request(topic, payload, matchtag=1)
    msg.rolemask = rolemask
    basics.received([msg])
    known = basics.answer(recorder, msg)
    assert known == bool(recorder.sent)
    return recorder.sent[0] if known else None


def test_ping_echoes_the_request() -> None:
    answer = ask(ModuleBasics("m"), "m.ping", {"seq": 3})
    assert answer is not None
    assert answer.json()["seq"] == 3
    assert {"route", "userid", "rolemask"} <= set(answer.json())


def test_debug_flags_are_set_and_cleared() -> None:
    basics = ModuleBasics("m")
    flags = []
    for operation, value in [("set", 3), ("setbit", 4), ("clrbit", 1), ("clr", 0)]:
        answer = ask(basics, "m.debug", {"op": operation, "flags": value})
        assert answer is not None
        flags.append(answer.json()["flags"])
    assert flags == [3, 7, 6, 0]


def test_requests_are_counted_until_cleared() -> None:
    basics = ModuleBasics("m")
    ask(basics, "m.ping")
    ask(basics, "m.stats.clear")
    answer = ask(basics, "m.stats.get")
    assert answer is not None
    counts = answer.json()
    assert len(counts) == 8
    assert counts.pop("#request (rx)") == 1
    assert set(counts.values()) == {0}


def test_a_ping_shows_the_broker_and_the_module_in_its_route() -> None:
    answer = ask(ModuleBasics("m", ("broker", "module")), "m.ping")
    assert answer is not None
    assert answer.json()["route"] == "broker!module"


def test_code_reads_its_debug_flags() -> None:
    basics = ModuleBasics("m")
    ask(basics, "m.debug", {"op": "set", "flags": 6})
    assert (basics.debug_test(2), basics.debug_test(1)) == (True, False)
    assert basics.debug_test(4, clear=True)
    assert (basics.debug_test(4), basics.debug_flags) == (False, 2)


@pytest.mark.parametrize(
    ("topic", "payload", "rolemask", "errnum"),
    [
        ("m.debug", {"op": "x", "flags": 1}, 1, errno.EPROTO),
        ("m.debug", {"op": "clr", "flags": 0}, 2, errno.EPERM),
    ],
)
def test_refusals(topic: str, payload: Any, rolemask: int, errnum: int) -> None:
    answer = ask(ModuleBasics("m"), topic, payload, rolemask)
    assert answer is not None
    assert answer.errnum == errnum


@pytest.mark.parametrize("topic", ["m.nosuch", "other.m.ping", "kvs.ping"])
def test_what_it_does_not_know_is_left_alone(topic: str) -> None:
    assert ask(ModuleBasics("m"), topic) is None
