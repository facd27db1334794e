"""No word in the place of an option's value or an argument makes a command show what it is made of:
what an instance has to say of it is one sentence too.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.option_fuzz import complaints, harmless, sample

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

EACH = 25


@pytest.fixture
def instance(tmp_path: pathlib.Path) -> Iterator[Instance]:
    # What cron and the clean-up commands write stays where the brokers were started.
    with contextlib.chdir(tmp_path), running_instance(2) as running:
        running.run("kvs", "put", "a.b=1")
        running.run("kvs", "link", "a", "link")
        running.run("kvs", "eventlog", "append", "log", "begin")
        running.run("mini", "run", "true")
        yield running


@pytest.mark.parametrize("seed", [1, 2])
def test_no_command_shows_what_it_is_made_of(
    instance: Instance, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with harmless(instance.home, monkeypatch):
        assert complaints(sample(seed, EACH), instance.environment, patience=0.5) == []
    assert instance.run("getattr", "size").stdout == "2\n"
