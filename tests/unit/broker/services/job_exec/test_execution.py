"""What the job manager is told of a job, and in which order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from broker.services.job_exec.execution import RunningJob
from broker.services.job_exec.state import Shells
from flux.wire.message import request, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.wire.message import Message


class World:
    """A job on rank 0 whose event logs can be watched when ``opened`` says so."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self._steps: list[Callable[[], None]] = []
        handle = SimpleNamespace(closed=False, post=self._post)
        ctx: Any = SimpleNamespace(handle=handle, call_later=self._call_later)
        req: Any = SimpleNamespace(
            get=lambda key, _: {"id": 1, "userid": 0}[key],
            respond=lambda answer: self.told.append(answer["type"]),
        )
        self.shells = Shells([0])
        self.job = RunningJob(req, self.shells, ctx, 0.1)

    def _call_later(self, _: float, function: Callable[..., None], *args: object) -> Any:
        def step() -> None:
            function(*args)

        def cancel() -> None:
            if step in self._steps:
                self._steps.remove(step)

        self._steps.append(step)
        return SimpleNamespace(cancel=cancel)

    def _post(self, topic: str, payload: Any, done: Callable[[Message], None], **_: Any) -> None:
        answer = {"rootref": "sha1-0"} if topic == "kvs.commit" else None
        self._steps.append(lambda: done(response(request(topic, payload), answer)))

    def opened(self) -> None:
        """All that is asked for is answered."""
        while self._steps:
            self._steps.pop(0)()


def test_what_fails_at_once_comes_after_the_start() -> None:
    world = World()
    world.job.started(1.0)
    world.job.after_start(lambda: world.told.append("raise"))
    world.job.failed("exec", "lost")
    assert world.told == []
    world.opened()
    assert world.told == ["start", "raise", "exception"]
    world.job.failed("exec", "later")
    assert world.told[3:] == ["exception"]


def test_what_never_started_is_told_at_once() -> None:
    world = World()
    world.job.failed("exec", "no shell")
    assert world.told == ["exception"]


def test_the_end_comes_last() -> None:
    world = World()
    world.job.started(1.0)
    world.job.failed("exec", "lost")
    world.shells.finished = True
    world.job.finished(lambda: world.told.append("released"), lambda: None)
    world.opened()
    assert world.told == ["start", "exception", "finish", "released"]
