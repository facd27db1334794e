"""The guest event logs: whatever happens in whatever order, all that was appended is stored once
and in order, and only states of the table are entered.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_exec.guest import MOST_GIVEN, GuestLog
from broker.services.job_exec.guest_state import TRANSITIONS, GuestState
from flux.b64 import b64decode
from flux.kvs_flags import PRIMARY
from flux.wire.message import request, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.wire.message import Message


class Timer:
    """A call to come."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class World:
    """A key-value store that answers when it is told to, and a clock that is told to move."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []
        self.asked: list[tuple[str, dict[str, Any], Callable[[Message], None]]] = []
        self.spaces: dict[str, dict[str, Any]] = {PRIMARY: {}}
        self.closed = False
        self.log: list[str] = []
        handle = SimpleNamespace(closed=False, post=self.post)
        ctx: Any = SimpleNamespace(
            handle=handle, call_later=self.call_later, log=SimpleNamespace(err=self.log.append)
        )
        self.opened = 0
        self.given = False
        self.guest = GuestLog(ctx, 1, 0, 0.1, self.on_opened, self.take)

    def take(self, texts: dict[str, str]) -> None:
        """Store what is given away at once, as far as anybody can tell."""
        self.given = True
        self.spaces[PRIMARY] |= {f"guest.{key}": text for key, text in texts.items()}

    def on_opened(self) -> None:
        self.opened += 1

    def call_later(self, _delay: float, function: Callable[..., None], *args: object) -> Timer:
        self.timers.append(Timer(lambda: function(*args)))
        return self.timers[-1]

    def post(
        self, topic: str, payload: dict[str, Any], done: Callable[[Message], None], nodeid: int = 0
    ) -> None:
        self.asked.append((topic, payload, done))

    def answer(self) -> None:
        if not self.asked:
            return
        topic, payload, done = self.asked.pop(0)
        asked = request(topic, payload)
        if topic == "kvs.namespace-create":
            self.spaces[payload["namespace"]] = {}
            done(response(asked))
        elif topic == "kvs.namespace-remove":
            done(response(asked))
        else:
            self.commit(payload)
            done(response(asked, {"rootref": "sha1-" + "0" * 40, "rootseq": 1}))

    def commit(self, payload: dict[str, Any]) -> None:
        space = self.spaces[payload["namespace"]]
        for op in payload["ops"]:
            if op["dirent"]["type"] == "val":
                text = b64decode(op["dirent"]["data"]).decode()
                space[op["key"]] = space.get(op["key"], "") + text
            else:
                space[op["key"]] = op["dirent"]

    def tick(self) -> None:
        timers, self.timers = self.timers, []
        for timer in timers:
            if timer.call is not None:
                timer.call()

    def stored(self) -> str:
        """All that is in the output log, wherever it was written."""
        inside: str = self.spaces.get("job-1", {}).get("output", "")
        outside = [
            value for key, value in self.spaces[PRIMARY].items() if key.endswith("guest.output")
        ]
        return inside + "".join(outside)

    def to_come(self) -> str:
        """All that is in the output log, or will be once what was asked for has been done."""
        inside = self.stored()
        for topic, payload, _ in self.asked:
            ops = payload["ops"] if topic == "kvs.commit" else []
            for op in ops:
                if op["key"].endswith("output") and op["dirent"]["type"] == "val":
                    inside += b64decode(op["dirent"]["data"]).decode()
        return inside


STEPS = st.lists(st.sampled_from(["append", "answer", "tick"]), max_size=30)


@given(STEPS, STEPS)
def test_everything_is_stored_in_order(before: list[str], after: list[str]) -> None:
    world, wrote, acknowledged, ended = World(), 0, list[str](), list[bool]()
    sent: list[str] = []

    def step(name: str) -> None:
        nonlocal wrote
        if name == "append":
            text, wrote = f"{wrote}\n", wrote + 1

            def stored() -> None:
                assert text in world.stored()
                acknowledged.append(text)

            world.guest.append("output", text, stored)
        else:
            getattr(world, name)()

    for name in before:
        step(name)
    lines = "".join(f"{number}\n" for number in range(wrote))
    world.guest.close(lambda: sent.append(world.to_come()), lambda: ended.append(True))
    for name in after:
        if name != "append":
            step(name)
    while world.asked:
        world.answer()
    assert ended == [True]
    assert sent == [lines]
    assert world.guest.state is GuestState.ENDED
    assert world.opened == 1
    assert world.stored() == lines
    assert world.log == []
    assert acknowledged == [f"{number}\n" for number in range(len(acknowledged))]


def test_what_is_acknowledged_is_stored() -> None:
    world, acknowledged = World(), list[str]()
    world.tick()
    world.answer()
    world.guest.append("output", "a\n", lambda: acknowledged.append("a"))
    world.tick()
    world.guest.append("output", "b\n", lambda: acknowledged.append("b"))
    world.answer()
    assert (world.stored(), acknowledged) == ("a\n", ["a"])
    world.answer()
    assert (world.stored(), acknowledged) == ("a\nb\n", ["a", "b"])


def test_a_namespace_that_was_never_written_is_removed() -> None:
    world = World()
    world.tick()
    world.guest.close(lambda: None, lambda: None)
    world.answer()
    assert [topic for topic, _, _ in world.asked] == ["kvs.namespace-remove"]


def test_every_state_can_be_left_but_the_last() -> None:
    left = {state for state, _ in TRANSITIONS}
    reached = {*TRANSITIONS.values(), GuestState.WAITING}
    assert left == set(GuestState) - {GuestState.ENDED}
    assert reached == set(GuestState)


def test_what_may_wait_says_so() -> None:
    for lazy in (False, True):
        world = World()
        world.guest.append("output", "a" * (MOST_GIVEN + 1))
        world.guest.close(lambda: None, lambda: None, lazy=lazy)
        ((topic, payload, _),) = world.asked
        assert (topic, payload.get("lazy", False)) == ("kvs.commit", lazy)


def test_a_job_that_ends_at_once_leaves_its_logs_to_the_job_manager() -> None:
    world, told = World(), list[str]()
    world.guest.append("exec", "x\n")
    world.guest.append("output", "a" * (MOST_GIVEN - 2))
    world.guest.close(lambda: told.append("sent"), lambda: told.append("done"))
    assert (world.given, world.asked, told) == (True, [], ["sent", "done"])
    assert world.spaces[PRIMARY]["guest.exec.eventlog"] == "x\n"
    assert world.opened == 1
