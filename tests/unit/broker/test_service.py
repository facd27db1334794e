"""The base of every service: dispatch, credentials, errors, streams."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from broker.service import NO_REPLY, Request, Service, event, request, routes_of
from broker.testing import ServiceHarness
from flux.core.basics import ModuleBasics
from flux.wire import message as wire


def nested(levels: int) -> object:
    value: object = {}
    for _ in range(levels):
        value = {"a": value}
    return value


class Example(Service):
    name = "ex"
    also = ("other",)

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.seen: list[str] = []
        self.gone: list[str] = []

    @request("echo", allow="guest")
    def echo(self, req: Request) -> dict[str, Any]:
        return {"text": req.get("text", str)}

    @request("later")
    async def later(self, req: Request) -> dict[str, Any]:
        return await self.ctx.handle.rpc("far.away", {"n": 1})

    @request("boom")
    def boom(self, req: Request) -> None:
        raise RuntimeError("broken")

    @request("deep")
    def deep(self, req: Request) -> object:
        return nested(300)

    @request("deep-later", allow="guest")
    async def deep_later(self, req: Request) -> object:
        return nested(300)

    @request("deep-stream", streaming=True)
    async def deep_stream(self, req: Request) -> object:
        self.streams.add(req)
        req.respond({"n": 1})
        raise OSError(errno.EIO, "bad \ud800 text")

    @request("other.thing", absolute=True)
    def thing(self, req: Request) -> str:
        return "text"

    @request("count", streaming=True, allow="guest")
    def count(self, req: Request) -> object:
        for number in range(3):
            req.respond({"n": number})
        self.streams.add(req)
        return NO_REPLY

    @request("count-cancel", allow="guest")
    def count_cancel(self, req: Request) -> object:
        self.streams.cancel(req)
        return NO_REPLY

    @event("ex.note")
    def note(self, msg: wire.Message) -> None:
        self.seen.append(msg.topic or "")

    def on_disconnect(self, sender: str) -> None:
        self.gone.append(sender)


async def test_a_request_is_answered_by_the_return_value() -> None:
    h = ServiceHarness(Example)
    assert await h.request("ex.echo", {"text": "a"}) == {"text": "a"}
    assert (await h.request_message("other.thing")).text() == "text"


@pytest.mark.parametrize("payload", [{}, {"text": 1}, None, "[1]", "{", '"x"'])
async def test_a_malformed_payload_is_a_protocol_error(payload: Any) -> None:
    h = ServiceHarness(Example)
    with pytest.raises(OSError, match="Protocol error") as caught:
        await h.request("ex.echo", payload)
    assert caught.value.errno == errno.EPROTO


async def test_an_async_handler_may_wait_and_fail() -> None:
    h = ServiceHarness(Example, rpcs={"far.away": lambda payload: {"got": payload["n"]}})
    assert await h.request("ex.later") == {"got": 1}
    del h.rpcs["far.away"]
    with pytest.raises(OSError, match="Function not implemented"):
        await h.request("ex.later")


async def test_guests_are_refused_unless_allowed() -> None:
    h = ServiceHarness(Example)
    assert await h.request("ex.echo", {"text": "a"}, userid=5) == {"text": "a"}
    with pytest.raises(OSError, match="owner") as caught:
        await h.request("ex.boom", userid=5)
    assert caught.value.errno == errno.EPERM


async def test_an_unexpected_exception_is_logged_and_answered() -> None:
    h = ServiceHarness(Example)
    with pytest.raises(OSError, match="could not be carried out") as caught:
        await h.request("ex.boom")
    assert caught.value.errno == errno.EINVAL
    assert any("RuntimeError: broken" in entry.text for entry in h.logs)


@pytest.mark.parametrize("topic", ["ex.deep", "ex.deep-later"])
async def test_an_answer_that_cannot_be_encoded_is_an_error(topic: str) -> None:
    h = ServiceHarness(Example)
    with pytest.raises(OSError, match="nested deeper"):
        await h.request(topic)


async def test_a_stream_that_fails_is_forgotten_and_its_text_is_sent() -> None:
    h = ServiceHarness(Example)
    tag = h.submit("ex.deep-stream", flags=wire.STREAMING)
    await h.until(lambda: len(h.replies(tag)) == 2)
    assert (h.replies(tag)[1].errnum, h.replies(tag)[1].text()) == (errno.EIO, "bad ? text")
    assert len(h.service.streams) == 0


@pytest.mark.parametrize(
    "payload",
    ['{"text":' + "[" * 1500 + "]" * 1500 + "}", '{"text":"\\ud800"}', '{"text":NaN}'],
    ids=["deep", "surrogate", "nan"],
)
async def test_a_payload_beyond_the_bounds_is_a_protocol_error(payload: str) -> None:
    with pytest.raises(OSError, match="Protocol error"):
        await ServiceHarness(Example).request("ex.echo", payload)


async def test_an_unknown_method_is_answered() -> None:
    with pytest.raises(OSError, match="Unknown service method"):
        await ServiceHarness(Example).request("ex.nosuch")


async def test_streams_end_by_cancel_and_vanish_with_their_client() -> None:
    h = ServiceHarness(Example)
    tag = h.submit("ex.count", flags=wire.STREAMING, sender="a")
    other = h.submit("ex.count", flags=wire.STREAMING, sender="b")
    h.submit("ex.count-cancel", {"matchtag": tag}, sender="b", flags=wire.NORESPONSE)
    assert len(h.service.streams) == 2 - (tag == other)
    h.submit("ex.count-cancel", {"matchtag": tag}, sender="a", flags=wire.NORESPONSE)
    assert [msg.json()["n"] for msg in h.replies(tag, "a")[:-1]] == [0, 1, 2]
    assert h.replies(tag, "a")[-1].errnum == errno.ENODATA
    h.disconnect("b")
    assert len(h.service.streams) == 0
    assert h.service.gone == ["b"]


async def test_a_stream_must_be_asked_for() -> None:
    with pytest.raises(OSError, match="Protocol error"):
        await ServiceHarness(Example).request("ex.count")


async def test_what_every_service_answers() -> None:
    h = ServiceHarness(Example)
    ping = await h.request("ex.ping", {"seq": 3}, userid=5)
    assert (ping["seq"], ping["userid"], ping["rolemask"]) == (3, 5, wire.ROLE_USER)
    stats = await h.request("ex.stats.get")
    assert stats.pop("streams") == 0
    assert {name for name, count in stats.items() if name[0] == "#" and count == 0} == set(stats)
    assert (await h.request("ex.rusage"))["maxrss"] > 0
    assert await h.request("ex.debug", {"op": "setbit", "flags": 3}) == {"flags": 3}
    assert await h.request("ex.debug", {"op": "clrbit", "flags": 1}) == {"flags": 2}
    with pytest.raises(OSError, match="Protocol error"):
        await h.request("ex.debug", {"op": "x", "flags": 1})


COMMON = sorted(
    route.topic
    for _, route, handler in routes_of(Example)
    if handler.__module__ == Service.__module__ and route.topic != "disconnect"
)


class Sent:
    """What a blocking module sends."""

    def __init__(self) -> None:
        self.messages: list[wire.Message] = []

    def send_wire(self, msg: wire.Message) -> None:
        self.messages.append(msg)


@pytest.mark.parametrize("method", COMMON)
async def test_a_guest_may_ask_the_same_of_every_module(method: str) -> None:
    payload = {"op": "set", "flags": 0}
    msg = wire.request(f"ex.{method}", payload, matchtag=1)
    msg.rolemask = wire.ROLE_USER
    sent = Sent()
    ModuleBasics("ex").answer(sent, msg)
    (answer,) = sent.messages
    assert answer.errnum == (0 if method in ("ping", "rusage") else errno.EPERM)
    h = ServiceHarness(Example)
    if answer.errnum:
        with pytest.raises(OSError, match="Request requires owner credentals"):
            await h.request(f"ex.{method}", payload, userid=5)
    else:
        await h.request(f"ex.{method}", payload, userid=5)


async def test_events_are_delivered() -> None:
    h = ServiceHarness(Example)
    await h.start()
    h.publish("ex.note.b")
    h.publish("exit")
    assert h.service.seen == ["ex.note.b"]


async def test_noresponse_requests_get_none() -> None:
    h = ServiceHarness(Example)
    tag = h.submit("ex.echo", {"text": "x"}, flags=wire.NORESPONSE)
    bad = h.submit("ex.echo", {}, flags=wire.NORESPONSE)
    assert h.replies(tag) + h.replies(bad) == []
