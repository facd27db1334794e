"""Messages as FLUX_HANDLE_TRACE shows them, in the form of flux-core 0.88."""

from __future__ import annotations

import sys

import pytest

from flux.connect.trace import Trace, from_environment, trace_text
from flux.wire.message import (
    EVENT,
    PAYLOAD,
    PRIVATE,
    REQUEST,
    ROLE_LOCAL,
    ROLE_OWNER,
    ROUTE,
    STREAMING,
    TOPIC,
    Message,
    control,
    event,
    request,
    response,
)

RULE = "--------------------------------------"


def lines(msg: Message) -> list[str]:
    text = trace_text(msg, 1.02621)
    assert text.endswith("\n")
    first, *rest = text.splitlines()
    assert first == RULE
    return rest


def test_a_request() -> None:
    asked = request("attr.get", {"name": "rank"}, matchtag=1)
    assert lines(asked) == [
        "> 1.02621",
        "> attr.get",
        "> flags=topic,payload,route userid=unknown rolemask=none nodeid=any matchtag=1",
        '> {"name":"rank"}',
    ]
    asked = request("rexec.exec", nodeid=1, matchtag=3, flags=STREAMING)
    assert lines(asked)[2:] == [
        "> flags=topic,route,streaming userid=unknown rolemask=none nodeid=1 matchtag=3"
    ]


def test_a_response_that_came_over_hops() -> None:
    answer = response(request("attr.get", matchtag=7), errnum=2)
    answer.userid, answer.rolemask = 0, ROLE_OWNER | ROLE_LOCAL
    answer.routes = ["broker-of-rank-0", "client"]
    assert lines(answer)[1:] == [
        "< attr.get",
        "< flags=topic,route userid=0 rolemask=owner,local errnum=2 matchtag=7",
        "< |client!broker-o|",
    ]


def test_an_event_and_a_control_message() -> None:
    told = event("a.b", {"a": 1}, private=True)
    told.aux1 = 49
    assert lines(told)[1:] == [
        "e a.b",
        "e flags=topic,payload,route,private userid=unknown rolemask=none sequence=49",
        'e {"a":1}',
    ]
    assert lines(control(2, 9)) == [
        "c 1.02621",
        "c flags=none userid=unknown rolemask=none type=2 status=9",
    ]


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"no JSON\0", "no JSON"),
        ("é\x1b[2J\nx\0".encode(), "é\\u001b[2J\\u000ax"),
        (b"xx", "7878"),
        (b"\xff\0", "FF00"),
        (b"\x01" * 36, "01" * 36),
        (b"\x01" * 37, "01" * 36 + "..."),
    ],
)
def test_payloads_that_are_no_objects(payload: bytes, shown: str) -> None:
    flags = TOPIC | PAYLOAD | ROUTE
    assert lines(Message(REQUEST, "a", payload, flags=flags))[-1] == f"> {shown}"


def test_roles_without_a_name() -> None:
    msg = Message(EVENT, "a", flags=TOPIC | PRIVATE, userid=5, rolemask=0x12)
    assert "userid=5 rolemask=user,0x10 sequence=0" in lines(msg)[-1]


def test_what_is_shown_is_written_to_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace()
    trace.show(request("a.b"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"{RULE}\n> 0.00000\n> a.b\n")
    monkeypatch.setattr(sys, "stderr", None)
    trace.show(request("a.b"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", ["1", "0", ""])
def test_any_value_of_the_variable_asks_for_a_trace(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLUX_HANDLE_TRACE", raising=False)
    assert from_environment() is None
    monkeypatch.setenv("FLUX_HANDLE_TRACE", value)
    assert from_environment() is not None
