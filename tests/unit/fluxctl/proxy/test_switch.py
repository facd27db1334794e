"""Many clients over one connection: what comes from whom goes where."""

from __future__ import annotations

import errno

import pytest

from flux.wire.message import NORESPONSE, STREAMING, Message, event, request, response
from fluxctl.proxy.switch import ProxyClient, Switch


class Bench:
    """A switch with two clients, and what each side was sent."""

    def __init__(self) -> None:
        self.up: list[Message] = []
        self.got: dict[str, list[Message]] = {"a": [], "b": []}
        self.switch = Switch(self.up.append)
        self.a = self.switch.attach("a", self.got["a"].append)
        self.b = self.switch.attach("b", self.got["b"].append)

    def ask(self, client: ProxyClient, topic: str, payload: object = None, tag: int = 1) -> Message:
        """Send a request and return it as the broker sees it."""
        self.switch.from_client(client, request(topic, payload, matchtag=tag))
        return self.up[-1]

    def answer(self, asked: Message, payload: object = None, errnum: int = 0) -> None:
        self.switch.from_broker(response(asked, payload, errnum=errnum))

    def subscribe(self, client: ProxyClient, prefix: str) -> None:
        before = len(self.up)
        asked = self.ask(client, "event.subscribe", {"topic": prefix})
        if len(self.up) > before:
            self.answer(asked)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def recovering() -> Bench:
    """One whose broker may come back."""
    bench = Bench()
    bench.switch = Switch(bench.up.append, recovers=True)
    bench.a = bench.switch.attach("a", bench.got["a"].append)
    bench.b = bench.switch.attach("b", bench.got["b"].append)
    return bench


def topics(messages: list[Message]) -> list[str | None]:
    return [msg.topic for msg in messages]


def test_equal_match_tags_of_two_clients_are_kept_apart(bench: Bench) -> None:
    first, second = bench.ask(bench.a, "kvs.get"), bench.ask(bench.b, "kvs.get")
    assert (first.routes, second.routes) == (["a"], ["b"])
    bench.answer(second, {"for": "b"})
    bench.answer(first, {"for": "a"})
    for name in "ab":
        (msg,) = bench.got[name]
        assert (msg.json(), msg.routes, msg.aux2) == ({"for": name}, [], 1)


def test_an_answer_for_nobody_is_dropped(bench: Bench) -> None:
    asked = bench.ask(bench.a, "kvs.get")
    bench.switch.detach(bench.a)
    bench.answer(asked)
    bench.switch.from_broker(response(request("x.y")))
    assert bench.got == {"a": [], "b": []}


def test_events_go_to_those_who_asked(bench: Bench) -> None:
    bench.subscribe(bench.a, "job")
    bench.subscribe(bench.b, "job-")
    for topic in ("job-x", "job.y", "kvs"):
        bench.switch.from_broker(event(topic))
    seen = {name: topics(got)[1:] for name, got in bench.got.items()}
    assert seen == {"a": ["job-x", "job.y"], "b": ["job-x"]}


def test_one_subscription_at_the_broker_for_all(bench: Bench) -> None:
    bench.subscribe(bench.a, "job")
    bench.subscribe(bench.b, "job")
    assert topics(bench.up) == ["event.subscribe"]
    assert topics(bench.got["b"]) == ["event.subscribe"]
    bench.ask(bench.a, "event.unsubscribe", {"topic": "job"})
    assert topics(bench.up) == ["event.subscribe"]
    bench.switch.from_broker(event("job"))
    assert topics(bench.got["b"])[-1] == "job"
    assert topics(bench.got["a"])[-1] == "event.unsubscribe"
    asked = bench.ask(bench.b, "event.unsubscribe", {"topic": "job"})
    bench.answer(asked)
    assert topics(bench.up) == ["event.subscribe", "event.unsubscribe"]
    bench.switch.from_broker(event("job"))
    assert topics(bench.got["b"])[-1] == "event.unsubscribe"


def test_a_subscription_that_fails_is_none(bench: Bench) -> None:
    bench.answer(bench.ask(bench.a, "local.sub", {"topic": "job"}), errnum=errno.ENOSYS)
    bench.switch.from_broker(event("job"))
    assert topics(bench.got["a"]) == ["local.sub"]
    bench.subscribe(bench.b, "job")
    assert topics(bench.up) == ["local.sub", "event.subscribe"]


def test_a_malformed_subscription_is_the_brokers_to_refuse(bench: Bench) -> None:
    bench.ask(bench.a, "event.subscribe", {"topic": 1})
    bench.ask(bench.a, "event.subscribe", "x")
    assert len(bench.up) == 2


def test_a_client_that_goes_is_announced(bench: Bench) -> None:
    bench.subscribe(bench.a, "job")
    bench.ask(bench.a, "kvs-watch.lookup")
    bench.ask(bench.a, "kvs-watch.other")
    bench.up.clear()
    bench.switch.detach(bench.a)
    gone = [msg for msg in bench.up if (msg.topic or "").endswith(".disconnect")]
    assert "kvs-watch.disconnect" in topics(gone)
    assert len(gone) == len({msg.topic for msg in gone})
    assert all(msg.routes == ["a"] and msg.flags & NORESPONSE for msg in gone)
    undone = [msg for msg in bench.up if msg not in gone]
    assert {msg.topic for msg in undone} == {"local.unsub", "event.unsubscribe"}
    assert all(msg.json() == {"topic": "job"} for msg in undone)


def test_services_of_clients(bench: Bench) -> None:
    bench.answer(bench.ask(bench.b, "service.add", {"service": "thing"}))
    asked = request("thing.do", {"x": 1}, matchtag=7)
    asked.routes = ["someone"]
    bench.switch.from_broker(asked)
    assert bench.got["b"][-1] is asked
    bench.switch.from_client(bench.b, response(asked, {"done": True}))
    assert (bench.up[-1].topic, bench.up[-1].routes) == ("thing.do", ["someone"])
    stranger = request("other.do", matchtag=8)
    bench.switch.from_broker(stranger)
    assert bench.up[-1].errnum == errno.ENOSYS


def test_who_waits_for_a_client_that_goes_is_told(bench: Bench) -> None:
    bench.answer(bench.ask(bench.b, "service.add", {"service": "thing"}))
    plain, stream = request("thing.a", matchtag=1), request("thing.b", matchtag=2, flags=STREAMING)
    answered = request("thing.c", matchtag=3)
    for asked in (plain, stream, answered):
        bench.switch.from_broker(asked)
    bench.switch.from_client(bench.b, response(answered))
    bench.switch.from_client(bench.b, response(stream, {"n": 1}))
    bench.up.clear()
    bench.switch.detach(bench.b)
    failed = [msg for msg in bench.up if msg.errnum == errno.EHOSTUNREACH]
    assert topics(failed) == ["thing.a", "thing.b"]
    assert [msg.json() for msg in bench.up if msg.topic == "service.remove"] == [
        {"service": "thing"}
    ]
    bench.switch.from_broker(request("thing.a", matchtag=9))
    assert bench.up[-1].errnum == errno.ENOSYS


def test_who_waits_for_a_broker_that_is_lost_is_told(recovering: Bench) -> None:
    bench = recovering
    bench.ask(bench.a, "kvs.get", tag=1)
    bench.answer(bench.ask(bench.a, "kvs.get", tag=2))
    bench.switch.from_client(bench.b, request("job.watch", matchtag=3, flags=STREAMING))
    bench.answer(bench.up[-1], {"part": 1})
    bench.ask(bench.b, "log.append", tag=0)
    bench.got["a"].clear()
    bench.got["b"].clear()
    bench.switch.lost()
    (told,) = bench.got["a"]
    assert (told.aux1, told.aux2, told.routes) == (errno.ECONNRESET, 1, [])
    assert [msg.aux2 for msg in bench.got["b"] if msg.aux2] == [3]
    bench.switch.lost()
    assert len(bench.got["a"]) == 1


def test_what_is_asked_without_a_broker_is_held(recovering: Bench) -> None:
    bench = recovering
    bench.subscribe(bench.a, "job")
    added = bench.ask(bench.b, "service.add", {"service": "mine"})
    bench.answer(added)
    bench.switch.lost()
    bench.up.clear()
    third = bench.switch.attach("c", lambda msg: None)
    bench.switch.from_client(bench.a, request("kvs.get", matchtag=5))
    bench.switch.from_client(third, request("kvs.get", matchtag=6))
    bench.switch.detach(third)
    assert bench.up == []
    bench.switch.found()
    assert topics(bench.up) == ["event.subscribe", "service.add", "kvs.get"]
    assert bench.up[0].flags & NORESPONSE
    bench.answer(bench.up[-1], {"value": 1})
    assert bench.got["a"][-1].json() == {"value": 1}


def test_no_more_is_held_than_there_is_room_for(
    recovering: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxctl.proxy.switch.HELD_MAX", 1)
    bench = recovering
    bench.switch.lost()
    for tag in (1, 2):
        bench.switch.from_client(bench.a, request("kvs.get", matchtag=tag))
    (told,) = bench.got["a"]
    assert (told.aux1, told.aux2) == (errno.ECONNRESET, 2)


def test_what_is_held_has_no_more_bytes_than_there_is_room_for(
    recovering: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fluxctl.proxy.switch.HELD_BYTES_MAX", 300)
    bench = recovering
    bench.switch.lost()
    for tag, size in ((1, 200), (2, 200), (3, 50)):
        bench.switch.from_client(bench.a, request("kvs.put", {"v": "x" * size}, matchtag=tag))
    (told,) = bench.got["a"]
    assert (told.aux1, told.aux2) == (errno.ECONNRESET, 2)
    bench.switch.found()
    bench.switch.lost()
    bench.got["a"].clear()
    bench.switch.from_client(bench.a, request("kvs.put", {"v": "x" * 200}, matchtag=4))
    assert bench.got["a"] == []
