"""Every label of expected.toml must match its recording; everything is replayed once, in the recorded order."""

from __future__ import annotations

import pytest

from tests.contract.recordings import expected, load
from tests.contract.replay import Outcome, replay

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Outcomes by label. Everything is replayed: later commands show what earlier ones left."""
    return {outcome.recording.label: outcome for outcome in replay(load())}


@pytest.mark.parametrize("label", expected())
def test_recorded_command(label: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[label].difference() is None
