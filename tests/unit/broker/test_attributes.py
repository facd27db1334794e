"""Broker attributes and the log ring they configure."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from broker.attributes import ACTIVE, Attributes
from broker.log import ERR, INFO, LogRing
from flux.logline import Entry, parse

if TYPE_CHECKING:
    import pathlib


def test_values_flags_and_removal() -> None:
    attrs = Attributes()
    attrs.define("rank", "3", immutable=True)
    attrs.set("my.attr", "1")
    assert (attrs.get("rank"), attrs.flags("rank"), attrs.flags("my.attr")) == ("3", 1, 0)
    with pytest.raises(OSError, match="not permitted") as caught:
        attrs.set("rank", "4")
    assert caught.value.errno == errno.EPERM
    with pytest.raises(OSError, match="not permitted"):
        attrs.remove("rank")
    attrs.remove("my.attr")
    assert attrs.get("my.attr") is None
    with pytest.raises(FileNotFoundError):
        attrs.remove("my.attr")


def test_an_active_attribute_takes_over_a_value_of_the_command_line() -> None:
    attrs = Attributes()
    attrs.define("log-level", "5")
    ring = LogRing(0, attrs)
    assert (ring.level, attrs.get("log-level")) == (5, "5")
    attrs.set("log-level", "7")
    assert ring.level == 7
    with pytest.raises(OSError, match="Invalid argument"):
        attrs.set("log-level", "x")


def test_a_number_is_kept_by_its_object_and_bounded_below() -> None:
    attrs, holder = Attributes(), SimpleNamespace(size=7)
    attrs.define("a.size", "3")
    attrs.define_number("a.size", holder, "size", least=0)
    assert (holder.size, attrs.get("a.size"), attrs.flags("a.size")) == (3, "3", ACTIVE)
    attrs.set("a.size", "0x10")
    assert (holder.size, attrs.get("a.size")) == (16, "16")
    for refused in ("-1", "x", "2147483648"):
        with pytest.raises(OSError, match="Invalid argument"):
            attrs.set("a.size", refused)
    assert holder.size == 16


def test_a_value_of_the_command_line_that_is_refused_is_named() -> None:
    attrs = Attributes()
    attrs.define("a.size", "-1")
    with pytest.raises(OSError, match=r"a\.size: invalid value '-1'"):
        attrs.define_number("a.size", SimpleNamespace(size=0), "size", least=0)


def entry(severity: int, text: str, rank: int = 0) -> Entry:
    return Entry(severity, "2026-11-21T00:20:16.607853Z", rank, "kvs", "12", text)


def test_a_line_survives_its_trip() -> None:
    assert parse(entry(ERR, "a b - c").line()) == entry(ERR, "a b - c")
    assert entry(ERR, "x").line() == "<24>1 2026-11-21T00:20:16.607853Z 0 kvs 12 - - x"
    assert parse("nonsense") is None
    assert parse("<x>1 a b c d e f g") is None


def test_the_ring_forgets_the_oldest_and_counts_all() -> None:
    attrs = Attributes()
    ring = LogRing(0, attrs)
    attrs.set("log-ring-size", "3")
    for number in range(5):
        ring.append(entry(INFO, str(number)))
    assert [line.text for line in ring] == ["2", "3", "4"]
    assert (attrs.get("log-count"), attrs.get("log-ring-used")) == ("5", "3")
    ring.clear()
    assert list(ring) == []


def test_levels_decide_what_is_kept_shown_and_forwarded(capsys: pytest.CaptureFixture[str]) -> None:
    attrs = Attributes()
    attrs.define("log-level", "3")
    attrs.define("log-forward-level", "4")
    forwarded: list[str] = []
    ring = LogRing(1, attrs, forwarded.append)
    for severity in range(8):
        ring.append(entry(severity, f"s{severity}", rank=1))
    assert [line.severity for line in ring] == [0, 1, 2, 3]
    assert len(forwarded) == 5
    shown = capsys.readouterr().err
    assert "s2" in shown
    assert "s3" not in shown
    attrs.set("log-stderr-mode", "local")
    ring.append(entry(3, "again", rank=1))
    assert "kvs.err[1]: again" in capsys.readouterr().err


def test_a_level_is_changed_while_the_broker_runs_on_rank_0_as_well() -> None:
    attrs = Attributes()
    ring = LogRing(0, attrs)
    ring.append(entry(INFO, "before"))
    attrs.set("log-level", "3")
    ring.append(entry(INFO, "not kept"))
    ring.append(entry(INFO, "not kept", rank=2))
    ring.append(entry(ERR, "kept", rank=2))
    assert [line.text for line in ring] == ["before", "kept"]
    assert attrs.get("log-count") == "2"


@pytest.mark.parametrize("value", ["8", "-1", "x", "", "1.5"])
@pytest.mark.parametrize("name", ["level", "forward-level", "critical-level", "stderr-level"])
def test_a_level_is_a_severity(name: str, value: str) -> None:
    attrs = Attributes()
    LogRing(0, attrs)
    before = attrs.get(f"log-{name}")
    with pytest.raises(OSError, match="Invalid argument"):
        attrs.set(f"log-{name}", value)
    assert attrs.get(f"log-{name}") == before


@pytest.mark.parametrize("name", ["log-count", "log-ring-used"])
def test_counts_of_the_log_are_facts(name: str) -> None:
    attrs = Attributes()
    LogRing(0, attrs)
    with pytest.raises(PermissionError):
        attrs.set(name, "5")
    assert attrs.get(name) == "0"


def test_the_file_is_changed_while_the_broker_runs(tmp_path: pathlib.Path) -> None:
    attrs = Attributes()
    ring = LogRing(0, attrs)
    assert attrs.get("log-filename") is None
    one, two = tmp_path / "one", tmp_path / "two"
    for file in (one, two):
        attrs.set("log-filename", str(file))
        ring.append(entry(INFO, file.name))
    with pytest.raises(FileNotFoundError, match="/nosuch/log: No such file or directory"):
        attrs.set("log-filename", "/nosuch/log")
    assert attrs.get("log-filename") == str(two)
    attrs.set("log-filename", "")
    ring.append(entry(INFO, "nowhere"))
    assert attrs.get("log-filename") is None
    assert [file.read_text().split("]: ")[1] for file in (one, two)] == ["one\n", "two\n"]


def test_other_ranks_have_no_file() -> None:
    attrs = Attributes()
    LogRing(1, attrs)
    with pytest.raises(PermissionError):
        attrs.set("log-filename", "/tmp/log")


def test_the_leader_writes_the_file(tmp_path: object) -> None:
    attrs = Attributes()
    attrs.define("log-filename", f"{tmp_path}/log")
    ring = LogRing(0, attrs)
    ring.append(entry(INFO, "kept"))
    ring.append(entry(INFO, "of a child", rank=2))
    with open(f"{tmp_path}/log", encoding="utf-8") as file:
        assert [line.split("]: ")[1] for line in file.read().splitlines()] == ["kept", "of a child"]
