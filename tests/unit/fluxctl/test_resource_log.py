"""`flux resource eventlog`: which entries are shown, how, and until when."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from flux.idset import IDset
from flux.testing.scripted import ScriptedFlux
from fluxctl import main, resource_log
from fluxctl.errors import CommandError
from fluxctl.human_times import HumanTimes
from fluxctl.job.events import TIMES
from fluxctl.resource_log import ResourceEntries, concerns, matcher

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = 1795749554.298582
"""Friday, 2026-11-27 03:19:14 UTC."""


pytestmark = pytest.mark.usefixtures("utc")


def entry(name: str, more: float = 0.0, **context: Any) -> Any:
    return {"timestamp": BEGIN + more, "name": name, "context": context}


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("raw", ["1795749554.298582", "1795749555.298582", "1795749624.298582"]),
        ("iso", ["03:19:14.298582Z", "03:19:15.298582Z", "03:20:24.298582Z"]),
        ("offset", ["       0.000000", "       1.000000", "      70.000000"]),
        ("human", ["[Nov27 03:19]", "[  +1.000000]", "[Nov27 03:20]"]),
        ("reltime", ["[Nov27 03:19]", "[  +1.000000]", "[Nov27 03:20]"]),
    ],
)
def test_times(form: str, told: list[str]) -> None:
    shown = ResourceEntries("text", form)
    lines = [shown.entry(entry("online", more, idset="1")) for more in (0.0, 1.0, 70.0)]
    date = "2026-11-27T" if form == "iso" else ""
    assert lines == [f'{date}{when} online idset="1"' for when in told]


def test_every_format_of_times_is_one() -> None:
    for form in TIMES:
        assert ResourceEntries("text", form).entry(entry("online"))
    with pytest.raises(CommandError):
        ResourceEntries("text", "other")


def test_entries_that_name_a_rank() -> None:
    one = IDset("1")
    assert concerns(entry("online", idset="0-2"), one)
    assert concerns(entry("restart", ranks="1"), one)
    assert not concerns(entry("online", idset="2"), one)
    assert not concerns(entry("resource-define", method="x"), one)
    assert not concerns(entry("odd", idset="nonsense"), one)


def test_the_event_that_ends_the_wait() -> None:
    drained = entry("drain", idset="1", reason="5", overwrite=0)
    assert matcher("drain", None)(drained)
    assert not matcher("online", None)(drained)
    for context in ("idset=1", "reason=5", "overwrite=0"):
        assert matcher("drain", context)(drained)
    for context in ("idset=2", "nosuch=1"):
        assert not matcher("drain", context)(drained)
    for event, context in ((None, "a=b"), ("drain", "foo")):
        with pytest.raises(CommandError):
            matcher(event, context)


def test_the_past_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    past = [entry("online", idset="0"), entry("drain", 1.0, idset="1", reason="\x1b")]

    def no_more(*_: object, **asked: Any) -> Iterator[Any]:
        assert asked == {"follow": False, "seconds": None}
        yield from past

    monkeypatch.setattr(resource_log, "handle", lambda _: ScriptedFlux({}))
    monkeypatch.setattr(resource_log, "entries", no_more)
    assert main.invoke("resource", ["eventlog", "--include=1"]) == 0
    assert capsys.readouterr().out == ('1795749555.298582 drain idset="1" reason="\\u001b"\n')
    assert main.invoke("resource", ["eventlog", "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == past


def test_delta_counts_from_the_line_before() -> None:
    times = HumanTimes(delta=True)
    found = [times.text(BEGIN + more) for more in (0.0, 0.5, 0.75, 60.0)]
    assert found == ["[Nov27 03:19]", "[  +0.500000]", "[  +0.250000]", "[Nov27 03:20]"]
