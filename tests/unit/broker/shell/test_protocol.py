"""The messages of job shells: what is written is read again, and nothing else is."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.shell import protocol
from broker.shell.protocol import (
    Ack,
    ClientGone,
    EnterBarrier,
    Exit,
    Expire,
    FromShell,
    Hello,
    Kill,
    LeaveBarrier,
    LogEntries,
    RaiseException,
    Relay,
    Relayed,
    RunJob,
    ServiceAnswer,
    ServiceRequest,
    ToShell,
)

if TYPE_CHECKING:
    from random import Random

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBER = st.integers(-(2**63), 2**63 - 1)
OBJECT = st.dictionaries(TEXT, TEXT | NUMBER | st.none(), max_size=3)
PAYLOAD = OBJECT | TEXT | NUMBER | st.none() | st.lists(NUMBER, max_size=3)

FROM_SHELL: st.SearchStrategy[FromShell] = st.one_of(
    st.builds(Hello, NUMBER),
    st.builds(LogEntries, TEXT, TEXT, TEXT, NUMBER),
    st.builds(EnterBarrier, TEXT, OBJECT),
    st.builds(Relay, TEXT | NUMBER, TEXT, OBJECT),
    st.builds(RaiseException, TEXT, NUMBER, TEXT),
    st.builds(ServiceAnswer, NUMBER, PAYLOAD, NUMBER, TEXT | st.none()),
    st.builds(Exit, NUMBER, st.booleans()),
)
TO_SHELL: st.SearchStrategy[ToShell] = st.one_of(
    st.builds(RunJob, OBJECT, OBJECT),
    st.builds(Kill, NUMBER, st.booleans()),
    st.builds(Expire, st.integers(0, 9) | st.floats(0, 9)),
    st.builds(LeaveBarrier, TEXT, OBJECT),
    st.builds(Ack, NUMBER),
    st.builds(Relayed, TEXT, OBJECT),
    st.builds(ServiceRequest, NUMBER, TEXT, PAYLOAD, TEXT),
    st.builds(ClientGone, TEXT),
)


@given(FROM_SHELL)
def test_what_a_shell_says_is_read_again(message: FromShell) -> None:
    line = protocol.encode(message)
    assert b"\n" not in line
    assert protocol.decode_from_shell(line) == message
    assert protocol.from_shell(protocol.to_object(message)) == message


@given(TO_SHELL)
def test_what_a_shell_is_told_is_read_again(message: ToShell) -> None:
    line = protocol.encode(message)
    assert b"\n" not in line
    assert protocol.decode_to_shell(line) == message


@given(FROM_SHELL, st.randoms())
def test_the_order_of_members_does_not_matter(message: FromShell, random: Random) -> None:
    members = list(protocol.to_object(message).items())
    random.shuffle(members)
    assert protocol.decode_from_shell(json.dumps(dict(members)).encode()) == message


def test_defaults_are_not_written() -> None:
    assert json.loads(protocol.encode(LogEntries(output="x\n"))) == {"t": "ev", "output": "x\n"}
    assert json.loads(protocol.encode(Exit(0))) == {"t": "exit", "status": 0}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"{}",
        b'{"t":"nosuch"}',
        b'{"t":["exit"],"status":0}',
        b'{"t":"exit"}',
        b'{"t":"exit","status":"0"}',
        b'{"t":"exit","status":0,"more":1}',
        b'{"t":"barrier","name":"x","data":[]}',
        b'{"t":"kill","signum":9}',
    ],
)
def test_what_is_malformed_is_refused(line: bytes) -> None:
    with pytest.raises(OSError, match="malformed message") as caught:
        protocol.decode_from_shell(line)
    assert caught.value.errno == errno.EPROTO
