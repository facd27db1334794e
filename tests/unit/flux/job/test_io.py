"""Task I/O as it travels and as it is shown (RFC 24)."""

from __future__ import annotations

import errno

import pytest

from flux.job import io


@pytest.mark.parametrize("data", [b"text \xc3\xa9\n", b"\xff\x00", b"a\0b", b"", b"\xed\xa0\x80"])
def test_bytes_travel_both_ways(data: bytes) -> None:
    chunk = io.encode("stdout", "0", data)
    assert io.decode(dict(chunk)) == io.IoChunk("stdout", "0", data, False)
    assert io.decode_data(dict(io.encode_data(data))) == data


def test_text_travels_as_it_is_and_nul_in_base64() -> None:
    assert io.encode("stderr", "1-3", "é\n".encode()) == {
        "stream": "stderr",
        "rank": "1-3",
        "data": "é\n",
    }
    assert io.encode("stdout", "0", b"\0") == {
        "stream": "stdout",
        "rank": "0",
        "encoding": "base64",
        "data": "AA==",
    }
    assert io.encode("stdin", "all", eof=True) == {"stream": "stdin", "rank": "all", "eof": True}


@pytest.mark.parametrize(
    "context",
    [
        {"stream": "stdout", "rank": "0", "data": "abc", "encoding": "base64"},
        {"stream": "stdout", "rank": "0", "data": "YQ==\n", "encoding": "base64"},
        {"stream": "stdout", "rank": "0", "data": "é", "encoding": "base64"},
        {"stream": "stdout", "rank": "0", "data": "a", "encoding": "utf-7"},
        {"stream": "stdout", "rank": "0", "data": "a", "encoding": 5},
        {"stream": "stdout", "rank": "0", "data": ["a"]},
        {"stream": "stdout", "data": "a"},
        {"rank": "0", "data": "a"},
        {"stream": "stdout", "rank": True, "data": "a"},
        {},
    ],
)
def test_what_is_malformed_is_one_error(context: dict[str, object]) -> None:
    with pytest.raises(OSError, match="malformed I/O data") as failure:
        io.decode(context)
    assert failure.value.errno == errno.EPROTO


def test_labels_stand_before_each_line() -> None:
    assert io.labelled(3, b"a\nb\n") == b"3: a\n3: b\n"
    assert io.labelled(3, b"a\nrest") == b"3: a\n3: rest"
    assert io.labelled(3, b"10%\r20%\n") == b"3: 10%\r20%\n"
    assert io.labelled(3, b"") == b""
    assert io.labelled(3, b"\n\n") == b"3: \n3: \n"


def test_a_chunk_of_several_tasks_is_shown_once_for_each() -> None:
    chunk = io.IoChunk("stdout", "0-1,4", b"x\n", False)
    assert io.shown(chunk, True) == b"0: x\n1: x\n4: x\n"
    assert io.shown(chunk, False) == b"x\n"
    assert io.shown(chunk._replace(rank="all"), True) == b"all: x\n"
    assert io.shown(chunk._replace(data=b""), True) == b""


def test_a_chunk_of_far_too_many_tasks_costs_no_more_than_itself() -> None:
    chunk = io.IoChunk("stdout", "0-4000000000", b"x\n", False)
    assert io.shown(chunk, True) == b"0-4000000000: x\n"


def test_log_lines_of_the_shell() -> None:
    assert io.log_text({"level": 3, "component": "pmi", "message": "oops\n"}) == "ERROR: pmi: oops"
    assert io.log_text({"level": 5, "message": "hello"}) == "hello"
    assert io.log_text({"level": "x", "message": 7}) == "7"
    assert io.log_text({}) == ""
