"""R by discovery when ranks never report."""

from __future__ import annotations

from typing import Any

from tests.unit.broker.services.resource.test_resource_service import _complete, _leader, _report

CONFIGURED = {"config.hostlist": "fluke[0-2]"}


def _ranks(harness: Any) -> str:
    resources = harness.service.state.resources
    return ",".join(entry["rank"] for entry in resources["execution"]["R_lite"])


def _said(harness: Any, text: str) -> list[str]:
    return [entry.text for entry in harness.logs if text in entry.text]


async def _defined(harness: Any) -> None:
    await harness.until(lambda: harness.service.state.resources is not None)


async def test_a_rank_lost_before_it_reported_is_not_waited_for() -> None:
    harness, _ = await _leader(size=3)
    replies = harness.stream("resource.acquire")
    await harness.request("resource.topo-reduce", _report(1))
    assert replies == []
    harness.publish("overlay.offline", {"idset": "2"})
    await _defined(harness)
    assert replies[0].json()["up"] == "0"
    harness.publish("overlay.online", {"idset": "0-1"})
    assert replies[1].json() == {"up": "1"}
    assert _ranks(harness) in ("0-1", "0,1")
    assert _said(harness, "R is made without rank 2: lost before reporting")
    await harness.stop()


async def test_a_rank_lost_before_the_module_was_loaded_is_not_waited_for() -> None:
    harness, _ = await _leader(size=3, online="[0-1]", lost="2")
    await harness.request("resource.topo-reduce", _report(1))
    await _defined(harness)
    assert _ranks(harness) in ("0-1", "0,1")
    await harness.stop()


async def test_a_rank_lost_after_it_reported_is_in_r() -> None:
    harness, _ = await _leader(size=3)
    await harness.request("resource.topo-reduce", _report(2))
    harness.publish("overlay.offline", {"idset": "2"})
    assert harness.service.state.resources is None
    await _complete(harness)
    assert "2" in _ranks(harness) or _ranks(harness).endswith("-2")
    await harness.stop()


async def test_a_host_that_may_be_started_again_is_waited_for_and_named() -> None:
    harness, _ = await _leader(size=3, attrs=CONFIGURED | {"broker.quorum-warn": "10ms"})
    await harness.request("resource.topo-reduce", _report(1))
    harness.publish("overlay.offline", {"idset": "2"})
    wait = "jobs wait for the resources of rank 2 (fluke2) since"
    await harness.until(lambda: len(_said(harness, wait)) > 2)
    assert harness.service.state.resources is None
    await harness.request("resource.topo-reduce", _report(2))
    await _defined(harness)
    said = len(harness.logs)
    await harness.stop()
    assert not [entry for entry in harness.logs[said:] if "wait for" in entry.text]


async def test_who_takes_too_long_is_given_up_and_drained_when_it_comes() -> None:
    harness, store = await _leader(size=3, attrs=CONFIGURED | {"broker.quorum-timeout": "20ms"})
    await harness.request("resource.topo-reduce", _report(1))
    replies = harness.stream("resource.acquire")
    xml = harness.stream("resource.get-xml")
    await _defined(harness)
    assert _said(harness, "R is made without rank 2 (fluke2): no report after 0.020s")
    harness.publish("overlay.online", {"idset": "0-2"})
    await harness.request("resource.topo-reduce", _report(2))
    status = await harness.request("resource.status")
    assert status["drain"]["2"]["reason"] == "came after R was made without it"
    assert status["offline"] == ""
    assert [msg.json() for msg in replies[1:]] == [{"up": "1"}], "rank 2 is not in R"
    documents = xml[0].json()["xml"]
    assert [document is None for document in documents] == [False, False, True]
    assert "drain" not in store.names(), "the next start finds it"
    await harness.stop()


async def test_a_given_r_waits_for_nobody() -> None:
    harness, _ = await _leader(size=1, attrs={"broker.quorum-warn": "1ms"})
    await _defined(harness)
    harness.publish("overlay.offline", {"idset": "0"})
    assert not _said(harness, "made without")
    await harness.stop()
