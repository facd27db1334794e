"""What today's options of `flux jobs` mean: times, places, orders."""

from __future__ import annotations

from datetime import datetime

import pytest

from flux.job.info import JobInfo, JobInfoFormat
from fluxctl.errors import CommandError
from fluxctl.job_rows import line_width
from fluxctl.jobs_options import Order, constraint_of, moment

NOW = datetime(2026, 11, 27, 12, 0, 0).timestamp()


@pytest.mark.parametrize(
    ("text", "when"),
    [("-5m", NOW - 300), ("-1.5h", NOW - 5400), ("12.5", 12.5), ("now", NOW)],
)
def test_since_is_an_offset_seconds_or_a_date(text: str, when: float) -> None:
    assert moment(text, NOW) == when


@pytest.mark.parametrize("text", ["foo", "-", "-x", "-5mm"])
def test_since_says_what_is_no_time(text: str) -> None:
    with pytest.raises(CommandError, match=f"--since={text} is no date and time"):
        moment(text, NOW)


@pytest.mark.parametrize("text", ["+5m", "in 5 minutes", str(NOW + 1)])
def test_since_is_not_in_the_future(text: str) -> None:
    with pytest.raises(CommandError, match="appears to be in the future"):
        moment(text, NOW)


def test_places_are_ranks_or_hosts() -> None:
    assert constraint_of("0-1,7") == {"ranks": ["0-1,7"]}
    assert constraint_of("node[1-2]") == {"hostlist": ["node[1-2]"]}
    with pytest.raises(CommandError, match="invalid targets"):
        constraint_of("node,[")


def job(jobid: int, name: str, t_run: float | None = None) -> JobInfo:
    known = {"id": jobid, "userid": 0, "state": 16, "name": name, "t_submit": 1.0, "urgency": 16}
    return JobInfo(known | ({} if t_run is None else {"t_run": t_run}))


@pytest.mark.parametrize(
    ("keys", "ids"),
    [("name", [3, 1, 2]), ("-name,-id", [2, 1, 3]), ("id", [1, 2, 3]), ("t_run,id", [3, 2, 1])],
)
def test_jobs_in_the_order_of_fields(keys: str, ids: list[int]) -> None:
    jobs = [job(1, "b", 9.0), job(2, "b", 5.0), job(3, "a")]
    order = Order(keys, JobInfoFormat.headings)
    assert [int(one.id) for one in order(jobs)] == ids


def test_an_order_names_fields() -> None:
    with pytest.raises(CommandError, match="Invalid sort key: foo"):
        Order("name,-foo", JobInfoFormat.headings)


def test_the_width_of_lines() -> None:
    assert line_width(None) is None
    assert line_width(30) == 30
    assert line_width(0) is None  # no terminal here
