"""Whatever a client sends to these services is answered by a result or an error of the protocol,
never by a crash.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.services.barrier.service import BarrierService
from broker.services.cron.service import CronService
from broker.services.job_info.service import JobInfoService
from broker.services.job_list.service import JobListService
from broker.services.resource.service import ResourceService
from broker.testing.harness import ServiceHarness
from flux.wire.message import STREAMING

if TYPE_CHECKING:
    from broker.service import Service

REPORT = {"rank": 1, "host": "n", "cores": "0-3", "gpus": "", "xml": "d"}
REQUESTS: list[tuple[type[Service], str, dict[str, Any]]] = [
    (
        BarrierService,
        "barrier.enter",
        {"name": "b", "nprocs": 2, "count": 1, "internal": True, "userid": 0},
    ),
    (
        CronService,
        "cron.create",
        {"type": "interval", "name": "x", "args": {"interval": 9}, "command": "x", "rank": 1},
    ),
    (
        CronService,
        "cron.create",
        {"type": "event", "args": {"topic": "a", "nth": 2}, "command": "x", "environ": {}},
    ),
    (
        CronService,
        "cron.create",
        {"type": "datetime", "args": {"minute": 1, "month": "*"}, "command": "x", "repeat": 1},
    ),
    (CronService, "cron.sync", {"topic": "a", "sync_epsilon": 0.1, "disable": False}),
    (CronService, "cron.delete", {"id": 1, "kill": True}),
    (
        JobInfoService,
        "job-info.lookup",
        {"id": 1, "keys": ["R", "eventlog"], "flags": 0, "userid": 1},
    ),
    (
        JobInfoService,
        "job-info.eventlog-watch",
        {"id": 1, "path": "guest.output", "flags": 0, "userid": 1},
    ),
    (JobInfoService, "job-info.eventlog-watch-cancel", {"matchtag": 1}),
    (
        JobListService,
        "job-list.list",
        {"max_entries": 5, "attrs": ["state"], "userid": 0, "states": 0, "results": 0},
    ),
    (JobListService, "job-list.list-id", {"id": 1, "attrs": ["state"]}),
    (
        JobListService,
        "job-list.list-inactive",
        {"max_entries": 5, "since": 0.0, "attrs": ["name"], "name": "x"},
    ),
    (ResourceService, "resource.drain", {"targets": "0-1", "reason": "x"}),
    (ResourceService, "resource.undrain", {"targets": "0-1"}),
    (ResourceService, "resource.topo-reduce", {"reports": [REPORT], "xml": {"d": "<topology/>"}}),
    (ResourceService, "resource.reload", {"path": "/nonexistent", "force": True}),
]
WORDS = st.sampled_from(
    [
        "event",
        "datetime",
        "eventlog",
        "guest.",
        "R",
        "0-3",
        "*/5",
        "",
        "state",
        "\udcff",
        "a[1-",
        "\0",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(-3, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | WORDS
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def _mutated(draw: st.DrawFn, value: Any) -> Any:
    """Replace a value somewhere in a valid payload, or drop it."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(value)))
        if not draw(st.integers(0, 5)):
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _mutated(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [_mutated(draw, value[0]), *value[1:]]
    return draw(LEAVES if draw(st.booleans()) else VALUES)


@st.composite
def payloads(draw: st.DrawFn, valid: dict[str, Any]) -> dict[str, Any]:
    """Payloads that are almost right."""
    payload = dict(valid)
    for key in draw(st.lists(st.sampled_from(sorted(valid)), min_size=1, max_size=2, unique=True)):
        payload[key] = _mutated(draw, valid[key])
    return payload


def _not_found(_payload: Any) -> Any:
    raise OSError(2, "")


async def _ask(
    service: type[Service], topic: str, payload: dict[str, Any], userid: int
) -> list[str]:
    """Send one request; return the log lines and answers that tell of a crash."""
    harness = ServiceHarness(
        service,
        size=4,
        rpcs={
            "job-manager.events-journal": lambda _: ServiceHarness.OPEN,
            "kvs.lookup": _not_found,
            "kvs.commit": lambda _: {},
            "state-machine.quorum-get": lambda _: {"idset": "[0-3]"},
        },
    )
    crashes: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: crashes.append(str(context))
    )
    await harness.start()
    if service is JobListService:
        await harness.until(lambda: bool(harness.sent))
        harness.answer(harness.sent[0], {"events": [], "replayed": True})
    tag = harness.submit(
        topic, payload, userid=userid, flags=STREAMING if topic.endswith("-watch") else 0
    )
    for _ in range(20):
        await asyncio.sleep(0)
    replies = [msg.text() for msg in harness.replies(tag)]
    harness.disconnect()
    await harness.stop()
    texts = [entry.text for entry in harness.logs] + replies
    return crashes + [
        text
        for text in texts
        if "internal error" in text or "Traceback" in text or "Error:" in text
    ]


@pytest.mark.parametrize(
    ("service", "topic", "valid"), REQUESTS, ids=[topic for _, topic, _ in REQUESTS]
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), userid=st.sampled_from([0, 77]))
def test_any_payload_is_answered(
    service: type[Service], topic: str, valid: dict[str, Any], data: st.DataObject, userid: int
) -> None:
    payload = data.draw(payloads(valid))
    assert asyncio.run(_ask(service, topic, payload, userid)) == []
