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


class QueueRequests:
    """Requests about queues; what is refused is a CommandError that names the request."""

    def __init__(self, flux: Flux) -> None:
        self._flux = flux

    def ask(self, topic: str, payload: JsonMapping) -> JsonObject:
        """Send a request about queues and return its answer; raises CommandError."""
        try:
            answer: JsonObject = self._flux.rpc(f"job-manager.{topic}", payload).get() or {}
        except OSError as exc:
            hint = queue_suggestion(self._flux, [payload["name"]]) if "name" in payload else ""
            raise CommandError(f"{topic}: {exc.strerror}", hint=hint) from None
        return answer

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
            raise CommandError(f"{topic}: {exc.strerror}") from None
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

        ``words`` are names of queues where a switch is turned on; else a reason or, where queues
        have names and no option chooses any, their names.
        """
        reason = "" if on else why if why is not None else " ".join(words)
        lasting = not choice["nocheckpoint"]
        # As there, --all is for when no queue is named.
        every = choice["every"] and not (on and words)
        chosen = choice["queue"] is not None or every
        if on and words:
            if choice["queue"] is not None:
                raise CommandError(f"name queues, or use an option for them: {' '.join(words)}")
            names = list(words)
        elif not chosen:
            try:
                return self.admin(switch["old_topic"], False, on, reason, lasting=lasting), []
            except CommandError:
                names = list(words)
                if not names or not set(names) <= set(self.names()):
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
                self.ask(switch["topic"], {**payload, "name": name})
        return None, names

    def names(self) -> list[str]:
        """Return the names of the queues."""
        names: list[str] = self.ask("queue-list", {})["queues"]
        return names


def sentences(name: str, status: JsonMapping) -> tuple[str, str]:
    """Return what is said of submission to and scheduling of a named queue."""
    submission = "enabled" if status["enable"] else "disabled"
    scheduling = "started" if status["start"] else "stopped"
    why_disabled, why_stopped = status.get("disable_reason"), status.get("stop_reason")
    return (
        f"{name}: Job submission is {submission}" + (f": {why_disabled}" if why_disabled else ""),
        f"{name}: Scheduling is {scheduling}" + (f": {why_stopped}" if why_stopped else ""),
    )
