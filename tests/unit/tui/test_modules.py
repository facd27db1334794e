"""Modules as the dashboard shows them."""

from __future__ import annotations

from typing import Any

import pytest

from tui.model.modules import (
    Pings,
    fact_lines,
    facts,
    messages,
    modules,
    plugins,
    with_plugins,
)
from tui.model.rates import Rates


@pytest.mark.parametrize(
    ("stats", "found"),
    [
        ({"#request (tx)": 3, "#response (tx)": 4, "#event (rx)": 5, "n": 9}, (7, 5)),
        ({"tx": {"request": 1, "response": 2}, "rx": {"request": 3}}, (3, 3)),
        ({"lookups": 4}, (-1, -1)),
        ({}, (-1, -1)),
    ],
)
def test_messages_of_both_kinds_of_statistics(
    stats: dict[str, Any], found: tuple[int, int]
) -> None:
    assert messages(stats) == found


def test_modules_with_rates() -> None:
    listed = {"mods": [{"name": "kvs", "idle": 3, "status": 1, "services": ["kvs", "kv"]}]}
    rates = Rates()
    (first,) = modules(listed, {"kvs": {"#request (tx)": 10}}, rates, 100.0)
    assert (first.state, first.others, first.sent, first.received) == ("running", "kv", 10, -1)
    assert (first.send_rate, first.receive_rate, first.queued) == (None, None, -1)
    (second,) = modules(listed, {"kvs": {"#request (tx)": 30}}, rates, 102.0)
    assert second.send_rate == 10.0


def test_modules_of_later_brokers() -> None:
    told = {"name": "kvs", "path": "/lib/kvs.so", "idle": 0, "status": 0, "services": ["kvs"]}
    (found,) = modules({"mods": [{**told, "sendqueue": 2, "recvqueue": 3}]}, {}, Rates(), 0.0)
    assert (found.path, found.queued, found.state, found.size) == ("/lib/kvs.so", 5, "init", -1)


def test_plugins_stand_behind_the_job_manager() -> None:
    listed = {"mods": [{"name": name, "status": 1} for name in ("kvs", "job-manager")]}
    rows = with_plugins(modules(listed, {}, Rates(), 0.0), plugins({"plugins": [".begin-time"]}))
    assert [row.name for row in rows] == ["job-manager", ".begin-time", "kvs"]
    assert rows[1].title == "  .begin-time"


def test_statistics_in_tables_have_dotted_names() -> None:
    found = facts({"cache": {"n": 1204, "inner": {"mean": 0.44484230324}}, "on": True, "e": {}})
    assert found == {"cache.n": "1,204", "cache.inner.mean": "0.444842", "on": "true", "e": "{}"}
    assert list(found) == ["cache.n", "cache.inner.mean", "on", "e"]


def test_what_changed_is_marked_from_the_second_time_on() -> None:
    first = fact_lines({"a": "1", "b": "2"}, {})
    assert [line.kind for line in first] == ["fact", "fact"]
    assert [line.kind for line in fact_lines({"a": "1", "b": "3"}, {"a": "1", "b": "2"})] == [
        "fact", "changed",
    ]  # fmt: skip


def test_control_characters_in_statistics_are_escaped() -> None:
    assert "\x1b" not in str(facts({"a\x1b": "b\x1b"}))


def test_round_trips() -> None:
    assert Pings("kvs", []).text() == "ping kvs: waiting for the first answer"
    assert Pings("kvs", [], 1, "no such service").text() == "ping kvs: no such service"
    text = Pings("kvs", [0.001, 0.003], 1, "timed out").text()
    assert text == (
        "ping kvs: 2 answers, last 3.000 ms, 1.000 to 3.000, mean 2.000 ms, 1 failed: timed out"
    )
