"""Their client, our broker: the recorded requests sent on a raw local socket, and our broker's
responses compared.
"""

from __future__ import annotations

import base64
import errno
import os
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flux.job import JobID
from flux.wire import json
from flux.wire.framing import Unpacker, pack
from flux.wire.message import (
    EVENT,
    NODEID_ANY,
    NORESPONSE,
    REQUEST,
    RESPONSE,
    Message,
    encode_payload,
    request,
)
from tests.contract.normalise import RECORDED, Place
from tests.contract.wire.messages import Canon, Exchange, jobspec_of, topic_of

if TYPE_CHECKING:
    from flux.testing.instance import Instance

# Seconds without a message after which a response that was recorded counts as missing: where it has
# to come, and where it is known that it need not.
QUIET = {True: 10.0, False: 0.3}
SETTLE = 0.5  # seconds given to running jobs to end before the next command
SIGN_NONE = b"version\0i1\0userid\0i%d\0mechanism\0snone\0"


class Connection:
    """A libflux client's end of a local:// socket, by hand."""

    def __init__(self, uri: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(uri.removeprefix("local://"))
        self.greeting = self.socket.recv(1)
        self._unpacker = Unpacker()

    def send(self, message: Message) -> None:
        self.socket.sendall(pack(message))

    def receive(self, timeout: float) -> list[Message]:
        """The messages that arrive within `timeout` seconds; empty if none does or the broker hung
        up.
        """
        if not select.select([self.socket], [], [], timeout)[0]:
            return []
        data = self.socket.recv(1 << 16)
        return self._unpacker.feed(data) if data else []

    def close(self) -> None:
        self.socket.close()


@dataclass
class Call:
    """A recorded request with the responses recorded and received."""

    request: Message
    tag: int
    recorded: list[Message] = field(default_factory=list)
    received: list[Message] = field(default_factory=list)

    @property
    def streams(self) -> bool:
        """Whether there may be several responses; 0.29 runs commands without the streaming flag."""
        return self.request.streaming or self.request.topic == "broker.rexec"

    def ended(self, responses: list[Message]) -> bool:
        """Whether nothing may follow `responses`."""
        return bool(responses) and (responses[-1].aux1 != 0 or not self.streams)


class Session:
    """Replays exchanges against one instance; remembers which of our job ids stands for which
    recorded one.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.ids: dict[int, int] = {}
        self.pids: dict[int, int] = {}
        self._quiet = QUIET[True]
        self.place = Place(
            str(instance.home),
            instance.uri,
            instance.rundir,
            socket.gethostname(),
            instance.environment["PATH"],
        )

    def translated(self, message: Message, tags: dict[int, int], tag: int) -> Message:
        """The recorded request as we send it: our job ids, our user's signature, our paths, our
        match tags.
        """
        topic = message.topic or ""
        for theirs, ours in self.ids.items():
            topic = topic.replace(str(theirs), str(ours))
        payload = message.payload
        try:
            value = message.json()
        except ValueError:
            value = None
        if value is not None:
            payload = encode_payload(self._value(value, tags))
        return Message(
            message.type, topic, payload, flags=message.flags, aux1=message.aux1, aux2=tag
        )

    def _value(self, value: Any, tags: dict[int, int], key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._value(item, tags, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, tags, key) for item in value]
        if isinstance(value, str):
            return self._signed(value) if key == "J" else self._text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            known = {"matchtag": tags, "pid": self.pids}.get(key, self.ids)
            return known.get(value, value)
        return value

    def _text(self, text: str) -> str:
        text = text.replace(RECORDED.home, self.place.home).replace(RECORDED.uri, self.place.uri)
        for theirs, ours in self.ids.items():
            text = text.replace(str(theirs), str(ours)).replace(JobID(theirs).f58, JobID(ours).f58)
        return text

    def _signed(self, signed: str) -> str:
        jobspec = jobspec_of(signed)
        if jobspec is None:
            return signed
        variables = jobspec.get("attributes", {}).get("system", {}).get("environment")
        if isinstance(variables, dict) and "PATH" in variables:
            variables["PATH"] = self.instance.environment["PATH"]
        header = base64.b64encode(SIGN_NONE % os.getuid())
        body = base64.b64encode(self._text(json.dumps_str(jobspec)).encode())
        return (header + b"." + body + b".none").decode()

    def run(self, exchange: Exchange, *, patient: bool = True) -> str | None:
        """Replay `exchange` and return the first difference, or None when every response
        matches; not `patient`, a missing response is not waited for long.
        """
        self._quiet = QUIET[patient]
        self.settle()
        calls = self.exchange(exchange)
        theirs, ours = Canon(RECORDED, exchange.recording), Canon(self.place, exchange.recording)
        for call in calls:
            difference = _difference(call, theirs, ours)
            if difference:
                return f"{topic_of(call.request)}: {difference}"
        return None

    def settle(self) -> None:
        """Wait a moment for running jobs to end, so that the scheduler's choice is the recorded
        one.
        """
        deadline = time.monotonic() + SETTLE
        connection = Connection(self.instance.uri)
        tag = 0
        while time.monotonic() < deadline:
            tag += 1
            connection.send(request("job-list.job-stats", {}, matchtag=tag))
            answers = connection.receive(SETTLE)
            states = answers[0].json()["job_states"] if answers and not answers[0].aux1 else {}
            if not states.get("run") and not states.get("cleanup"):
                break
        connection.close()

    def exchange(self, exchange: Exchange) -> list[Call]:
        """Send the recorded requests, each after the responses that were recorded before it."""
        connection = Connection(self.instance.uri)
        calls: list[Call] = []
        try:
            for from_broker, message in exchange.messages:
                if not from_broker and message.type == REQUEST:
                    self._collect(connection, calls)
                    self._learn(calls)
                    tags = {
                        call.request.aux2: call.tag
                        for call in calls
                        if call.streams and not call.ended(call.recorded)
                    }
                    tag = len(calls) + 1 if message.aux2 else 0
                    call = Call(message, tag)
                    calls.append(call)
                    connection.send(self.translated(message, tags, tag))
                elif not from_broker and message.type == EVENT:
                    connection.send(self.translated(message, {}, 0))
                elif message.type == RESPONSE:
                    _recorded(calls, message)
            self._collect(connection, calls)
            self._stragglers(connection, calls)
        finally:
            connection.close()
        return calls

    def _collect(self, connection: Connection, calls: list[Call]) -> None:
        """Receive until every call has as many responses as were recorded so far, or nothing comes
        any more.
        """
        by_tag = {call.tag: call for call in calls if call.tag}
        deadline = time.monotonic() + self._quiet
        while any(
            not call.ended(call.received) and len(call.received) < len(call.recorded)
            for call in calls
        ):
            messages = connection.receive(max(0.0, deadline - time.monotonic()))
            if not messages:
                return
            deadline = time.monotonic() + self._quiet
            for message in messages:
                if message.type == RESPONSE and message.aux2 in by_tag:
                    by_tag[message.aux2].received.append(message)

    def _stragglers(self, connection: Connection, calls: list[Call]) -> None:
        """Receive what else comes before the answer to one more request: responses that nobody
        asked for show up here.
        """
        barrier = Call(request("attr.get", {"name": "rank"}), len(calls) + 1)
        barrier.recorded.append(barrier.request)
        connection.send(
            Message(
                REQUEST,
                "attr.get",
                barrier.request.payload,
                flags=barrier.request.flags,
                aux1=NODEID_ANY,
                aux2=barrier.tag,
            )
        )
        self._collect(connection, [*calls, barrier])

    def _learn(self, calls: list[Call]) -> None:
        """Note which of our job and process ids stand for the recorded ones."""
        for call in calls:
            pairs = [
                (r, m)
                for r, m in zip(call.recorded, call.received, strict=False)
                if not r.aux1 and not m.aux1
            ]
            if call.request.topic == "job-ingest.submit":
                self.ids.update({theirs.json()["id"]: ours.json()["id"] for theirs, ours in pairs})
            elif call.request.topic == "broker.rexec":
                theirs, ours = _pid(call.recorded), _pid(call.received)
                if theirs and ours:
                    self.pids[theirs] = ours


def _pid(responses: list[Message]) -> int:
    """The process id that the responses to `broker.rexec` name, or 0."""
    return next((int(m.json()["pid"]) for m in responses if not m.aux1 and "pid" in m.json()), 0)


def _recorded(calls: list[Call], response: Message) -> None:
    """Give a recorded response to its call: the last open stream with its match tag, else the first
    open call.
    """
    fitting = [
        call
        for call in calls
        if (call.request.aux2, call.request.topic) == (response.aux2, response.topic)
        and not call.ended(call.recorded)
    ]
    if fitting:
        fitting[-1 if fitting[-1].streams else 0].recorded.append(response)


def _shape(message: Message, canon: Canon) -> str:
    return json.dumps_str([message.aux1, message.streaming, canon.payload(message)])


def _difference(call: Call, theirs: Canon, ours: Canon) -> str | None:
    if call.request.flags & NORESPONSE:
        return f"answered: {call.received[0]!r}"[:200] if call.received else None
    recorded = [_shape(message, theirs) for message in call.recorded]
    received = [_shape(message, ours) for message in call.received]
    if not recorded and not call.streams:
        return None  # the recorded client had left before the answer came
    if call.streams:
        # Output of several tasks arrives in pieces of any size and order; the same responses are
        # what counts.
        recorded, received = sorted(recorded), sorted(received)
    if recorded == received or _shell_gone(call):
        return None
    for number in range(max(len(recorded), len(received))):
        mine = received[number] if number < len(received) else "no response"
        their = recorded[number] if number < len(recorded) else "no response"
        if mine != their:
            return f"{mine[:400]}, recorded {their[:400]}"
    return None


def _shell_gone(call: Call) -> bool:
    """Whether the request is input for a job that has ended by now: our jobs end sooner than the
    recorded ones.
    """
    return topic_of(call.request).endswith("ID.stdin") and [m.aux1 for m in call.received] == [
        errno.ENOSYS
    ]
