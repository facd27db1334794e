"""The event loop of the blocking handle."""

from __future__ import annotations

import os
import selectors
from typing import TYPE_CHECKING

import pytest

from flux.core.reactor import Reactor

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    found = Reactor()
    yield found
    found.close()


def test_what_came_in_time_counts_however_late_it_is_looked_at(reactor: Reactor) -> None:
    read, write = os.pipe()
    seen: list[bytes] = []
    reactor.add_fd(read, selectors.EVENT_READ, lambda _: seen.append(os.read(read, 1)))
    os.write(write, b"x")
    assert reactor.run_until(lambda: bool(seen), 0.0)
    assert not reactor.run_until(lambda: len(seen) > 1, 0.0)
    os.close(read)
    os.close(write)
