"""The messages of the recorded commands, in both directions, and the local socket itself."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from flux.constants import FLUX_KVS_WAITCREATE, FLUX_KVS_WATCH
from flux.testing.instance import Instance, running_instance
from flux.wire.message import (
    EVENT,
    NODEID_ANY,
    NORESPONSE,
    PRIVATE,
    RESPONSE,
    STREAMING,
    USERID_UNKNOWN,
    Message,
    request,
)
from flux.wire.message import event as event_message
from tests.contract.wire.client import Connection
from tests.contract.wire.expected import expected
from tests.contract.wire.messages import load
from tests.system.watching import until_equal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.conftest import Replayed
    from tests.contract.wire.replay import Result

pytestmark = pytest.mark.timeout(600)

LATER = {"jobs-ann": ["job-manager.memo: no such topic in the recordings"]}
"""What recorded commands ask for that 0.29 has not: there `flux job` printed its usage."""


@pytest.mark.parametrize("label", expected("responses"))
def test_our_broker_answers_as_recorded(label: str, responses: Result) -> None:
    assert responses.differences[label] is None


@pytest.mark.parametrize("label", expected("requests"))
def test_our_command_asks_as_recorded(label: str, replayed: Replayed) -> None:
    assert replayed.requests.differences[label] is None


def test_no_request_of_ours_would_be_refused_by_flux_core(replayed: Replayed) -> None:
    assert replayed.requests.refused == LATER


def test_recordings_hold_every_message() -> None:
    assert sum(len(exchange.messages) for exchange in load()) == 3781


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as found:
        yield found


@pytest.fixture
def connection(instance: Instance) -> Iterator[Connection]:
    found = Connection(instance.uri)
    yield found
    found.close()


def receive(connection: Connection, count: int) -> list[Message]:
    """The next `count` messages."""
    found: list[Message] = []
    deadline = time.monotonic() + 60
    while len(found) < count and time.monotonic() < deadline:
        found += connection.receive(deadline - time.monotonic())
    return found


def ask(
    connection: Connection, topic: str, payload: object = None, *, tag: int = 1, flags: int = 0
) -> Message:
    connection.send(request(topic, payload, matchtag=tag, flags=flags))
    return receive(connection, 1)[0]


def test_the_broker_greets_with_one_zero_byte(connection: Connection) -> None:
    assert connection.greeting == b"\0"


@pytest.mark.parametrize(
    ("carried", "told"),
    [((USERID_UNKNOWN, 0), (os.getuid(), 1)), ((12345, 2), (12345, 2))],
)
def test_credentials_are_the_brokers_unless_the_owner_acts_as_somebody(
    connection: Connection, carried: tuple[int, int], told: tuple[int, int]
) -> None:
    message = request("broker.ping", {"seq": 1, "pad": ""}, matchtag=7)
    message.userid, message.rolemask = carried
    connection.send(message)
    answer = receive(connection, 1)[0]
    assert (answer.type, answer.aux1, answer.aux2) == (RESPONSE, 0, 7)
    assert (answer.json()["userid"], answer.json()["rolemask"]) == told
    assert answer.routes == []


def test_events_are_numbered_upwards_and_subscribed_by_local_sub(connection: Connection) -> None:
    assert ask(connection, "local.sub", {"topic": "wire.test"}).aux1 == 0
    for number in range(3):
        connection.send(event_message("wire.test", {"n": number}))
    events = receive(connection, 3)
    assert [message.type for message in events] == [EVENT] * 3
    first = events[0].sequence
    assert first > 0
    assert [message.sequence for message in events] == [first, first + 1, first + 2]
    assert [message.userid for message in events] == [os.getuid()] * 3


def test_a_private_event_keeps_its_flag_and_unsub_ends_the_events(connection: Connection) -> None:
    assert ask(connection, "local.sub", {"topic": "wire.private"}).aux1 == 0
    connection.send(event_message("wire.private", {}, private=True))
    assert receive(connection, 1)[0].flags & PRIVATE
    assert ask(connection, "local.unsub", {"topic": "wire.private"}, tag=2).aux1 == 0
    connection.send(event_message("wire.private", {}))
    assert ask(connection, "attr.get", {"name": "rank"}, tag=3).type == RESPONSE


def test_a_log_line_gets_a_response_if_it_asks_for_one(connection: Connection) -> None:
    line = f"<48>1 2026-11-21T00:00:00.0Z {NODEID_ANY} wire 1 - - quiet"
    assert ask(connection, "log.append", line, tag=2).aux1 == 0
    connection.send(request("log.append", line, matchtag=0, flags=NORESPONSE))
    assert ask(connection, "attr.get", {"name": "rank"}, tag=3).topic == "attr.get"


def test_a_disconnected_clients_stream_is_removed(
    instance: Instance, connection: Connection
) -> None:
    gone = Connection(instance.uri)
    watch = {
        "key": "wire.key",
        "namespace": "primary",
        "flags": FLUX_KVS_WATCH | FLUX_KVS_WAITCREATE,
    }
    gone.send(request("kvs-watch.lookup", watch, matchtag=1, flags=STREAMING))
    assert ask(gone, "attr.get", {"name": "rank"}, tag=2).topic == "attr.get"
    watchers = _watchers(connection)
    gone.close()
    assert watchers >= 1
    until_equal(lambda: _watchers(connection), watchers - 1)


def _watchers(connection: Connection) -> int:
    answer = ask(connection, "kvs-watch.stats.get").json()
    return int(answer["watchers"])


def test_a_malformed_frame_closes_the_connection_only(
    instance: Instance, connection: Connection
) -> None:
    broken = Connection(instance.uri)
    broken.socket.sendall(b"\0" * 16)
    assert broken.socket.recv(1) == b""
    broken.close()
    assert ask(connection, "attr.get", {"name": "rank"}).aux1 == 0


def test_an_unknown_topic_and_a_bad_payload_are_answered(connection: Connection) -> None:
    assert ask(connection, "nosuch.method").aux1 == 38
    assert ask(connection, "kvs.lookup", b"not json\0", tag=2).aux1 == 71
