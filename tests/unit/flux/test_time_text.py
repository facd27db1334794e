"""Times that no calendar holds: whoever writes an eventlog or a limit may write any number."""

from __future__ import annotations

import time

import pytest

from flux.eventlog_formatter import EventLogFormatter
from flux.job.event import EventLogEvent
from flux.output_values import FormattedTime, convert_value
from flux.time_text import time_text
from fluxctl.human_times import HumanTimes
from tui.model import format as fmt
from tui.model.events import Event
from tui.model.logs import Gap
from tui.model.stamps import Stamps

HUGE = [1e300, -1e300, 2.0**63, 1e18]
NOW = 1_700_000_000.0


def test_a_time_that_a_calendar_holds_is_a_date() -> None:
    assert time_text(0.0, utc=True) == "1970-01-01T00:00:00"
    assert time_text(NOW, "%H:%M", utc=True) == "22:13"
    assert time_text(NOW) == time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(NOW))


@pytest.mark.parametrize("seconds", HUGE)
def test_one_that_none_holds_is_a_number(seconds: float) -> None:
    number = f"{seconds:g}"
    assert time_text(seconds) == time_text(seconds, "%H", utc=True) == number
    assert convert_value(seconds, "D") == str(convert_value(seconds, "d")) == number
    assert f"{FormattedTime(seconds):%b%d %R}" == number
    assert f"{FormattedTime(seconds):%b%d::>12}" == number.rjust(12)
    assert fmt.clock(seconds, NOW) == fmt.moment(seconds, NOW) == number
    assert number in Event(1, seconds, "event", 1, "x", "").when
    assert number in Gap(seconds, seconds).line().text
    assert all(len(stamps.of(seconds, NOW)) == stamps.width for stamps in Stamps)
    assert HumanTimes().text(seconds) == number


@pytest.mark.parametrize("times", ["raw", "iso", "offset", "human"])
@pytest.mark.parametrize("seconds", HUGE)
def test_an_event_with_any_time_is_a_line(times: str, seconds: float) -> None:
    formatter = EventLogFormatter(timestamp_format=times)
    entry = EventLogEvent({"timestamp": seconds, "name": "mine"})
    assert "mine" in formatter.format(entry)
