"""The handle of a jobtap plugin: what takes time, without holding up the job manager
(flux_jobtap_get_flux(3)).

Plugins run on the broker's event loop, where nothing may wait. So an RPC has a callback or is
awaited in a coroutine, a timer calls a function, and all of it belongs to the plugin: with its
removal timers, RPCs, subscriptions, services and coroutines end, and a late answer is dropped. What
a callback raises is logged with the plugin's name and harms nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from broker.faults import FAILURES, described
from broker.jobtap.future import PluginFuture
from broker.jobtap.timers import PluginTimer
from broker.service import FAILED_TEXT, NO_REPLY, Answer, BoundHandler, Reply
from flux.wire.message import NODEID_ANY, ended
from flux.wire.text import as_text

if TYPE_CHECKING:
    from broker.context import Context
    from broker.request import Request
    from flux.aio_streams import Stream
    from flux.wire.message import Message

T = TypeVar("T")
F = TypeVar("F", bound="Callable[..., object]")
ServiceHandler: TypeAlias = "Callable[[Request], Answer]"
"""What answers a request: its reply, or a coroutine of it; `NO_REPLY` for an answer to come."""


class HandlerTable(Protocol):
    """Where the job manager keeps who answers which topic."""

    def add_handler(self, topic: str, handler: BoundHandler) -> None:
        """Answer requests for ``topic``, guests' too; raises OSError(EEXIST) if there is a
        handler.
        """

    def remove_handler(self, topic: str) -> None:
        """Undo `add_handler`."""


class PluginSubscription:
    """Has a function called with events: their topic, and their payload as JSON, or as bytes if it
    is none. ``cancel`` ends it.
    """

    def __init__(
        self, handle: PluginHandle, prefix: str, function: Callable[[str, object], object]
    ) -> None:
        self._handle = handle
        self._function = function
        self.prefix = prefix
        self.beginning: asyncio.Task[None] | None = None

    def push(self, msg: Message) -> None:
        """Give an event to the function."""
        self._handle.guard(f"event {msg.topic}", self._call, msg)

    def _call(self, msg: Message) -> None:
        try:
            payload: object = msg.json() if msg.payload else {}
        except ValueError:
            payload = msg.payload
        self._function(msg.topic or "", payload)

    def cancel(self) -> None:
        """Have no more events given."""
        self._handle.unsubscribe(self)


class PluginHandle:
    """What a plugin can do beyond its handlers.

    ``name`` and ``path`` are those of the plugin's file. ``closed`` says that it was removed; from
    then on everything raises OSError(EINVAL).
    """

    def __init__(self, ctx: Context, services: HandlerTable, name: str, path: str) -> None:
        self._ctx = ctx
        self._services = services
        self._name = name
        self._path = path
        self.closed = False
        self._timers: set[PluginTimer] = set()
        self._tags: dict[int, PluginFuture] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._subscriptions: set[PluginSubscription] = set()
        self._topics: set[str] = set()
        self._requests: dict[Request, None] = {}

    def __repr__(self) -> str:
        return f"<PluginHandle of {self._name}{', removed' if self.closed else ''}>"

    def counts(self) -> dict[str, int]:
        """Return how much goes on by way of this handle, by kind."""
        return {
            "rpcs": len(self._tags),
            "timers": len(self._timers),
            "subscriptions": len(self._subscriptions),
            "tasks": len(self._tasks),
            "services": len(self._topics),
            "requests": len(self._requests),
        }

    # The broker

    def get_rank(self) -> int:
        """Return the rank of the broker."""
        return self._ctx.rank

    def get_size(self) -> int:
        """Return how many brokers the instance has."""
        return self._ctx.size

    def attr_get(self, name: str) -> str | None:
        """Return a broker attribute, None if it is not set."""
        return self._ctx.attrs.get(as_text(name, "the name of an attribute"))

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._ctx.now()

    def log(self, level: int, text: str) -> None:
        """Log a line under the plugin's name with a syslog level, 0 (emerg) to 7 (debug).

        Raises OSError(EINVAL) for another level.
        """
        if type(level) is not int or not 0 <= level <= 7:
            raise OSError(errno.EINVAL, f"a log level is 0 to 7, not {level!r:.100}")
        self._ctx.log.log(level, f"{self._name}: {as_text(text, 'a log message')}")

    # RPCs

    def rpc(
        self,
        topic: str,
        payload: object = None,
        nodeid: int = NODEID_ANY,
        *,
        timeout: float | None = None,
    ) -> PluginFuture:
        """Send a request and return the future of its answer, for ``then`` or ``await``; with
        ``timeout`` it fails with ETIMEDOUT after so many seconds.
        """
        self._must_be_open()
        name = as_text(topic, "the topic")
        future = PluginFuture(name, partial(self.guard, f"answer of {name}"))
        limit = None if timeout is None else self._limit(future, timeout)
        try:
            tag = self._ctx.handle.post(name, ended(payload), future.fulfill, nodeid=nodeid)
        except BaseException:
            if limit is not None:
                limit.cancel()
            raise
        self._tags[tag] = future

        def settled() -> None:
            if self._tags.pop(tag, None) is not None:
                self._ctx.handle.forget(tag)
            if limit is not None:
                limit.cancel()

        future.on_settled = settled
        return future

    def _limit(self, future: PluginFuture, seconds: float) -> PluginTimer:
        """Return a timer after which an RPC fails."""
        text = f"{future.topic}: no response within {seconds} s"
        return self.call_later(seconds, future.fail, OSError(errno.ETIMEDOUT, text))

    def stream(
        self,
        topic: str,
        payload: object = None,
        nodeid: int = NODEID_ANY,
        *,
        cancel: str | None = "",
    ) -> Stream:
        """Return a streaming RPC, for coroutines: ``async with handle.stream(topic) as answers``,
        then ``async for answer in answers``.

        ``cancel`` is the topic that ends it early: ``<topic>-cancel`` by default, None if the
        service has none.
        """
        self._must_be_open()
        return self._ctx.handle.stream(topic, payload, nodeid=nodeid, cancel=cancel)

    # Timers

    def call_later(
        self, seconds: float, function: Callable[..., object], *args: object
    ) -> PluginTimer:
        """Call ``function(*args)`` once, after so many seconds."""
        timer = self._timer(seconds, function, args)
        timer.after(max(0.0, seconds))
        return timer

    def call_at(self, when: float, function: Callable[..., object], *args: object) -> PluginTimer:
        """Call ``function(*args)`` once, at a time in seconds since the epoch."""
        timer = self._timer(when, function, args)
        timer.at(when)
        return timer

    def call_every(
        self, seconds: float, function: Callable[..., object], *args: object
    ) -> PluginTimer:
        """Call ``function(*args)`` every so many seconds, the first time after that."""
        timer = self._timer(seconds, function, args)
        if seconds <= 0:
            raise OSError(errno.EINVAL, f"a period is longer than 0 s, not {seconds!r:.100}")
        timer.every(seconds)
        return timer

    def _timer(
        self, seconds: float, function: Callable[..., object], args: tuple[object, ...]
    ) -> PluginTimer:
        self._must_be_open()
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not number or not -float("inf") < seconds < float("inf"):
            raise OSError(errno.EINVAL, f"a time is a number of seconds, not {seconds!r:.100}")
        call = partial(self.guard, "timer", _callable(function), *args)
        return PluginTimer(self._timers, call, self._ctx.now)

    # Events

    def event_subscribe(
        self, prefix: str, function: Callable[[str, object], object]
    ) -> PluginSubscription:
        """Call ``function(topic, payload)`` with each event of the instance's owner whose topic
        starts with ``prefix``, from the next turn of the loop on.
        """
        self._must_be_open()
        subscription = PluginSubscription(self, as_text(prefix, "the topic"), _callable(function))
        self._subscriptions.add(subscription)
        subscribe = self._ctx.handle.on_event(subscription.prefix, subscription.push)
        subscription.beginning = self.spawn(subscribe)
        return subscription

    def unsubscribe(self, subscription: PluginSubscription) -> None:
        """Undo `event_subscribe`."""
        self._subscriptions.discard(subscription)
        if subscription.beginning is not None:
            subscription.beginning.cancel()
        self._ctx.handle.off_event(subscription.prefix, subscription.push)

    def event_send(self, topic: str, payload: object = None, *, private: bool = False) -> None:
        """Publish an event to the instance."""
        self._must_be_open()
        self._ctx.handle.event_send(topic, payload, private=private)

    # Coroutines

    def spawn(self, work: Coroutine[object, object, T], name: str = "") -> asyncio.Task[T]:
        """Run a coroutine beside everything else; what it raises is logged. It is cancelled with
        the plugin.
        """
        if not inspect.iscoroutine(work):
            raise OSError(errno.EINVAL, f"spawn takes a coroutine, not {work!r:.100}")
        if self.closed:
            work.close()
        self._must_be_open()
        called = name or getattr(work, "__qualname__", "coroutine")
        task = asyncio.get_running_loop().create_task(
            _contained(work), name=f"jobtap:{self._name}:{called}"
        )
        self._tasks.add(task)
        task.add_done_callback(partial(self._task_ended, called, work))
        return task

    def _task_ended(
        self, name: str, work: Coroutine[object, object, object], task: asyncio.Task[object]
    ) -> None:
        self._tasks.discard(task)
        work.close()  # it has not begun if the task was cancelled at once
        if not task.cancelled() and (exc := task.exception()) is not None and not self.closed:
            self._log_failure(name, exc)

    # Services

    def serve(self, topic: str, handler: ServiceHandler) -> None:
        """Answer requests for ``topic``; raises OSError(EEXIST) if somebody does."""
        self._must_be_open()
        self._services.add_handler(topic, partial(self._serve, _callable(handler)))
        self._topics.add(topic)

    def _serve(self, handler: ServiceHandler, request: Request) -> Reply:
        """Call a plugin's handler of requests; a coroutine answers when it has ended."""
        if request.noresponse:
            watched = request
        else:
            watched = request.watched(lambda: self._requests.pop(watched, None))
            self._requests[watched] = None
        try:
            answer = handler(watched)
            if isinstance(answer, Awaitable) and not inspect.iscoroutine(answer):
                raise OSError(errno.EINVAL, f"the service {request.topic} gives no answer")
        except FAILURES as exc:
            self._requests.pop(watched, None)
            if isinstance(exc, OSError):
                raise
            self._log_failure(request.topic, exc)
            raise OSError(errno.EINVAL, FAILED_TEXT) from None
        if inspect.iscoroutine(answer):
            self.spawn(self._finish(watched, answer), request.topic)
            return NO_REPLY
        if answer is not NO_REPLY:
            self._requests.pop(watched, None)
        return answer

    async def _finish(self, request: Request, work: Awaitable[Reply]) -> None:
        try:
            answer = await work
            if answer is not NO_REPLY:
                request.respond(answer)
        except asyncio.CancelledError:
            raise
        except OSError as exc:
            request.fail(exc)
        except FAILURES as exc:
            self._log_failure(request.topic, exc)
            request.error(errno.EINVAL, FAILED_TEXT)

    # The end

    def guard(self, what: str, function: Callable[..., object], *args: object) -> None:
        """Call a function of the plugin; what it raises is logged, and so is a coroutine, which
        nobody awaits.
        """
        if self.closed:
            return
        try:
            result = function(*args)
        except FAILURES as exc:
            self._log_failure(what, exc)
            return
        if inspect.iscoroutine(result):
            self.spawn(result, what)

    def close(self) -> None:
        """End everything that was begun by way of this handle."""
        if self.closed:
            return
        self.closed = True
        for topic in self._topics:
            self._services.remove_handler(topic)
        self._topics.clear()
        for subscription in tuple(self._subscriptions):
            self.unsubscribe(subscription)
        for timer in tuple(self._timers):
            timer.cancel()
        for future in tuple(self._tags.values()):
            future.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        for request in tuple(self._requests):
            request.error(errno.ENOSYS, f"the plugin {self._name} was removed")
        self._requests.clear()

    def _must_be_open(self) -> None:
        if self.closed:
            raise OSError(errno.EINVAL, f"the plugin {self._name} was removed")

    def _log_failure(self, what: str, exc: BaseException) -> None:
        self._ctx.log.exception(f"jobtap: {self._name}: {what}: {described(exc, self._path)}", exc)


async def _contained(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine; its ``sys.exit()`` is an error, and not the end of the broker."""
    try:
        return await work
    except SystemExit as exc:
        raise RuntimeError(f"SystemExit: {exc}") from exc


def _callable(function: F) -> F:
    """Return what can be called; raises OSError(EINVAL) for anything else."""
    if not callable(function):
        raise OSError(errno.EINVAL, f"{function!r:.100} cannot be called")
    return function
