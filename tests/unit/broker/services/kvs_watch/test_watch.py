"""What a watcher is told, decided without messages."""

from __future__ import annotations

import errno

import pytest

from broker.services.kvs_watch.watch import Index, KeyWatch, Verdict
from flux.kvs_txn import WAITCREATE, WATCH, WATCH_APPEND, WATCH_FULL, WATCH_UNIQ


def watch(flags: int, key: str = "a.b.c") -> KeyWatch:
    return KeyWatch("primary", key, flags, 0, 1)


def test_creation_is_waited_for_once() -> None:
    waiting = watch(WATCH | WAITCREATE)
    assert waiting.judge({"errnum": errno.ENOENT}) == Verdict()
    assert waiting.judge({"val": {"n": 1}}) == Verdict({"n": 1})
    assert waiting.judge({"errnum": errno.ENOENT}) == Verdict(errnum=errno.ENOENT)
    assert watch(WAITCREATE).judge({"val": {"n": 1}}) == Verdict({"n": 1}, final=True)
    assert watch(WATCH).judge({"errnum": errno.ENOENT}) == Verdict(errnum=errno.ENOENT)


@pytest.mark.parametrize("flags", [WATCH_UNIQ, WATCH_FULL])
def test_equal_values_are_told_once(flags: int) -> None:
    watching = watch(WATCH | flags)
    told = [watching.judge({"val": {"n": n}}).value for n in (1, 1, 2, 1)]
    assert told == [{"n": 1}, None, {"n": 2}, {"n": 1}]


def test_appends_are_told_when_there_is_more() -> None:
    watching = watch(WATCH | WATCH_APPEND)
    seen = {"refs": 0, "last": "", "length": 0}
    assert watching.lookup()["seen"] == seen
    assert watching.judge({"val": {}, "seen": seen}) == Verdict({})
    assert watching.judge({"val": {}, "seen": seen}) == Verdict()
    grown = {"refs": 1, "last": "r", "length": 3}
    assert watching.judge({"val": {"n": 1}, "seen": grown}) == Verdict({"n": 1})
    assert watching.lookup()["seen"] == grown


def test_roots_are_looked_at_in_order_except_for_appends() -> None:
    plain, appends = watch(WATCH), watch(WATCH | WATCH_APPEND)
    for watching in (plain, appends):
        watching.roots.extend([("r1", 1), ("r2", 2), ("r3", 3)])
        watching.skip_to(1)
    assert [plain.next_root(), plain.next_root(), plain.next_root()] == [("r2", 2), ("r3", 3), None]
    assert [appends.next_root(), appends.next_root()] == [("r3", 3), None]


def test_index_finds_by_key_parent_and_for_every_root() -> None:
    index = Index()
    plain, waiting, full = watch(WATCH), watch(WATCH | WAITCREATE), watch(WATCH | WATCH_FULL)
    for each in (plain, waiting, full):
        index.add(each)
    plain.started = True
    assert index.concerned(["z"]) == [full]
    assert set(index.concerned(["a.b.c"])) == {plain, waiting, full}
    assert set(index.concerned(["a"])) == {waiting, full}
    waiting.started = True
    assert set(index.concerned(["a.b"])) == {full}
    for each in (plain, waiting, full):
        index.remove(each)
    assert not index
    assert index.concerned(["a.b.c"]) == []


@pytest.mark.parametrize(
    "flags",
    [
        WATCH_UNIQ,
        WATCH | WATCH_UNIQ | WATCH_FULL,
        WATCH | WATCH_APPEND | 1,
        WATCH | 32,
        WATCH | 1 << 20,
    ],
)
def test_senseless_flags(flags: int) -> None:
    with pytest.raises(OSError) as caught:
        watch(flags)
    assert caught.value.errno == errno.EINVAL
