"""LogEntries of guest event logs and the line buffer in front of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.shell.eventlog import (
    COALESCE_BYTES,
    LineBuffer,
    entry,
    input_header,
    output_header,
)
from flux.wire.json import loads


def test_headers_are_those_of_the_recordings() -> None:
    header = loads(output_header(2))
    assert header["name"] == "header"
    assert header["context"] == {
        "version": 1,
        "encoding": {"stdout": "UTF-8", "stderr": "UTF-8"},
        "count": {"stdout": 2, "stderr": 2},
        "options": {},
    }
    assert loads(input_header())["context"]["encoding"] == {"stdin": "UTF-8"}


def test_an_event_is_one_line_without_an_empty_context() -> None:
    assert entry("init", timestamp=1.5) == '{"timestamp":1.5,"name":"init"}\n'
    assert entry("a", {"x": "\n"}, 2.0).count("\n") == 1


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_lines_keep_every_byte_and_end_at_newlines(pieces: list[bytes]) -> None:
    buffer = LineBuffer()
    out = [line for piece in pieces for line in buffer.feed(piece)]
    assert all(line.endswith(b"\n") for line in out)
    assert b"".join([*out, *buffer.finish()]) == b"".join(pieces)
    assert buffer.finish() == []


def test_few_lines_are_events_of_their_own() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b"a\nb\rc\nd") == [b"a\n", b"b\rc\n"]
    assert buffer.feed(b"e\n") == [b"de\n"]


def test_many_lines_are_joined_into_bounded_chunks() -> None:
    text = b"".join(b"%d\n" % n for n in range(20000))
    out = LineBuffer().feed(text)
    assert b"".join(out) == text
    assert len(out) < 20
    assert all(len(chunk) <= COALESCE_BYTES and chunk.endswith(b"\n") for chunk in out)


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    buffer = LineBuffer()
    out = [piece for _ in range(100) for piece in buffer.feed(b"x" * 1000)]
    assert sum(map(len, out)) > 100_000 - 2 * COALESCE_BYTES


def test_unbuffered_passes_pieces_on() -> None:
    assert LineBuffer(unbuffered=True).feed(b"ab") == [b"ab"]
