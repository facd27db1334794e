"""Replay all exchanges in one direction or the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from flux.testing.instance import running_instance
from tests.contract.replay import BROKERS
from tests.contract.tap import Tap
from tests.contract.wire.client import Session
from tests.contract.wire.messages import load
from tests.contract.wire.requests import difference, place_of, refusals, sent


@dataclass
class Result:
    """What a replay of all exchanges found, by label: the first difference, or None."""

    differences: dict[str, str | None] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    """Requests of ours that a flux-core broker would not know."""
    messages: int = 0
    """Messages compared in the labels that match."""


def replay_responses() -> Result:
    """Their client, our broker: each recorded instance against a fresh one of ours."""
    result = Result()
    for number in (0, 1):
        with running_instance(BROKERS) as instance:
            session = Session(instance)
            for exchange in load():
                if exchange.recording.instance == number and exchange.requests:
                    found = session.run(exchange)
                    result.differences[exchange.recording.label] = found
                    result.messages += len(exchange.messages) if found is None else 0
    return result


def replay_requests() -> Result:
    """Our client, their broker: our commands run through a tap."""
    result = Result()
    for number in (0, 1):
        with running_instance(BROKERS) as instance, Tap(instance.base / "tap", instance.uri) as tap:
            place = place_of(instance, tap)
            for exchange in load():
                if exchange.recording.instance != number:
                    continue
                ours = sent(exchange, instance, tap)
                if not ours and not exchange.requests:
                    continue
                label = exchange.recording.label
                result.differences[label] = difference(exchange, ours, place)
                result.messages += len(ours) if result.differences[label] is None else 0
                if found := refusals(ours):
                    result.refused[label] = found
    return result
