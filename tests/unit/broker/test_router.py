"""Routing of messages, by brokers connected without a network."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

import pytest

from broker.router import Router
from broker.topology import Topology
from flux.wire import message as wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.wire.message import Message


class Box:
    """An endpoint that keeps what it gets, or answers it."""

    def __init__(self, identity: str, reply: Callable[[Message], None] | None = None) -> None:
        self.id = identity
        self.got: list[Message] = []
        self.reply = reply

    def deliver(self, msg: Message) -> None:
        self.got.append(msg)
        if self.reply is not None:
            self.reply(msg)


class Pipe:
    """A link: what is delivered here is submitted at the neighbour, as from its end of the link."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.router: Router | None = None
        self.other: Pipe | None = None

    def deliver(self, msg: Message) -> None:
        assert self.router is not None
        assert self.other is not None
        msg.routes = list(msg.routes)
        self.router.submit(msg, self.other)


class Tree:
    """Routers of a whole instance in one process."""

    def __init__(self, size: int, fanout: int = 2) -> None:
        self.calls: deque[Callable[[], None]] = deque()
        self.routers = [
            Router(Topology(rank, size, fanout), self.calls.append) for rank in range(size)
        ]
        for rank in range(1, size):
            above = self.routers[rank].topology.parent
            assert above is not None
            up, down = Pipe(f"up{rank}"), Pipe(f"down{rank}")
            up.router, down.router = self.routers[above], self.routers[rank]
            up.other, down.other = down, up
            self.routers[rank].parent = up
            self.routers[rank].attach(up)
            self.routers[above].children[rank] = down
            self.routers[above].attach(down)

    def serve(self, rank: int, name: str) -> Box:
        router = self.routers[rank]
        box = Box(f"{name}@{rank}")
        box.reply = lambda msg: (
            router.submit(wire.response(msg, {"rank": rank}), box)
            if msg.type == wire.REQUEST
            else None
        )
        router.attach(box)
        router.add_service(name, box)
        return box

    def client(self, rank: int) -> Box:
        box = Box(f"client@{rank}")
        self.routers[rank].attach(box)
        return box

    def ask(self, rank: int, msg: Message) -> list[Message]:
        client = self.client(rank)
        self.routers[rank].submit(msg, client)
        self.settle()
        return client.got

    def settle(self) -> None:
        while self.calls:
            self.calls.popleft()()


@pytest.mark.parametrize("origin", range(7))
@pytest.mark.parametrize("target", range(7))
def test_a_request_reaches_its_rank_and_the_response_comes_back(origin: int, target: int) -> None:
    tree = Tree(7)
    for rank in range(7):
        tree.serve(rank, "s")
    got = tree.ask(origin, wire.request("s.x", nodeid=target, matchtag=5))
    assert [(msg.json(), msg.matchtag, msg.routes) for msg in got] == [({"rank": target}, 5, [])]


def test_any_goes_to_the_nearest_broker_upstream_that_serves_it() -> None:
    tree = Tree(7)
    tree.serve(0, "s")
    tree.serve(1, "s")
    assert tree.ask(3, wire.request("s.x"))[0].json() == {"rank": 1}
    assert tree.ask(6, wire.request("s.x"))[0].json() == {"rank": 0}


def test_upstream_skips_the_senders_own_broker() -> None:
    tree = Tree(3)
    for rank in range(3):
        tree.serve(rank, "s")
    assert tree.ask(2, wire.request("s.x", nodeid=2, flags=wire.UPSTREAM))[0].json() == {"rank": 0}
    assert (
        tree.ask(0, wire.request("s.x", nodeid=0, flags=wire.UPSTREAM))[0].errnum
        == errno.EHOSTUNREACH
    )


def test_unknown_services_and_ranks_are_answered() -> None:
    tree = Tree(3)
    answer = tree.ask(2, wire.request("nosuch.ping"))[0]
    assert (answer.errnum, answer.text()) == (
        errno.ENOSYS,
        "No service matching nosuch.ping is registered",
    )
    assert tree.ask(1, wire.request("nosuch.ping", nodeid=2))[0].errnum == errno.ENOSYS
    assert tree.ask(1, wire.request("a.b", nodeid=99))[0].errnum == errno.EHOSTUNREACH


def test_a_request_without_response_fails_silently() -> None:
    assert Tree(1).ask(0, wire.request("nosuch.x", flags=wire.NORESPONSE)) == []


def test_events_reach_every_subscriber_in_one_order() -> None:
    tree = Tree(5)
    clients = [tree.client(rank) for rank in range(5)]
    for rank, client in enumerate(clients):
        tree.routers[rank].subscribe("a.", client)
    for rank in (4, 0, 2):
        tree.routers[rank].submit(wire.event("a.b", {"from": rank}), clients[rank])
    tree.routers[1].submit(wire.event("b.c"), clients[1])
    tree.settle()
    orders = [[(msg.sequence, msg.json()["from"]) for msg in client.got] for client in clients]
    assert all(order == orders[0] for order in orders)
    assert sorted(origin for _, origin in orders[0]) == [0, 2, 4]
    assert [sequence for sequence, _ in orders[0]] == sorted(sequence for sequence, _ in orders[0])


def test_private_events_are_seen_by_the_owner_and_their_user_only() -> None:
    tree = Tree(1)
    router = tree.routers[0]
    boxes = {uid: Box(f"user{uid}") for uid in (0, 7, 8)}
    for uid, box in boxes.items():
        router.attach(box, uid)
        router.subscribe("", box)
    msg = wire.event("x", private=True)
    msg.userid, msg.rolemask = 7, wire.ROLE_USER
    router.owner = 0
    router.submit(msg, boxes[7])
    tree.settle()
    assert {uid: len(box.got) for uid, box in boxes.items()} == {0: 1, 7: 1, 8: 0}


def test_the_longest_service_name_wins_and_detaching_forgets_names() -> None:
    tree = Tree(1)
    router = tree.routers[0]
    short, long = tree.serve(0, "a"), tree.serve(0, "a.b")
    assert router.service("a.b.c") is long
    assert router.service("a.x") is short
    router.detach(long)
    assert router.service("a.b.c") is short
    with pytest.raises(OSError, match="registered"):
        router.add_service("a", long)


def test_a_flood_is_routed_in_bounded_turns() -> None:
    tree = Tree(1)
    box = tree.serve(0, "s")
    client = tree.client(0)
    for _ in range(12_000):
        tree.routers[0].submit(wire.request("s.x", flags=wire.NORESPONSE), client)
    turns = 0
    while tree.calls:
        tree.calls.popleft()()
        turns += 1
    assert len(box.got) == 12_000
    assert turns >= 3


class Broken(Box):
    """Raises at whatever it is delivered."""

    def deliver(self, msg: Message) -> None:
        raise RecursionError("broken")


def test_what_a_message_raises_is_answered_and_the_next_is_routed() -> None:
    tree = Tree(1)
    router = tree.routers[0]
    faults: list[tuple[str | None, str]] = []
    router.on_fault = lambda msg, where, exc: faults.append((msg.topic, where))
    broken = Broken("broken")
    router.attach(broken)
    router.add_service("bad", broken)
    tree.serve(0, "good")
    client = tree.client(0)
    for topic in ("bad.thing", "good.thing"):
        router.submit(wire.request(topic, matchtag=1), client)
    tree.settle()
    assert [(msg.topic, msg.errnum) for msg in client.got] == [
        ("bad.thing", errno.EPROTO),
        ("good.thing", 0),
    ]
    assert faults == [("bad.thing", client.id)]


def test_a_subscriber_that_raises_keeps_an_event_from_nobody() -> None:
    tree = Tree(1)
    router = tree.routers[0]
    broken, client = Broken("broken"), tree.client(0)
    for endpoint in (broken, client):
        router.attach(endpoint)
        router.subscribe("a", endpoint)
    router.submit(wire.event("a.b"), client)
    tree.settle()
    assert [msg.topic for msg in client.got] == ["a.b"]


def test_a_sender_of_a_broken_answer_does_not_stop_the_queue() -> None:
    tree = Tree(1)
    router = tree.routers[0]
    broken, client = Broken("broken"), tree.client(0)
    router.attach(broken)
    tree.serve(0, "good")
    router.submit(wire.request("nosuch.thing", matchtag=1), broken)
    router.submit(wire.request("good.thing", matchtag=2), client)
    tree.settle()
    assert [msg.topic for msg in client.got] == ["good.thing"]
