"""What ``flux queue`` asks the job manager for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

from fluxctl import modern
from fluxctl.errors import CommandError
from fluxctl.suggestions import queue_suggestion

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.wire.json import JsonMapping, JsonObject


class AdminAnswer(TypedDict):
    """What ``submit-admin`` and ``alloc-admin`` answer; only the latter has the counters, only the
    former the names of queues, where there are any.
    """

    enable: bool
    reason: str
    queues: NotRequired[list[str]]
    queue_length: NotRequired[int]
    alloc_pending: NotRequired[int]
    free_pending: NotRequired[int]
    running: NotRequired[int]


class QueueChoice(TypedDict):
    """Which queues a command is about, and for how long."""

    queue: str | None
    every: bool
    nocheckpoint: bool


class SwitchRequests(TypedDict):
    """A switch of a queue: the requests that turn it, what is said of it, and the reason why a
    named queue was turned off without one.
    """

    topic: str
    old_topic: str
    key: str
    sentence: int
    reason: str


SUBMISSION: SwitchRequests = {
    "topic": "queue-enable",
    "old_topic": "submit-admin",
    "key": "enable",
    "sentence": 0,
    "reason": "disabled by administrator",
}
SCHEDULING: SwitchRequests = {
    "topic": "queue-start",
    "old_topic": "alloc-admin",
    "key": "start",
    "sentence": 1,
    "reason": "",
}


class QueuesHaveNames(CommandError):
    """A switch of the queue without a name was to be turned where all have one."""


class QueueRequests:
    """Requests about queues; what is refused is a CommandError that names the request."""

    def __init__(self, flux: Flux) -> None:
        self._flux = flux

    def ask(self, topic: str, payload: JsonMapping) -> JsonObject:
        """Send a request about queues and return its answer; raises CommandError."""
        try:
            answer: JsonObject = self._flux.rpc(f"job-manager.{topic}", payload).get() or {}
        except OSError as exc:
            if "name" in payload and (exc.strerror or "").endswith("is not a valid queue"):
                raise self._unknown(topic, payload["name"]) from None
            raise CommandError(f"{topic}: {exc.strerror}") from None
        return answer

    def _unknown(self, topic: str, name: str) -> CommandError:
        text = f"ERROR: {topic.removeprefix('queue-')}: '{name}' is not a valid queue"
        return CommandError(text, hint=queue_suggestion(self._flux, [name]))

    def admin(
        self, topic: str, query: bool, enable: bool, reason: str = "", *, lasting: bool = True
    ) -> AdminAnswer:
        """Ask about the queue without a name, or turn a switch of it, as 0.29 does; raises
        CommandError.
        """
        payload: JsonObject = {"query_only": query, "enable": enable, "reason": reason}
        if not lasting:
            payload["nocheckpoint"] = True
        try:
            found = modern.ask(self._flux, f"job-manager.{topic}", payload)
        except OSError as exc:
            if exc.strerror is None or not exc.strerror.startswith("Named queues"):
                raise CommandError(f"{topic}: {exc.strerror}") from None
            text = exc.strerror
            if topic == SUBMISSION["old_topic"]:
                text = "enable: Use --all to apply this command to all queues"
            raise QueuesHaveNames(f"ERROR: {text}") from None
        return cast("AdminAnswer", found)

    def turn(
        self,
        switch: SwitchRequests,
        on: bool,
        choice: QueueChoice,
        words: tuple[str, ...] = (),
        why: str | None = None,
    ) -> tuple[AdminAnswer | None, list[str]]:
        """Turn a switch of some queues; returns the answer about the one without a name, or the
        names of those turned.

        ``words`` are names of queues where a switch is turned on, or off with ``why`` or for
        ``every`` queue unless they name none; else a reason or, where queues have names and no
        option chooses any, their names.
        """
        lasting = not choice["nocheckpoint"]
        named = on or why is not None
        if choice["every"] and words and not named:
            named = set(words) <= set(self.names())
        # As there, --all is for when no queue is named.
        every = choice["every"] and not (named and words)
        reason = "" if on else why if why is not None else "" if named else " ".join(words)
        if named and words:
            if choice["queue"] is not None:
                raise CommandError(f"name queues, or use an option for them: {' '.join(words)}")
            names = list(words)
            reason = reason or ("" if on else switch["reason"])
        elif choice["queue"] is None and not every:
            try:
                return self.admin(switch["old_topic"], False, on, reason, lasting=lasting), []
            except QueuesHaveNames:
                names = list(words)
                if not names or (len(names) > 1 and not set(names) <= set(self.names())):
                    raise
                reason = why or switch["reason"]
        elif every:
            names = self.names()
        else:
            names = [str(choice["queue"])]
        payload: JsonObject = {switch["key"]: on, "reason": reason, "nocheckpoint": not lasting}
        if every:
            self.ask(switch["topic"], {**payload, "all": True})
            if not names:
                return self.admin(switch["old_topic"], True, False), []
        else:
            for name in names:
                self.ask(switch["topic"], {**payload, "name": name, "all": False})
        return None, names

    def names(self) -> list[str]:
        """Return the names of the queues."""
        names: list[str] = self.ask("queue-list", {})["queues"]
        return names


def sentences(name: str, status: JsonMapping) -> tuple[str, str]:
    """Return what is said of submission to and scheduling of a queue, empty for the one without a
    name.
    """
    submission = "enabled" if status["enable"] else "disabled"
    scheduling = "started" if status["start"] else "stopped"
    why_disabled, why_stopped = status.get("disable_reason"), status.get("stop_reason")
    who = f"{name}: " if name else ""
    return (
        f"{who}Job submission is {submission}" + (f": {why_disabled}" if why_disabled else ""),
        f"{who}Scheduling is {scheduling}" + (f": {why_stopped}" if why_stopped else ""),
    )
