"""The lines of traces, against what flux-core prints of the same messages."""

from __future__ import annotations

from typing import Any

import pytest

from flux.wire.message import CONTROL, EVENT, REQUEST, RESPONSE
from fluxctl import main
from fluxctl.color import PLAIN, Paint
from fluxctl.trace_lines import ALL_TYPES, TraceLines, typemask

WHEN = 1795749578.263
"""Friday, 2026-11-27 03:19:38 UTC."""


pytestmark = pytest.mark.usefixtures("utc")


def message(**facts: Any) -> dict[str, Any]:
    return {
        "timestamp": WHEN,
        "prefix": "rx",
        "rank": -1,
        "name": None,
        "type": REQUEST,
        "topic": "kvs.ping",
        "payload_size": 64,
        "payload": None,
        "errnum": 0,
        "errstr": "",
        **facts,
    }


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"name": "kvs"}, "kvs rx > kvs.ping [64]"),
        (
            {"name": "kvs", "prefix": "tx", "type": RESPONSE, "payload_size": 158},
            "kvs tx < kvs.ping [158] success",
        ),
        ({"rank": 1, "type": RESPONSE, "errnum": 2}, "rx 1 < kvs.ping [64] ENOENT"),
        ({"rank": 1, "type": RESPONSE, "errnum": 9999}, "rx 1 < kvs.ping [64] error 9999"),
        ({"type": EVENT, "topic": "a\x1b"}, "rx * e a\\u001b [64]"),
        ({"type": CONTROL, "topic": None, "rank": 0}, "rx 0 c [64]"),
        ({"rank": 1, "payload_size": 1946}, "rx 1 > kvs.ping [1.9003906K]"),
        ({"rank": 1, "payload_size": 3 << 20}, "rx 1 > kvs.ping [3M]"),
        ({"rank": 1, "payload_size": 5 << 40}, "rx 1 > kvs.ping [5120G]"),
    ],
)
def test_a_line(facts: dict[str, Any], line: str) -> None:
    (found,) = TraceLines(PLAIN).lines(message(**facts))
    assert found == f"2026-11-27T03:19:38.263 {line}"


def test_a_payload_follows_its_line() -> None:
    _, *payload = TraceLines(PLAIN).lines(message(payload={"seq": 0, "pad": "\x1b"}))
    assert payload == ["{", '  "seq": 0,', '  "pad": "\\u001b"', "}"]


def test_times_for_people() -> None:
    after = (0.0, 1.5, 30.0)

    def times(*, delta: bool) -> list[str]:
        lines = TraceLines(PLAIN, human=True, delta=delta)
        found = [next(lines.lines(message(timestamp=WHEN + more))) for more in after]
        return [line.partition("]")[0] for line in found]

    assert times(delta=False) == ["[Nov27 03:19", "[ +39.763000", "[Nov27 03:20"]
    assert times(delta=True) == ["[Nov27 03:19", "[  +1.500000", "[Nov27 03:20"]


def test_failures_stand_out() -> None:
    lines = TraceLines(Paint("always"))
    (failed,) = lines.lines(message(type=RESPONSE, errnum=2))
    (fine,) = lines.lines(message(type=RESPONSE))
    assert "\033[01;31m" in failed
    assert "\033[01;31m" not in fine


def test_types() -> None:
    assert typemask(None) == ALL_TYPES
    assert typemask("request,event") == REQUEST | EVENT
    for wrong in ("foo", "", "request,"):
        with pytest.raises(ValueError, match="valid types: request, response, event, control"):
            typemask(wrong)


@pytest.mark.parametrize("group", ["module", "overlay"])
def test_a_wrong_type_is_told_without_an_instance(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.invoke(group, ["trace", "-t", "foo"]) == 1
    said = capsys.readouterr().err
    assert said == f"flux-{group}: valid types: request, response, event, control\n"
