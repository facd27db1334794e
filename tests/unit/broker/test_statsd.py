"""Figures over UDP."""

from __future__ import annotations

import socket

import pytest

from broker import statsd
from broker.service import Service
from broker.statsd import Gauges, send_figures, split_address
from broker.testing import ServiceHarness


class Figures(Service):
    name = "figures"


def test_what_has_changed_is_told() -> None:
    gauges = Gauges("flux.3.cache")
    assert gauges.lines({"count": 0, "size": 5}) == "flux.3.cache.count:0|g\nflux.3.cache.size:5|g"
    assert gauges.lines({"count": 0, "size": 6}) == "flux.3.cache.size:6|g"
    assert gauges.lines({"count": 0, "size": 6}) == ""


@pytest.mark.parametrize(
    ("text", "address"),
    [("host:8125", ("host", "8125")), ("[::1]:9", ("::1", "9")), ("::1:9", ("::1", "9"))],
)
def test_addresses(text: str, address: tuple[str, str]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing colon delimiter"),
        ("localhost", "missing colon delimiter"),
        (":8125", "missing host"),
        ("localhost:", "missing port"),
        ("no such host:1", "Name or service not known"),
    ],
)
async def test_a_bad_address_is_logged_once(
    text: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLUX_FRIPP_STATSD", text)
    harness = ServiceHarness(Figures)
    await send_figures(harness.ctx, "cache", dict)
    assert [entry.text for entry in harness.logs] == [f"FLUX_FRIPP_STATSD parse error: {said}"]


async def test_nothing_is_sent_unless_somebody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLUX_FRIPP_STATSD", raising=False)
    harness = ServiceHarness(Figures)
    await send_figures(harness.ctx, "cache", dict)
    assert harness.logs == []


async def test_a_datagram_has_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statsd, "PERIOD", 0.01)
    harness = ServiceHarness(Figures, rank=2, size=3)
    values = {"count": 1, "dirty": 0}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        monkeypatch.setenv("FLUX_FRIPP_STATSD", f"127.0.0.1:{sock.getsockname()[1]}")
        harness.ctx.spawn(send_figures(harness.ctx, "cache", lambda: values), "statsd")
        got: list[bytes] = []

        def taken() -> bool:
            try:
                got.append(sock.recv(4096))
            except BlockingIOError:
                return False
            return True

        await harness.until(taken)
        values["dirty"] = 7
        await harness.until(taken)
    await harness.stop()
    assert got == [b"flux.2.cache.count:1|g\nflux.2.cache.dirty:0|g", b"flux.2.cache.dirty:7|g"]
