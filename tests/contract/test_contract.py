"""Every label of expected.toml must match its recording; everything is replayed in the recorded
order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.recordings import expected

if TYPE_CHECKING:
    from tests.contract.conftest import Replayed

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("label", expected())
def test_recorded_command(label: str, replayed: Replayed) -> None:
    assert replayed.outcomes[label].difference() is None
