"""The RFC 3 codec against recorded bytes, and against everything else."""

from __future__ import annotations

import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.wire import codec, framing
from flux.wire import message as wire

FRAMES = pathlib.Path(__file__).parent / "data" / "frames-0.29.0.jsonl"


def recorded() -> list[dict[str, object]]:
    return [
        message
        for line in FRAMES.read_text().splitlines()
        for message in json.loads(line)["messages"]
    ]


def test_every_recorded_message_encodes_to_the_same_bytes() -> None:
    messages = recorded()
    assert len(messages) > 80
    for record in messages:
        body = bytes.fromhex(str(record["hex"]))
        assert codec.encode(codec.decode(body)) == body


def test_recorded_fields_are_decoded() -> None:
    for record in recorded():
        msg = codec.decode(bytes.fromhex(str(record["hex"])))
        assert wire.MsgType(msg.type).name.lower() == record["type"]
        assert msg.topic == record["topic"]
        assert msg.userid == record["userid"]
        assert msg.rolemask == record["rolemask"]
        if "json" in record:
            assert msg.json() == record["json"]
        if record["type"] == "response":
            assert msg.errnum == record["errnum"]


def test_a_request_built_here_equals_the_recorded_one() -> None:
    record = next(r for r in recorded() if r["topic"] == "attr.get" and r["type"] == "request")
    payload = bytes.fromhex(str(record["hex"]))
    rebuilt = wire.request(
        "attr.get", wire.encode_payload(record["json"]), matchtag=codec.decode(payload).matchtag
    )
    assert codec.encode(rebuilt) == payload


texts = st.text(st.characters(codec="utf-8"), max_size=300)
messages = st.builds(
    lambda kind, topic, payload, routes, extra, words: wire.Message(
        kind,
        topic,
        payload,
        flags=(wire.TOPIC if topic is not None else 0)
        | (wire.PAYLOAD if payload is not None else 0)
        | (wire.ROUTE if routes is not None else 0)
        | extra,
        userid=words[0],
        rolemask=words[1],
        aux1=words[2],
        aux2=words[3],
        routes=routes,
    ),
    st.sampled_from([1, 2, 4, 8]),
    st.none() | texts,
    st.none() | st.binary(max_size=600),
    st.none() | st.lists(st.text("0123456789abcdef", min_size=1, max_size=40), max_size=5),
    st.sampled_from([0, wire.NORESPONSE, wire.STREAMING, wire.PRIVATE, wire.UPSTREAM]),
    st.tuples(*[st.integers(0, 2**32 - 1)] * 4),
)


@given(messages)
def test_any_message_survives_encoding(msg: wire.Message) -> None:
    assert codec.decode(codec.encode(msg)) == msg


@given(st.lists(messages, max_size=5), st.integers(1, 50))
def test_a_stream_in_pieces_gives_the_same_messages(sent: list[wire.Message], step: int) -> None:
    data = b"".join(map(framing.pack, sent))
    unpacker = framing.Unpacker()
    received = [
        msg
        for start in range(0, len(data), step)
        for msg in unpacker.feed(data[start : start + step])
    ]
    assert received == sent
    assert unpacker.pending == 0


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a message with one byte changed."""
    body = bytearray(codec.encode(draw(messages)))
    body[draw(st.integers(0, len(body) - 1))] ^= draw(st.integers(1, 255))
    return bytes(body)


@given(st.binary(max_size=200) | damaged())
def test_random_bytes_are_refused_or_are_a_message(body: bytes) -> None:
    try:
        msg = codec.decode(body)
    except codec.DecodeError:
        return
    assert codec.encode(msg) == body or codec.decode(codec.encode(msg)) == msg


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\0\0\0\0\x01x",
        framing.pack(wire.request("a.b"))[:4] + b"\xff\xff\xff\xff",
        framing.pack(wire.request("a.b"))[:4] + b"\0\0\0\x02\xff\xff",
    ],
    ids=["magic", "length", "body"],
)
def test_a_broken_stream_is_refused(data: bytes) -> None:
    with pytest.raises(codec.DecodeError):
        framing.Unpacker(limit=1 << 20).feed(data)


def test_truncated_frames_are_refused() -> None:
    body = codec.encode(wire.request("kvs.lookup", {"key": "a" * 300}))
    for end in range(len(body)):
        with pytest.raises(codec.DecodeError):
            codec.decode(body[:end])
