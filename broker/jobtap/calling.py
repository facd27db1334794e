"""Calls of plugins' handlers: which ones match a topic, and what becomes of those that fail.

A handler that fails harms no other and nobody but its job. Where it was to check that job, the job
does not get past it:

- in ``job.validate`` and ``job.dependency.*`` the submission is refused, in ``job.update.*`` and
  ``job.validate`` the update of a job;
- in ``job.state.depend``, the last place for a dependency to be added, the job ends with an
  exception;
- in ``job.state.priority`` and ``job.priority.get`` the job keeps the priority that it has, or
  waits for one.

Failed has who raises an exception, returns a negative number, or gives an impossible priority.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.faults import FAILURES, described
from broker.jobtap.arguments import (
    MAX_TEXT,
    Args,
    Broken,
    Rejected,
    checked_object,
    checked_priority,
    complaint,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.jobtap.plugin import Handler, JobtapPlugin
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject

    Annotate = Callable[[Job, JsonObject], None]

VALIDATE: Final = "job.validate"
DEPENDENCY: Final = "job.dependency."
UPDATED: Final = "job.update"
UPDATE: Final = "job.update."
PRIORITY_GET: Final = "job.priority.get"
STATE_PRIORITY: Final = "job.state.priority"

Found = list[tuple["JobtapPlugin", "Handler"]]


class Failure(NamedTuple):
    """A handler that failed: its plugin, and why."""

    plugin: str
    reason: str

    def __str__(self) -> str:
        return f"{self.plugin}: {self.reason}"


class Caller:
    """Calls handlers in the order in which their plugins were loaded; ``annotate`` takes the
    annotations they return.
    """

    def __init__(self, log_error: Callable[[str], None], annotate: Annotate) -> None:
        self.plugins: list[JobtapPlugin] = []
        self._log_error = log_error
        self._take_annotations = annotate
        self._cache: dict[str, Found] = {}

    def handlers_changed(self) -> None:
        """Forget which handlers match which topic."""
        self._cache.clear()

    def handlers(self, topic: str) -> Found:
        """Return who is to be called for a topic."""
        found = self._cache.get(topic)
        if found is None:
            found = [pair for plugin in self.plugins for pair in handlers_of(plugin, topic)]
            self._cache[topic] = found
        return found

    def call(
        self, topic: str, args: Args, handlers: Iterable[tuple[JobtapPlugin, Handler]]
    ) -> Failure | None:
        """Call handlers; returns the failure that the job must not get past, None for none.

        In ``job.validate``, ``job.dependency.*`` and ``job.update.*`` nobody is called after one
        who refuses, and `Rejected` is raised, `Broken` if that plugin failed.
        """
        judges = topic == VALIDATE or topic.startswith((DEPENDENCY, UPDATE))
        rates = topic in (STATE_PRIORITY, PRIORITY_GET)
        last: Failure | None = None
        for plugin, handler in handlers:
            before = args.out.get("priority") if rates else None
            args.unavailable = False
            reason = self._reason(plugin, handler, topic, args, judges)
            if args.unavailable:
                args.out["priority"] = None
            if reason is None and rates:
                reason = _wrong_priority(args)
            if reason is not None:
                last = Failure(plugin.file_name, reason)
                self._log_error(f"jobtap: {plugin.file_name}: {topic}: {reason}")
                if judges:
                    kind = "dependency plugin" if topic.startswith(DEPENDENCY) else "plugin"
                    raise Broken(f"rejected by job-manager {kind} {last}")
                if rates:
                    args.out["priority"] = None
            elif rates and args.out.get("priority") is not before:
                last = None  # the last word counts
            self._annotate(plugin, topic, args)
        return last

    def _reason(
        self, plugin: JobtapPlugin, handler: Handler, topic: str, args: Args, judges: bool
    ) -> str | None:
        """Call one handler; returns why it failed. Raises `Rejected` where that is meant."""
        try:
            answer = handler(plugin, topic, args)
            if isinstance(args.out, dict):
                return complaint(answer, strict=judges)
            args.out = {}
            return "args.out is no dictionary any more"
        except Rejected as exc:
            if judges:
                raise Rejected(_sentence(exc)) from None
            where = "job.validate, job.dependency.* and job.update.*"
            return f"jobs are rejected in {where} only: {exc}"
        except FAILURES as exc:
            return described(exc, plugin.file.path)

    def _annotate(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        annotations = args.out.pop("annotations", None)
        if annotations is None:
            return
        try:
            self._take_annotations(args.job, checked_object(annotations, "an annotation"))
        except ValueError as exc:
            self._log_error(f"jobtap: {plugin.file_name}: {topic}: {exc}")


def handlers_of(plugin: JobtapPlugin, topic: str) -> Found:
    """Return a plugin's handlers for a topic."""
    return [
        (plugin, handler) for pattern, handler in plugin.handlers if fnmatchcase(topic, pattern)
    ]


def _wrong_priority(args: Args) -> str | None:
    priority = args.out.get("priority")
    if priority is None:
        return None
    try:
        checked_priority(priority)
    except ValueError as exc:
        return str(exc)
    return None


def _sentence(exc: Rejected) -> str:
    """Return what a submitter is told, fit for a response."""
    return str(exc)[:MAX_TEXT].encode("utf-8", "replace").decode() or "rejected"
