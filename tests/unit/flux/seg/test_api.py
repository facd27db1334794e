"""The functions of the page: what they send, and what they refuse."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux import seg
from flux.seg import api
from flux.seg.protocol import LINE_MAX, message_line, state_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def sent() -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    generator = seg.Generator()
    generator.set_event_handler(lines.append)
    before = api.use(generator)
    yield lines
    api.use(before)


def error_of(call: Callable[..., object], *args: Any) -> seg.SegErrorType:
    with pytest.raises(seg.SegError) as caught:
        call(*args)
    return caught.value.type


def test_the_errors_have_the_numbers_of_the_page() -> None:
    assert {error.name: int(error) for error in seg.SegErrorType} == {
        "NULL": 1024,
        "ALREADY_SET": 1025,
        "INVALID_MODULE": 1026,
        "INVALID_FORMAT": 1027,
        "OUT_OF_MEMORY": 1028,
        "LOADING_MODULE": 1029,
    }
    for error in seg.SegErrorType:
        assert getattr(seg, f"GLOBUS_SEG_ERROR_TYPE_{error.name}") is error
        assert str(seg.SegError(error, "why")).endswith(": why")


def test_every_function_of_the_page_has_both_names() -> None:
    for name in ("event", "event_pending", "event_active", "event_failed", "event_done"):
        short = name.removeprefix("event_")
        assert getattr(seg, f"globus_scheduler_{name}") is getattr(seg, short)
    assert seg.globus_scheduler_event_generator_get_timestamp is seg.get_timestamp


def test_lines(sent: list[bytes]) -> None:
    results = [
        seg.pending(1, "12"),
        seg.active(2, "12"),
        seg.failed(3, "12", 137),
        seg.done(4, "13", 0),
        seg.failed(5, "14", -1),
        seg.event("002;%ld;%s", 6, "other"),
        seg.event("003;has its end\n"),
    ]
    assert set(results) == {seg.GLOBUS_SUCCESS}
    assert sent == [
        b"001;1;12;1;0\n",
        b"001;2;12;2;0\n",
        b"001;3;12;4;137\n",
        b"001;4;13;8;0\n",
        b"001;5;14;4;-1\n",
        b"002;6;other\n",
        b"003;has its end\n",
    ]


def test_a_timestamp_of_0_is_now(sent: list[bytes]) -> None:
    before = int(time.time())
    seg.pending(0, "12")
    (line,) = sent
    change = seg.parse_line(line)
    assert change is not None
    assert before <= change.timestamp <= time.time()


@pytest.mark.parametrize("call", [seg.pending, seg.active])
def test_null_job_ids(sent: list[bytes], call: Callable[..., int]) -> None:
    assert error_of(call, 1, None) == seg.SegErrorType.NULL
    assert error_of(seg.failed, 1, None, 1) == seg.SegErrorType.NULL
    assert error_of(seg.done, 1, None, 1) == seg.SegErrorType.NULL
    assert error_of(seg.event, None) == seg.SegErrorType.NULL
    assert not sent


@pytest.mark.parametrize(
    "jobid", ["1;2", "1\n001;9;2;8;0", "", "1\r", "a\0b", "\x1b[2J", "\ud800", "x" * LINE_MAX]
)
def test_a_job_id_forges_nothing(sent: list[bytes], jobid: str) -> None:
    assert error_of(seg.pending, 1, jobid) == seg.SegErrorType.INVALID_FORMAT
    assert error_of(seg.done, 0, jobid, 1) == seg.SegErrorType.INVALID_FORMAT
    assert not sent


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "a\0b", "x" * (LINE_MAX + 1)])
def test_a_message_is_one_line(sent: list[bytes], text: str) -> None:
    assert error_of(seg.event, "%s", text) == seg.SegErrorType.INVALID_FORMAT
    assert not sent


@pytest.mark.parametrize("timestamp", ["1", 1.5, None, True, b"1"])
def test_times_of_other_types(sent: list[bytes], timestamp: Any) -> None:
    with pytest.raises(TypeError, match="the timestamp is an integer"):
        seg.pending(timestamp, "1")
    assert not sent


@pytest.mark.parametrize("timestamp", [-1, 2**63])
def test_times_out_of_range(sent: list[bytes], timestamp: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        seg.active(timestamp, "1")
    assert not sent


@pytest.mark.parametrize(
    ("code", "error"), [("1", TypeError), (None, TypeError), (1.0, TypeError), (2**31, ValueError)]
)
def test_codes_that_are_none(sent: list[bytes], code: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="the exit code"):
        seg.done(1, "1", code)
    with pytest.raises(error, match="the exit code"):
        seg.failed(1, "1", code)
    assert not sent


@pytest.mark.parametrize("jobid", [12, 1.5, ["1"]])
def test_job_ids_of_other_types(sent: list[bytes], jobid: Any) -> None:
    with pytest.raises(TypeError, match="a job id is a string"):
        seg.pending(1, jobid)
    with pytest.raises(TypeError, match="a format is a string"):
        seg.event(jobid)
    assert not sent


def test_outside_of_a_generator_lines_go_to_standard_output(
    capfd: pytest.CaptureFixture[str],
) -> None:
    seg.pending(7, "ƒ1")
    assert capfd.readouterr().out == "001;7;ƒ1;1;0\n"
    assert seg.get_timestamp() == 0
    with pytest.raises(RuntimeError, match="run by flux seg"):
        seg.driver()


def test_threads_do_not_mix_their_lines(sent: list[bytes]) -> None:
    def send(name: str) -> None:
        for number in range(300):
            seg.done(number + 1, name, number)

    threads = [threading.Thread(target=send, args=(f"job{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 1200
    for name in range(4):
        mine = [line for line in sent if f";job{name};".encode() in line]
        assert mine == [f"001;{n + 1};job{name};8;{n}\n".encode() for n in range(300)]


def test_what_can_be_set_once() -> None:
    generator = seg.Generator()
    generator.set_timestamp(5)
    assert generator.timestamp == 5
    assert error_of(generator.set_timestamp, 6) == seg.SegErrorType.ALREADY_SET
    generator.set_event_handler(lambda _line: None)
    assert error_of(generator.set_event_handler, print) == seg.SegErrorType.ALREADY_SET
    assert error_of(generator.set_event_handler, None) == seg.SegErrorType.NULL
    assert error_of(generator.set_driver, None) == seg.SegErrorType.NULL
    assert error_of(generator.load_module, None) == seg.SegErrorType.NULL
    generator.load_module("flux")
    assert error_of(generator.load_module, "flux") == seg.SegErrorType.ALREADY_SET
    soon: Any = "soon"
    with pytest.raises(TypeError, match="the timestamp"):
        seg.Generator().set_timestamp(soon)


def test_a_timestamp_of_0_is_set_too() -> None:
    generator = seg.Generator()
    generator.set_timestamp(0)
    assert error_of(generator.set_timestamp, 0) == seg.SegErrorType.ALREADY_SET


@given(
    st.integers(0, 2**63 - 1),
    st.text(st.characters(exclude_characters=";", exclude_categories=["Cc", "Cs"]), min_size=1),
    st.sampled_from(seg.GramState),
    st.integers(-(2**31), 2**31 - 1),
)
def test_what_is_sent_can_be_read(
    timestamp: int, jobid: str, state: seg.GramState, code: int
) -> None:
    line = state_line(timestamp, jobid, state, code)
    assert seg.parse_line(line) == seg.StateChange(timestamp, jobid, state, code)


@given(st.binary())
def test_reading_anything(data: bytes) -> None:
    change = seg.parse_line(data)
    assert change is None or state_line(*change).rstrip() == data.rstrip()


@pytest.mark.parametrize(
    "line",
    [
        b"001;1;2;3;0",
        b"002;1;2;1;0",
        b"001;;2;1;0",
        b"001;1;2;1",
        b"001;1;2;1;0\n\n",
        b"",
        b"001;9999999999999999999;2;1;0",
        b"001;1;2;8;2147483648",
        b"001;1;a\0b;1;0",
    ],
)
def test_lines_that_tell_no_change(line: bytes) -> None:
    assert seg.parse_line(line) is None


def test_a_line_is_not_longer_than_a_pipe_takes_at_once() -> None:
    assert len(message_line("x" * (LINE_MAX - 1))) == LINE_MAX
