"""Keys that a terminal gives all at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.console.test_terminal import dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

PASTED = "\x1b[200~{}\x1b[201~"


@pytest.fixture
def steady_world() -> None:
    """A real instance has the real time."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        running.run("submit", "--job-name=first", "true")
        running.run("submit", "--job-name=second", "true")
        yield running


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (":nodes\r/nothing-is-called-so\r", "nothing-is-called-so"),
        (":queues\r:modules\r/sched\rG", "sched-simple"),
        ("/n:first\r\x1bOQ:kvs\roabc.def", "abc.def"),
        ("?q:job list {id}\r", "flux job list"),
        (":nodes\rqqq", "\x1b[?1049l"),
        (PASTED.format(":filter n:first n:sec") + "ond\r", "no job matches"),
        ("/" + PASTED.format("n:third\n"), "no job matches"),
        ("/" + "x" * 300 + "\x15n:third\r", "no job matches"),
        (PASTED.format("q" * 9000 + "\n"), "open it first"),
    ],
    ids=range(9),
)
def test_many_keys_in_one_write(instance: Instance, keys: str, shown: str) -> None:
    with dashboard(instance, (120, 40)) as top:
        top.until("first")
        top.until("second")
        top.press(keys, shown)


def test_keys_before_the_first_picture_are_obeyed_after_it(instance: Instance) -> None:
    with dashboard(instance, (120, 40)) as top:
        top.until("\x1b[?1049h")
        os.write(top.descriptor, b":queues\r/nothing-is-so\r")
        top.until("nothing-is-so")
        top.until("SCHEDULING")
