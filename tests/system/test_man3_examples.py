"""The examples of the manual's section 3, translated in man3/, run against a live instance."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import flux
from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, ending, line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

EXAMPLES = pathlib.Path(__file__).parent / "man3"

PRINTED = {
    "flux_open": "My rank is 0\n",
    "flux_get_rank": "rank 0 of 2\n",
    "flux_rpc": "rank is 0\n",
    "flux_rpc_then": "rank is 0\n",
    "flux_send": "",
    "flux_event_subscribe": "Event: heartbeat.pulse\n",
    "flux_sync_create": "heartbeat 1\nheartbeat 2\nheartbeat 3\n",
    "idset_encode": "[1-2,4-5]\n[1-4,7,9-10]\n42\n[99-101]\n",
}
"""What the examples that end print."""

ENDLESS = ("flux_recv", "flux_pollevents")
"""Examples that show events for ever."""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def start(instance: Instance, name: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return ending(
        subprocess.Popen(
            [sys.executable, str(EXAMPLES / f"{name}.py")],
            env=instance.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def beat_until_it_ends(instance: Instance, process: subprocess.Popen[str]) -> None:
    """Publish heartbeats, for those that wait for them."""
    with flux.Flux(instance.uri) as h:
        while process.poll() is None:
            h.event_publish("heartbeat.pulse", {}).get_seq()
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue


@pytest.mark.parametrize("name", PRINTED)
def test_an_example_prints_what_it_should(instance: Instance, name: str) -> None:
    with flux.Flux(instance.uri) as h, start(instance, name) as process:
        h.event_subscribe("snack.")
        beat_until_it_ends(instance, process)
        printed, errors = process.communicate(timeout=PATIENCE)
        assert (printed, errors, process.returncode) == (PRINTED[name], "", 0)


def test_the_event_that_an_example_sends_arrives(instance: Instance) -> None:
    with flux.Flux(instance.uri) as h:
        h.event_subscribe("snack.")
        with start(instance, "flux_send"):
            event = h.event_recv(timeout=PATIENCE)
    assert (event.topic, event.payload) == ("snack.bar.closing", None)


@pytest.mark.parametrize("name", ENDLESS)
def test_an_example_shows_events_until_it_is_ended(instance: Instance, name: str) -> None:
    with flux.Flux(instance.uri) as h, start(instance, name) as process:
        seen = ""
        while "Event: example.show" not in seen:
            h.event_publish("example.show").get_seq()
            seen = line(process)
            assert seen
        process.terminate()
        process.communicate(timeout=PATIENCE)


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*PRINTED, *ENDLESS}
