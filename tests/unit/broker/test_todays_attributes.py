"""What the attributes of today's flux-core mean."""

from __future__ import annotations

import pytest

from broker.attributes import Attributes
from broker.configuration import from_tables
from broker.todays_attributes import (
    CLEANUP_TIMEOUT,
    check_todays,
    critical_ranks,
    end_timeout,
    jobid_path,
    take_topology,
    with_links,
)


def with_value(name: str, value: str) -> Attributes:
    attrs = Attributes()
    attrs.define(name, value)
    return attrs


@pytest.mark.parametrize(("text", "fanout"), [("kary:3", "3"), ("kary:0", "32768")])
def test_the_tree(text: str, fanout: str) -> None:
    attrs = with_value("tbon.topo", text)
    attrs.define("tbon.fanout", "7")
    take_topology(attrs)
    assert attrs.get("tbon.fanout") == fanout


@pytest.mark.parametrize("text", ["binomial", "kary", "kary:-1", "kary:99999", "mincrit:2", ""])
def test_trees_that_are_not_built(text: str) -> None:
    with pytest.raises(OSError, match=r"tbon\.topo: invalid value"):
        take_topology(with_value("tbon.topo", text))


def test_times_of_links_count_before_the_configuration() -> None:
    config = from_tables({"tbon": {"tcp_user_timeout": "5s", "connect_timeout": "7s"}})
    assert with_links(config, Attributes()) is config
    found = with_links(config, with_value("tbon.tcp_user_timeout", "1m")).tbon
    assert (found.tcp_user_timeout, found.connect_timeout) == (60.0, 7.0)
    with pytest.raises(OSError, match=r"tbon\.connect_timeout: invalid value 'x'"):
        with_links(config, with_value("tbon.connect_timeout", "x"))


def test_times_of_the_end() -> None:
    assert end_timeout(Attributes(), CLEANUP_TIMEOUT) == 15.0
    assert end_timeout(with_value(CLEANUP_TIMEOUT, "1m"), CLEANUP_TIMEOUT) == 60.0
    assert end_timeout(with_value(CLEANUP_TIMEOUT, "none"), CLEANUP_TIMEOUT) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broker.critical-ranks", "0-"),
        ("broker.cleanup-timeout", "soon"),
        ("broker.shutdown-timeout", "-1"),
    ],
)
def test_values_that_mean_nothing(name: str, text: str) -> None:
    with pytest.raises(OSError, match=f"{name}: invalid value '{text}'"):
        check_todays(with_value(name, text))


def test_critical_ranks() -> None:
    assert critical_ranks(Attributes()) == frozenset()
    assert critical_ranks(with_value("broker.critical-ranks", "0,2-3")) == {0, 2, 3}


def test_the_path_of_jobs() -> None:
    inside = {"FLUX_JOB_ID": "ƒA"}
    assert jobid_path({}, 0, None) == "/"
    assert jobid_path(inside, 1, None) == "/ƒA"
    assert jobid_path(inside, 1, "/") == "/ƒA"
    assert jobid_path(inside, 2, "/ƒB") == "/ƒB/ƒA"
    assert jobid_path(inside, 2, None) is None
    assert jobid_path({"FLUX_JOB_ID": "x"}, 1, "/") is None
