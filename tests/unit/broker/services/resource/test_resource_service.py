"""The resource module against a scripted broker."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.resource.service import ResourceService
from broker.testing.harness import Rpc, ServiceHarness
from flux import eventlog, treeobj
from flux.constants import FLUX_KVS_SYNC
from flux.wire.message import UPSTREAM

if TYPE_CHECKING:
    import pathlib


class Store:
    """Just enough KVS: appends and values by key."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def commit(self, payload: dict[str, Any]) -> dict[str, Any]:
        for op in payload["ops"]:
            data = treeobj.decode_val(op["dirent"])
            before = self.values.get(op["key"], b"") if op["flags"] & 32 else b""
            self.values[op["key"]] = before + data
        return {"rootref": "sha1-0", "rootseq": 1}

    def lookup(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload["key"] not in self.values:
            raise OSError(errno.ENOENT, "")
        return {"val": treeobj.val(self.values[payload["key"]])}

    def names(self) -> list[str]:
        return [
            entry["name"]
            for entry in eventlog.decode(self.values.get("resource.eventlog", b"").decode())
        ]


def _item(rank: int, xml: str) -> dict[str, Any]:
    return {"rank": rank, "host": f"node{rank}", "cores": "0-3", "gpus": "", "xml": xml}


def _report(rank: int) -> dict[str, Any]:
    return {"reports": [_item(rank, "d")], "xml": {"d": "<topology/>"}}


async def _leader(
    size: int = 2,
    store: Store | None = None,
    args: list[str] | None = None,
    online: str = "",
    lost: str | None = None,
    attrs: dict[str, str] | None = None,
) -> Any:
    store = store or Store()
    ranks = {"idset": online} | ({} if lost is None else {"lost": lost})
    rpcs = {
        "kvs.commit": store.commit,
        "kvs.lookup": store.lookup,
        "state-machine.quorum-get": lambda _: ranks,
    }
    harness = ServiceHarness(ResourceService, size=size, rpcs=rpcs, attrs=attrs)
    await harness.start(args)
    return harness, store


async def _complete(harness: Any) -> None:
    await harness.request("resource.topo-reduce", _report(1))
    harness.publish("overlay.online", {"idset": "1"})
    await harness.until(lambda: harness.service.state.resources is not None)


async def test_first_acquire_waits_for_every_rank() -> None:
    harness, store = await _leader()
    replies = harness.stream("resource.acquire")
    await harness.until(lambda: 0 in harness.service.state.inventory)
    assert replies == []
    await _complete(harness)
    assert replies[0].json()["up"] == "0-1"
    await harness.until(lambda: "resource.R" in store.values and "resource-define" in store.names())
    assert store.names() == ["resource-init", "online", "resource-define"]
    await harness.stop()


async def test_drain_tells_scheduler_and_log() -> None:
    harness, store = await _leader()
    await _complete(harness)
    replies = harness.stream("resource.acquire")
    await harness.request("resource.drain", {"targets": "1", "reason": "bad node"})
    await harness.request("resource.undrain", {"targets": "node1"})
    assert [msg.json() for msg in replies[1:]] == [{"down": "1"}, {"up": "1"}]
    assert store.names()[-2:] == ["drain", "undrain"]
    assert (await harness.request("resource.status", userid=77))["drain"] == {}
    await harness.stop()


async def test_lost_rank_goes_down_and_comes_back() -> None:
    harness, _ = await _leader()
    await _complete(harness)
    replies = harness.stream("resource.acquire")
    harness.publish("overlay.offline", {"idset": "1"})
    assert replies[1].json() == {"down": "1"}
    await harness.request("resource.topo-reduce", _report(1))  # on its way when its rank went
    assert (await harness.request("resource.status"))["offline"] == "1"
    harness.publish("overlay.online", {"idset": "0-1"})
    assert [msg.json() for msg in replies[2:]] == [{"up": "1"}]
    await harness.stop()


async def test_a_module_loaded_later_counts_those_online_that_report_again() -> None:
    harness, _ = await _leader(size=8, online="[0-2,5]")
    assert (await harness.request("resource.status"))["offline"] == "1-7"
    for rank in (1, 5, 6):
        await harness.request("resource.topo-reduce", _report(rank))
    await harness.until(lambda: 6 in harness.service.state.inventory)
    assert (await harness.request("resource.status"))["online"] == "0-1,5"
    await harness.stop()


async def test_a_rank_whose_module_is_unloaded_goes_down_until_it_reports() -> None:
    harness, store = await _leader(size=3)
    for rank in (1, 2):
        await harness.request("resource.topo-reduce", _report(rank))
    harness.publish("overlay.online", {"idset": "1-2"})
    replies = harness.stream("resource.acquire")
    await harness.until(lambda: bool(replies))
    await harness.request("resource.topo-reduce", {"reports": [], "xml": {}, "leaving": "2"})
    await harness.until(lambda: len(replies) == 2)
    assert (await harness.request("resource.status"))["offline"] == "2"
    await harness.request("resource.topo-reduce", _report(2))
    await harness.until(lambda: len(replies) == 3)
    assert [msg.json() for msg in replies[1:]] == [{"down": "2"}, {"up": "2"}]
    await harness.until(lambda: store.names()[-2:] == ["offline", "online"])
    await harness.stop()


async def test_a_module_that_is_unloaded_tells_so_with_what_its_children_told() -> None:
    harness = ServiceHarness(
        ResourceService, rank=1, size=4, rpcs={"resource.topo-reduce": lambda _: {}}
    )
    await harness.start()
    await harness.until(lambda: len(harness.sent) == 1)
    harness.stream("resource.topo-reduce", _report(3))
    await harness.stop()
    last = harness.sent[-1]
    assert [item["rank"] for item in last.json()["reports"]] == [3]
    assert last.json()["leaving"] == "1"
    assert last.flags & UPSTREAM


async def test_the_last_word_on_a_rank_counts() -> None:
    harness = ServiceHarness(
        ResourceService, rank=1, size=4, rpcs={"resource.topo-reduce": lambda _: {}}
    )
    await harness.start()
    await harness.until(lambda: len(harness.sent) == 1)
    harness.stream("resource.topo-reduce", _report(3))
    harness.stream("resource.topo-reduce", {"reports": [], "xml": {}, "leaving": "3"})
    await harness.until(lambda: len(harness.sent) == 2)
    assert harness.sent[-1].json() == {"reports": [], "xml": {}, "leaving": "3"}
    await harness.stop()
    await harness.stop()


async def test_a_request_waits_until_so_many_ranks_are_up() -> None:
    harness, _ = await _leader(size=4, online="0-1")
    for rank in (1, 2, 3):
        await harness.request("resource.topo-reduce", _report(rank))
    await harness.until(lambda: harness.service.state.complete)
    assert await harness.request("resource.monitor-waitup", {"up": 2}, userid=77) == {}
    three = harness.stream("resource.monitor-waitup", {"up": 3}, sender="one")
    four = harness.stream("resource.monitor-waitup", {"up": 4}, sender="two")
    gone = harness.stream("resource.monitor-waitup", {"up": 3}, sender="three")
    harness.disconnect("three")
    harness.publish("overlay.online", {"idset": "3"})
    assert ([msg.errnum for msg in three], four, gone) == ([0], [], [])
    harness.publish("overlay.online", {"idset": "2"})
    assert [msg.errnum for msg in four] == [0]
    await harness.stop()


@pytest.mark.parametrize(
    ("payload", "errnum"),
    [({}, errno.EPROTO), ({"up": "2"}, errno.EPROTO), ({"up": 3}, errno.EINVAL)],
)
async def test_ranks_that_cannot_be_waited_for(payload: dict[str, Any], errnum: int) -> None:
    harness, _ = await _leader()
    with pytest.raises(OSError) as caught:
        await harness.request("resource.monitor-waitup", payload)
    assert caught.value.errno == errnum
    await harness.stop()


@pytest.mark.parametrize(
    ("topic", "errnum", "text"),
    [
        ("drain", errno.ENOSYS, "Unknown service method"),
        ("undrain", errno.ENOSYS, "Unknown service method"),
        ("monitor-waitup", errno.EPROTO, "this RPC only works on rank 0"),
    ],
)
async def test_what_only_rank_0_does(topic: str, errnum: int, text: str) -> None:
    harness = ServiceHarness(
        ResourceService, rank=1, size=2, rpcs={"resource.topo-reduce": lambda _: {}}
    )
    await harness.start()
    with pytest.raises(OSError) as caught:
        await harness.request(f"resource.{topic}", {"targets": "0", "up": 1})
    assert (caught.value.errno, caught.value.strerror) == (errnum, text)
    await harness.stop()


async def test_one_scheduler_at_a_time() -> None:
    harness, _ = await _leader(size=1)
    first = harness.stream("resource.acquire", sender="one")
    await harness.until(lambda: bool(first))
    with pytest.raises(OSError) as caught:
        await harness.finish(harness.stream("resource.acquire", sender="two"))
    assert caught.value.errno == errno.EBUSY
    harness.disconnect("one")
    third = harness.stream("resource.acquire", sender="two")
    await harness.until(lambda: bool(third))
    assert third[0].json()["up"] == "0"
    assert {msg.errnum for msg in first} == {0}
    await harness.stop()


@pytest.mark.parametrize(
    ("topic", "payload", "errnum", "text"),
    [
        ("drain", {"targets": "99", "reason": "x"}, errno.EINVAL, "idset is out of range"),
        ("undrain", {"targets": "1"}, errno.EINVAL, "rank 1 not drained"),
        ("undrain", {"targets": "nosuch"}, errno.EINVAL, "invalid targets: invalid hosts: nosuch"),
        ("drain", {}, errno.EPROTO, "Protocol error"),
        ("topo-reduce", {"reports": [{}], "xml": {}}, errno.EPROTO, "malformed inventory"),
        ("topo-reduce", _report(7), errno.EINVAL, "inventory of rank 7 is not valid"),
        (
            "topo-reduce",
            {"reports": [_item(1, "unsent")], "xml": {}},
            errno.EINVAL,
            "inventory of rank 1 is not valid",
        ),
        (
            "topo-reduce",
            {"reports": [], "xml": {}, "leaving": "9"},
            errno.EINVAL,
            "ranks 9 are out of range",
        ),
        (
            "topo-reduce",
            {"reports": [], "xml": {}, "leaving": "x"},
            errno.EPROTO,
            "malformed idset",
        ),
        ("reload", {"path": "/nosuch/R"}, errno.ENOENT, "/nosuch/R: No such file or directory"),
    ],
)
async def test_errors(topic: str, payload: dict[str, Any], errnum: int, text: str) -> None:
    harness, _ = await _leader()
    await _complete(harness)
    with pytest.raises(OSError) as caught:
        await harness.request(f"resource.{topic}", payload)
    assert (caught.value.errno, caught.value.strerror) == (errnum, text)
    await harness.stop()


async def test_guests_may_look_but_not_drain() -> None:
    harness, _ = await _leader(size=1)
    with pytest.raises(OSError) as caught:
        await harness.request("resource.drain", {"targets": "0", "reason": ""}, userid=77)
    assert caught.value.errno == errno.EPERM
    assert len((await harness.request("resource.get-xml", userid=77))["xml"]) == 1
    await harness.stop()


async def test_drained_ranks_survive_a_restart() -> None:
    harness, store = await _leader()
    await _complete(harness)
    await harness.request("resource.drain", {"targets": "1", "reason": "x"})
    await harness.stop()
    again, _ = await _leader(store=store)
    assert list((await again.request("resource.status"))["drain"]) == ["1"]
    await again.stop()


async def test_a_damaged_log_of_an_earlier_run_is_ignored() -> None:
    store = Store()
    store.values["resource.eventlog"] = b"no eventlog"
    harness, _ = await _leader(size=1, store=store)
    assert any("of an earlier run is ignored" in entry.text for entry in harness.logs)
    assert (await harness.request("resource.status"))["drain"] == {}
    await harness.stop()


async def test_excluded_ranks_by_module_argument() -> None:
    harness, _ = await _leader(args=["exclude=1"])
    await _complete(harness)
    replies = harness.stream("resource.acquire")
    assert replies[0].json()["up"] == "0"
    with pytest.raises(OSError, match="unknown option"):
        await _leader(args=["nosuch"])
    await harness.stop()


async def test_follower_reports_upstream_until_the_parent_answers() -> None:
    calls: list[dict[str, Any]] = []

    def reduce(payload: dict[str, Any]) -> None:
        calls.append(payload)
        if len(calls) == 1:
            raise OSError(errno.ENOSYS, "")

    harness = ServiceHarness(ResourceService, rank=1, size=3, rpcs={"resource.topo-reduce": reduce})
    await harness.start()
    await harness.until(lambda: len(calls) == 2)
    assert calls[0] == calls[1]
    assert [item["rank"] for item in calls[0]["reports"]] == [1]
    assert harness.sent[0].flags & UPSTREAM
    harness.publish("resource.report-again")
    await harness.until(lambda: len(calls) == 3)
    assert calls[2]["reports"] == calls[1]["reports"]
    assert calls[2]["xml"] == calls[1]["xml"]
    await harness.stop()


@pytest.mark.parametrize(("online", "asked"), [("", []), ("0", []), ("[0-1]", [1])])
async def test_a_leader_that_is_loaded_again_asks_the_others(online: str, asked: list[int]) -> None:
    harness, _ = await _leader(online=online)
    await harness.until(lambda: 0 in harness.service.state.inventory)
    await harness.until(lambda: len(harness.events) >= len(asked))
    assert [msg.topic for msg in harness.events] == ["resource.report-again"] * len(asked)
    await harness.stop()


@pytest.mark.parametrize("persists", [True, False])
async def test_drain_is_durable_where_the_store_is(persists: bool) -> None:
    store = Store()
    commits: list[tuple[int, list[str]]] = []
    full = False

    def commit(payload: dict[str, Any]) -> dict[str, Any]:
        if full and payload["flags"] & FLUX_KVS_SYNC:
            raise OSError(errno.ENOSPC, "the disk is full")
        answer = store.commit(payload)
        commits.append((payload["flags"], store.names()))
        return answer

    rpcs: dict[str, Rpc] = {
        "kvs.commit": commit,
        "kvs.lookup": store.lookup,
        "state-machine.quorum-get": lambda _: {"idset": ""},
    }
    attrs = {
        "content.backing-path": "/kept/content.sqlite"
        if persists
        else "/nonexistent/content.sqlite"
    }
    harness = ServiceHarness(ResourceService, size=2, rpcs=rpcs, attrs=attrs)
    await harness.start()
    await _complete(harness)
    await harness.until(lambda: "resource-define" in store.names())
    assert {flags for flags, _ in commits} == {0}
    await harness.request("resource.drain", {"targets": "1", "reason": "bad node"})
    assert commits[-1][0] == (FLUX_KVS_SYNC if persists else 0)
    full = True
    if persists:
        with pytest.raises(
            OSError, match="ranks 1 are undrained, but this is not on disk: the disk is full"
        ) as caught:
            await harness.request("resource.undrain", {"targets": "1"})
        assert caught.value.errno == errno.ENOSPC
    else:
        await harness.request("resource.undrain", {"targets": "1"})
    await harness.until(lambda: store.names()[-2:] == ["drain", "undrain"])
    assert commits[-1][0] == 0
    assert (await harness.request("resource.status"))["drain"] == {}
    await harness.stop()


async def test_resources_from_hwloc_xml(tmp_path: pathlib.Path) -> None:
    harness, store = await _leader()
    await _complete(harness)
    held = harness.stream("resource.acquire", sender="scheduler")
    text = "<topology><object type='Machine'><object type='Core'/></object></topology>"
    (tmp_path / "0.xml").write_text(text)
    payload = {"path": str(tmp_path), "xml": True}
    with pytest.raises(OSError, match="busy"):
        await harness.request("resource.reload", payload)
    harness.disconnect("scheduler")
    assert len(held) == 1
    await harness.request("resource.reload", payload)
    await harness.until(lambda: store.names()[-1] == "resource-define")
    status = await harness.request("resource.status")
    assert status["R"]["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0"}}]
    assert (await harness.request("resource.get-xml"))["xml"] == [text, None]
    (tmp_path / "3.xml").write_text(text)
    with pytest.raises(OSError, match="not part of this instance"):
        await harness.request("resource.reload", payload)
    assert (await harness.request("resource.get-xml"))["xml"] == [text, None]
    await harness.request("resource.reload", payload | {"force": True})
    assert (await harness.request("resource.get-xml"))["xml"] == [text, None, None, text]
    await harness.stop()


async def test_a_muted_scheduler_hears_nothing_until_one_acquires_again() -> None:
    harness, _ = await _leader()
    await _complete(harness)
    held = harness.stream("resource.acquire", sender="one")
    await harness.request("resource.acquire-mute", {})
    await harness.request("resource.drain", {"targets": "1", "reason": "x"})
    assert len(held) == 1
    harness.service.on_disconnect("one")
    again = harness.stream("resource.acquire", sender="two")
    await harness.request("resource.undrain", {"targets": "1"})
    assert again[1].json() == {"up": "1"}
    await harness.stop()


async def test_the_journal_has_what_an_earlier_run_logged() -> None:
    store = Store()
    text = eventlog.encode(eventlog.entry("drain", {"idset": "1", "reason": "old"}, 5.0))
    store.values["resource.eventlog"] = text.encode()
    harness, _ = await _leader(store=store)
    await _complete(harness)
    told = [msg.json() for msg in harness.stream("resource.journal")]
    names = [[entry["name"] for entry in one["events"]] for one in told]
    assert names == [["drain", "resource-init", "online", "resource-define"], []]
    assert told[0]["R"] == harness.service.state.resources
    await harness.stop()
