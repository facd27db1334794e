"""The recorded commands are replayed once for all tests: what they print and what they send are
compared from the same replay.

The instances where something differs are replayed once more, and what differed must match then: on
a busy machine one command in thousands comes before or after something that it did not when
recorded, while a defect shows in both replays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.recordings import expected, load
from tests.contract.replay import replay
from tests.contract.wire import expected as wire
from tests.contract.wire.replay import Result, compared_requests, replay_responses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.contract.replay import Outcome


class Replayed:
    """The outcomes of one or two replays, by label."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.requests = Result()
        self._take(replay(load()))
        again = self._differing()
        if again:
            self._take(replay([one for one in load() if one.instance in again]))

    def _take(self, outcomes: Iterable[Outcome]) -> None:
        """Take outcomes; what matched before goes on to match."""
        fresh = {outcome.recording.label: outcome for outcome in outcomes}
        self.requests = best(self.requests, compared_requests(fresh.values()))
        for label, outcome in fresh.items():
            known = self.outcomes.get(label)
            if known is None or known.difference() is not None:
                self.outcomes[label] = outcome

    def _differing(self) -> set[int]:
        """The instances that have to be replayed again."""
        labels = {label for label in expected() if self.outcomes[label].difference() is not None}
        return instances(labels | failing(self.requests, "requests"))


def instances(labels: Iterable[str]) -> set[int]:
    """The recorded instances that labels are of."""
    wanted = set(labels)
    return {recording.instance for recording in load() if recording.label in wanted}


def failing(result: Result, direction: str) -> set[str]:
    """The labels that differ although they must not."""
    return {
        label for label in wire.expected(direction) if result.differences.get(label) is not None
    } | set(result.refused)


def best(first: Result, second: Result) -> Result:
    """What differs in both of two replays, the second perhaps of a part of the first."""
    differences = second.differences | {
        label: found and second.differences.get(label, found)
        for label, found in first.differences.items()
    }
    kept = second.refused.keys() | (first.differences.keys() - second.differences.keys())
    refused = {label: found for label, found in first.refused.items() if label in kept}
    if not first.differences:
        refused = second.refused
    return Result(differences, refused, first.messages or second.messages)


@pytest.fixture(scope="session")
def replayed() -> Replayed:
    """Our commands, replayed. Everything is: later commands show what earlier ones left."""
    return Replayed()


@pytest.fixture(scope="session")
def responses() -> Result:
    """Our broker, asked what was recorded."""
    required = wire.expected("responses")
    first = replay_responses(required)
    again = instances(failing(first, "responses"))
    return best(first, replay_responses(required, again)) if again else first
