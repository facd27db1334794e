"""Requests that a broker answers itself: panic, heaptrace, the overlay's counts, the heartbeat,
names of services, spam in the content cache.
"""

from __future__ import annotations

import errno
import subprocess
from typing import TYPE_CHECKING

import pytest

import flux
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import until_equal

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

FLUX = default_flux()


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def test_a_panic_ends_its_broker_and_then_the_instance(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "panic.py"
    program.write_text(
        "import flux, time\nh = flux.Flux()\n"
        "h.rpc('broker.panic', {'reason': 'test', 'flags': 0}, nodeid=1, flags=1)\n"
        "time.sleep(1000)\n"
    )
    done = subprocess.run(
        [FLUX, "start", "-s2", "--test-exit-timeout=0.2", f"{FLUX.parent}/python", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 137
    lines = done.stderr.splitlines()
    assert "PANIC: test" in lines
    assert any(
        line.startswith("flux-start: 1 (pid ") and line.endswith(") exited with rc=1")
        for line in lines
    )
    assert any(
        line.startswith("flux-start: 0 (pid ") and line.endswith(") Killed") for line in lines
    )


def test_only_the_owner_may_panic_and_a_reason_is_needed(instance: Instance) -> None:
    with flux.Flux(instance.uri) as h, pytest.raises(OSError) as caught:
        h.rpc("broker.panic", {}).get()
    assert caught.value.errno == errno.EPROTO


@pytest.mark.parametrize("words", [["start", "file"], ["dump", "reason"], ["stop"]])
def test_there_is_no_heap_profiler(instance: Instance, words: list[str]) -> None:
    done = instance.run("heaptrace", *words)
    said = f"flux: heaptrace.{words[0]}: Function not implemented\n"
    assert (done.returncode, done.stderr) == (1, said)
    if len(words) > 1:
        with flux.Flux(instance.uri) as h, pytest.raises(OSError) as caught:
            h.rpc(f"heaptrace.{words[0]}").get()
        assert caught.value.errno == errno.EPROTO


def test_the_overlay_counts_its_links(instance: Instance) -> None:
    with flux.Flux(instance.uri) as h:
        expected = [
            {
                "child-count": 1,
                "child-connected": 1,
                "parent-count": 0,
                "parent-rpc": 0,
                "child-rpc": 0,
            },
            {
                "child-count": 0,
                "child-connected": 0,
                "parent-count": 1,
                "parent-rpc": 0,
                "child-rpc": 0,
            },
        ]
        until_equal(
            lambda: [h.rpc("overlay.stats.get", nodeid=rank).get() for rank in (0, 1)], expected
        )
        waits = h.rpc(
            "barrier.enter", {"name": "x", "count": 1, "nprocs": 2, "internal": False}, nodeid=1
        )
        h.rpc("barrier.ping", {}, nodeid=1).get()
        parse = ("module", "stats", "--parse=child-rpc", "overlay")
        until_equal(lambda: instance.run(*parse).stdout, "1\n")
        with flux.Flux(instance.uri) as other:
            other.barrier("x", 2).get()
        waits.get()
    alone = subprocess.run(
        [FLUX, "start", "flux", "module", "stats", "--parse=child-count", "overlay"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert alone.stdout == "0\n"


def test_the_heartbeat_tells_its_period(instance: Instance) -> None:
    with flux.Flux(instance.uri) as h:
        assert h.rpc("heartbeat.get", {}).get() == {"period": 2.0}


def test_names_of_services_have_no_dots(instance: Instance) -> None:
    with flux.Flux(instance.uri) as h:
        for name in ("a.b", ".", "", "a b"):
            with pytest.raises(OSError) as caught:
                h.service_register(name).get()
            assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("words", [["25"], ["40", "16"], ["0"], ["3", "99"]])
def test_spam_is_distinct_and_can_be_loaded(instance: Instance, words: list[str]) -> None:
    done = instance.run("content", "spam", *words)
    refs = done.stdout.split()
    assert (done.returncode, len(refs), len(set(refs))) == (0, int(words[0]), int(words[0]))
    if refs:
        assert instance.run("content", "load", refs[-1]).returncode == 0


@pytest.mark.parametrize("words", [[], ["x"], ["-1"], ["1", "0"]])
def test_spam_needs_numbers(instance: Instance, words: list[str]) -> None:
    assert instance.run("content", "spam", *words).returncode == 1
