"""The formats of ``flux priority``, which are those of sprio(1)."""

from __future__ import annotations

from typing import Any

import pytest

from flux.job.priority_factors import JobPriority
from fluxctl.priority_table import (
    HEADINGS,
    LONG,
    PriorityTable,
    layout_for,
    parse,
    sort_keys,
    sorted_jobs,
)

WEIGHTS: dict[str, Any] = {
    "age": 1001,
    "assoc": 0,
    "fairshare": 100,
    "jobsize": 10001,
    "partition": 2,
    "qos": 0,
    "site": 1,
    "urgency": 1,
    "tres": {"cpu": 1000, "gres/gpu": -8},
}


def job(jobid: int = 7, **fields: Any) -> JobPriority:
    plain = JobPriority(
        jobid, 0, "root", "", "physics", "high", 43750, -5, 0.5, 0.0, 0.25, 0.140625, 1.0, 0.0, 3,
        [0.25, 0.5],
    )  # fmt: skip
    return plain._replace(**fields)


def shown(layout: str, **fields: Any) -> str:
    return PriorityTable(layout, WEIGHTS).row(job(**fields), "ƒ8")


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("%i|%r|%u|%o|%n", "ƒ8|-|root|physics|high"),
        ("%Y|%y", "43750|0.00001018634066"),
        ("%S|%N", "-5|3"),
        ("%A|%a", "500|0.5000000"),
        ("%B|%b", "0|0.0000000"),
        ("%F|%f", "25|0.2500000"),
        ("%J|%j", "1406|0.1406250"),
        ("%P|%p", "2|1.0000000"),
        ("%Q|%q", "0|0.0000000"),
        ("%T|%t", "cpu=250,gres/gpu=-4|cpu=0.2500000,gres/gpu=0.5000000"),
        ("%.9r|%9r|", "        -|-        |"),
        ("a %.3i b", "a  ƒ8 b"),
        ("%2Y", "43750"),
        ("nothing", "nothing"),
    ],
)
def test_fields(layout: str, text: str) -> None:
    assert shown(layout) == text


def test_names_are_shown_as_they_are() -> None:
    assert shown("%r %n", queue="batch", qos_name="") == "batch -"


@pytest.mark.parametrize("layout", ["%z", "%", "%.10", "%5%", "%99999i", "%\n"])
def test_formats_that_are_none(layout: str) -> None:
    with pytest.raises(ValueError, match="Invalid job format specification: "):
        parse(layout)


def test_headings_and_weights() -> None:
    table = PriorityTable(layout_for(WEIGHTS), WEIGHTS)
    assert table.header().split() == [
        *("JOBID", "PARTITION", "PRIORITY", "SITE", "AGE", "FAIRSHARE", "JOBSIZE", "PARTITION"),
        "TRES",
    ]
    assert table.weights().split() == [
        *("Weights", "1", "1001", "100", "10001", "2", "cpu=1000,gres/gpu=-8"),
    ]
    without = {**WEIGHTS, "tres": {}, "fairshare": 0}
    assert "TRES" not in PriorityTable(layout_for(without), without).header()


def test_long_has_every_weighted_field() -> None:
    letters = {column.letter for column in parse(LONG)[0]}
    assert letters == {letter for letter in HEADINGS if letter.isupper()} | set("iruon")
    assert layout_for(WEIGHTS, long=True) == LONG
    norm = parse(layout_for(WEIGHTS, long=True, norm=True))[0]
    assert [column.letter for column in norm] == list("iruoyabfjpnqNt")


def test_users_are_named_if_they_are_asked_for() -> None:
    assert [c.letter for c in parse(layout_for(WEIGHTS, users=True))[0]][:4] == list("iruY")


def test_normalized() -> None:
    norm = parse(layout_for(WEIGHTS, norm=True))[0]
    assert [column.letter for column in norm] == list("iryafjpt")


def test_sorting() -> None:
    jobs = [
        job(1, priority=5, user="b"),
        job(2, priority=9, user="a"),
        job(3, priority=5, user="a"),
    ]

    def order(text: str) -> list[int]:
        return [one.id for one in sorted_jobs(jobs, sort_keys(text), WEIGHTS)]

    assert order("i") == [1, 2, 3]
    assert order("-i") == [3, 2, 1]
    assert order("-Y") == [2, 1, 3]
    assert order("u,+Y,-i") == [3, 2, 1]
    assert order("r,A,f") == [1, 2, 3]


@pytest.mark.parametrize("text", ["", "z", "Y,", "--Y", "T", "t", "Yy"])
def test_orders_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid sort specification: "):
        sort_keys(text)
