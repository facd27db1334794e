"""Our client, their broker: what our commands send, compared with what flux-core's commands
sent.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from flux.wire import json
from flux.wire.message import REQUEST, Message
from tests.contract.normalise import RECORDED
from tests.contract.wire.messages import Canon, Exchange, load, topic_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.contract.replay import Outcome


def form(message: Message, canon: Canon) -> str:
    """A request in the form in which it is compared."""
    return json.dumps_str(
        [topic_of(message), message.aux1, message.streaming, canon.payload(message)]
    )


def requests_of(messages: Iterable[tuple[bool, Message]]) -> list[Message]:
    """The requests that the client sent, without those that may be sent at any time: `attr.get` and
    the end of a stream.
    """
    return [
        message
        for down, message in messages
        if not down
        and message.type == REQUEST
        and not (message.topic or "").endswith(("attr.get", "cancel", "disconnect"))
    ]


@cache
def exchanges() -> dict[str, Exchange]:
    """The recorded messages by label."""
    return {exchange.recording.label: exchange for exchange in load()}


def difference(outcome: Outcome) -> str | None:
    """Requests that only one side sent, or None when both sent the same, in any order."""
    exchange = exchanges()[outcome.recording.label]
    canon, theirs = Canon(outcome.place, exchange.recording), Canon(RECORDED, exchange.recording)
    mine = Counter(form(message, canon) for message in requests_of(outcome.messages))
    recorded = Counter(form(message, theirs) for message in requests_of(exchange.messages))
    if mine == recorded:
        return None
    extra, missing = list((mine - recorded).elements()), list((recorded - mine).elements())
    return f"sent {extra[:2]!r}, recorded {missing[:2]!r}"[:900]


def kind(value: Any) -> str:
    """The JSON type of a value as a jansson format sees it."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return type(value).__name__


class Rule:
    """What the recorded requests of one topic have in common."""

    def __init__(self) -> None:
        self.required: set[str] | None = None
        self.kinds: dict[str, set[str]] = {}
        self.streaming: set[bool] = set()

    def learn(self, message: Message) -> None:
        payload = _object(message)
        self.required = set(payload) if self.required is None else self.required & set(payload)
        self.streaming.add(message.streaming)
        for key, value in payload.items():
            self.kinds.setdefault(key, set()).add(kind(value))

    def broken_by(self, message: Message) -> str | None:
        """Why a flux-core broker may refuse `message`, or None."""
        payload = _object(message)
        if missing := (self.required or set()) - set(payload):
            return f"{message.topic}: missing {sorted(missing)}"
        if unknown := set(payload) - set(self.kinds):
            return f"{message.topic}: unknown {sorted(unknown)}"
        for key, value in payload.items():
            if kind(value) not in self.kinds[key]:
                return (
                    f"{message.topic}: {key} is {kind(value)}, recorded {sorted(self.kinds[key])}"
                )
        if message.streaming not in self.streaming:
            return f"{message.topic}: streaming flag is {message.streaming}"
        return None


def _object(message: Message) -> dict[str, Any]:
    try:
        value = message.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@cache
def rules() -> dict[str, Rule]:
    """Topic to the rule learnt from all recordings."""
    found: dict[str, Rule] = {}
    for exchange in load():
        for message in exchange.requests:
            found.setdefault(topic_of(message), Rule()).learn(message)
    return found


def refusals(outcome: Outcome) -> list[str]:
    """Requests that a flux-core 0.29 broker would not know: an unrecorded topic, other keys, other
    types, other flags.
    """
    found = []
    for message in requests_of(outcome.messages):
        rule = rules().get(topic_of(message))
        broken = (
            f"{message.topic}: no such topic in the recordings"
            if rule is None
            else rule.broken_by(message)
        )
        if broken:
            found.append(broken)
    return found
