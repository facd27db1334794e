"""Compare all exchanges in one direction or the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flux.testing.instance import running_instance
from tests.contract.replay import BROKERS
from tests.contract.wire.client import Session
from tests.contract.wire.messages import load
from tests.contract.wire.requests import difference, exchanges, refusals, requests_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tests.contract.replay import Outcome


@dataclass
class Result:
    """What a comparison of all exchanges found, by label: the first difference, or None."""

    differences: dict[str, str | None] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    """Requests of ours that a flux-core broker would not know."""
    messages: int = 0
    """Messages compared in the labels that match."""


def replay_responses(required: Collection[str], instances: Collection[int] = (0, 1)) -> Result:
    """Their client, our broker: each recorded instance against a fresh one of ours. Answers that do
    not come are waited for where a match is ``required``.
    """
    result = Result()
    for number in sorted(instances):
        with running_instance(BROKERS) as instance:
            session = Session(instance)
            for exchange in load():
                label = exchange.recording.label
                if exchange.recording.instance == number and exchange.requests:
                    found = session.run(exchange, patient=label in required)
                    result.differences[label] = found
                    result.messages += len(exchange.messages) if found is None else 0
    return result


def compared_requests(outcomes: Iterable[Outcome]) -> Result:
    """Our client, their broker: what our commands sent when they were replayed."""
    result = Result()
    for outcome in outcomes:
        label, ours = outcome.recording.label, requests_of(outcome.messages)
        if not ours and not exchanges()[label].requests:
            continue
        result.differences[label] = difference(outcome)
        result.messages += len(ours) if result.differences[label] is None else 0
        if found := refusals(outcome):
            result.refused[label] = found
    return result
