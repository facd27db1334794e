"""What a jobtap plugin is given: handlers to register and actions on jobs (flux-jobtap-plugins(7),
flux_jobtap_get_flux(3)).

A plugin is a Python file that defines ``flux_plugin_init(plugin)``. There it registers handlers
with `JobtapPlugin.add_handler`; each is called as ``handler(plugin, topic, args)`` with an `Args`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeVar

from broker.jobtap.arguments import (
    Args,
    Rejected,
    checked_object,
    checked_priority,
    checked_severity,
    checked_text,
    checked_word,
)
from flux.job.lifecycle import INACTIVE, PLUGIN_SECTION
from flux.job.updates import JOBSPEC_UPDATE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from broker.jobtap.files import PluginFile
    from broker.jobtap.handle import PluginHandle, ServiceHandler
    from broker.services.job_manager.ended import EndedJob
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject

    Handler = Callable[["JobtapPlugin", str, Args], object]
    """What a plugin registers for a topic; see `complaint` for what it may return."""

T = TypeVar("T")

__all__ = ["Actions", "Args", "JobtapPlugin", "PluginHost", "Rejected"]


class Actions(Protocol):
    """What plugins and their host ask of the job manager."""

    def jobs(self) -> Iterable[Job]:
        """Return the active jobs."""

    def find(self, id: int) -> Job | None:
        """Return an active job, None for another id."""

    def ended(self, id: int) -> EndedJob | None:
        """Return what is known of an inactive job, None for another id."""

    def event(self, job: Job, name: str, context: JsonObject | None = None) -> None:
        """Post an event."""

    def remove_dependency(self, job: Job, description: str) -> None:
        """Drop a dependency."""

    def reprioritize(self, job: Job, priority: int) -> None:
        """Set a job's priority."""

    def rerank(self, job: Job, priority: int) -> None:
        """Set the priority of a job that waits, not in its eventlog if it has one there."""

    def settle(self, settled: bool) -> None:
        """Say that the priorities of many jobs are being changed, or that they are right."""

    def raise_exception(self, job: Job, kind: str, severity: int, note: str) -> None:
        """Raise an exception."""

    def annotate(self, job: Job, annotations: JsonMapping) -> None:
        """Update annotations."""

    def check_update(self, job: Job, updates: JsonObject) -> None:
        """Raise OSError(EINVAL) unless these members of a job's jobspec can be set."""

    def update(self, job: Job, updates: JsonObject) -> None:
        """Set members of a job's jobspec."""

    def record_end(self, job: Job) -> None:
        """Remember how a job ended."""

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call ``function`` in a later turn of the loop."""

    def open_handle(self, name: str, path: str) -> PluginHandle:
        """Return a handle for the plugin called ``name``, of the file ``path``."""

    def log_error(self, text: str) -> None:
        """Log an error; there is a bound on how many are logged at a time."""


class PluginHost(Protocol):
    """What a plugin sees of its host."""

    actions: Actions

    def handlers_changed(self) -> None:
        """A plugin registered a handler."""

    def reprioritize_all(self) -> None:
        """Ask the plugins for the priority of every job that waits."""

    def lookup(self, id: int) -> Job | None:
        """Return an active job or the one being admitted, None for another id."""

    def is_owner(self, userid: int) -> bool:
        """Whether a user owns the instance."""

    def dependency_add(self, job: Job, description: str) -> None:
        """Add a dependency; raises OSError(EEXIST) for one that the job has or had."""

    def annotate(self, job: Job, annotations: JsonObject) -> None:
        """Update annotations."""

    def jobspec_update(self, job: Job, updates: JsonObject) -> None:
        """Set members of a job's jobspec."""


class JobtapPlugin:
    """One loaded plugin.

    Those that are built in may set ``on_configured``, called when ``conf`` is another one because
    the configuration was read again, ``on_end``, called before the handle is closed, and
    ``on_stop``, called in its place and waited for when the job manager ends.

    Wrong arguments raise OSError(EINVAL) with a sentence; so does everything once the plugin has
    been removed.
    """

    def __init__(self, host: PluginHost, file: PluginFile, conf: JsonMapping | None = None) -> None:
        self.host = host
        self.file = file
        self.file_name = file.name
        self.name = file.name if file.name.startswith(".") else file.name.rsplit(".", 1)[0]
        self.conf = dict(conf or {})
        self.handlers: list[tuple[str, Handler]] = []
        self.on_configured: Callable[[], object] | None = None
        self.on_end: Callable[[], object] | None = None
        self.on_stop: Callable[[], Awaitable[object]] | None = None
        self._handle = host.actions.open_handle(file.name, file.path)
        self._aux: dict[int, dict[str, object]] = {}

    def add_handler(self, pattern: str, handler: Handler) -> None:
        """Call ``handler`` for topics matching ``pattern``, a glob(7)."""
        pattern = _checked(checked_text, pattern, "the topic of a handler")
        if not callable(handler):
            raise OSError(errno.EINVAL, f"the handler for {pattern} cannot be called")
        self._must_be_loaded()
        self.handlers.append((pattern, handler))
        self.host.handlers_changed()

    def set_name(self, name: str) -> None:
        """Set the name used for the plugin's service, a word without dots."""
        word = _checked(checked_word, name, "the name of a plugin")
        if "." in word:
            raise OSError(errno.EINVAL, f"the name of a plugin has no dots: {word}")
        self.name = word

    def get_flux(self) -> PluginHandle:
        """Return the plugin's handle, for RPCs, timers, events and whatever else takes time
        (flux_jobtap_get_flux(3)).
        """
        return self._handle

    def service_register(self, method: str, handler: ServiceHandler) -> None:
        """Answer requests to ``job-manager.<name>.<method>`` with ``handler(request)``, a function
        or a coroutine function, until the plugin is removed; guests' requests too: see
        ``request.is_owner`` and ``request.userid``.

        Raises OSError(EEXIST) if the topic has a handler.
        """
        word = _checked(checked_word, method, "the method of a service")
        self._handle.serve(f"job-manager.{self.name}.{word}", handler)

    def reject_job(self, args: Args, text: str) -> NoReturn:
        """Refuse the job of a ``job.validate`` or ``job.dependency.*`` callback, or its update in
        ``job.update.*``; does not return.
        """
        raise Rejected(text)

    def priority_unavail(self, args: Args) -> None:
        """Say that the job's priority is not available yet."""
        args.unavailable = True

    def reprioritize_job(self, id: int, priority: int) -> None:
        """Set the priority of a job, 0 to 4294967295; a job that is held or expedited keeps its
        own.

        Raises OSError(ENOENT) for one that is not active.
        """
        value = _checked(checked_priority, priority)
        self.host.actions.reprioritize(self._accepted(id), value)

    def reprioritize_all(self) -> None:
        """Ask for the priority of every pending job again, some of them in each turn of the
        loop.
        """
        self._must_be_loaded()
        self.host.reprioritize_all()

    def dependency_add(self, id: int, description: str) -> None:
        """Add a named dependency; raises OSError(EEXIST) when the job has or had it."""
        text = _checked(checked_text, description, "a dependency")
        self.host.dependency_add(self._going(id), text)

    def dependency_remove(self, id: int, description: str) -> None:
        """Remove a dependency; raises OSError(ENOENT) when the job does not have it."""
        job = self._accepted(id)
        if description not in job.dependencies:
            raise OSError(errno.ENOENT, f"no dependency {description}")
        self.host.actions.remove_dependency(job, description)

    def raise_exception(self, id: int, kind: str, severity: int, note: str = "") -> None:
        """Raise an exception on a job: ``kind`` is one word; severity 0 ends it."""
        word = _checked(checked_word, kind, "the type of an exception")
        level = _checked(checked_severity, severity)
        text = _checked(checked_text, note, "a note") if note != "" else ""
        self.host.actions.raise_exception(self._accepted(id), word, level, text)

    def event_post(self, id: int, name: str, context: JsonObject | None = None) -> None:
        """Post an event of the plugin's own to a job's eventlog."""
        word = _checked(checked_word, name, "the name of an event")
        value = None if context is None else _checked(checked_object, context, "a context")
        if word == JOBSPEC_UPDATE:
            self.jobspec_update(id, value or {})
        else:
            self.host.actions.event(self._accepted(id), word, value)

    def jobspec_update(self, id: int, updates: JsonObject) -> None:
        """Set members of a job's jobspec, by keys such as ``attributes.system.bank``, with a
        ``jobspec-update`` event (RFC 21). Nobody is asked whether they may be changed.

        Raises OSError(EINVAL) for keys that are no attributes.
        """
        value = _checked(checked_object, updates, "an update")
        if value:
            self.host.jobspec_update(self._going(id), value)

    def annotate(self, id: int, annotations: JsonObject) -> None:
        """Update a job's annotations; None as a value removes one."""
        value = _checked(checked_object, annotations, "an annotation")
        self.host.annotate(self._going(id), value)

    def set_reason(self, id: int, text: str | None) -> None:
        """Say why a job that this plugin keeps from running waits, None for no more: ``flux jobs``
        shows it while the job waits for its priority or is held.
        """
        note = None if text is None else {"reason": _checked(checked_text, text, "a reason")}
        self.host.annotate(self._going(id), {PLUGIN_SECTION: note})

    def dependencies(self, id: int) -> list[str]:
        """Return the descriptions of what a job waits for, in alphabetical order."""
        return sorted(self._job(id).dependencies)

    def job_subscribe(self, id: int) -> None:
        """Have ``job.event.*`` called for a job."""
        job = self._job(id)
        job.subscribers = (job.subscribers or set()) | {self.file_name}

    def job_unsubscribe(self, id: int) -> None:
        """End `job_subscribe`."""
        job = self._job(id)
        job.subscribers = (job.subscribers or set()) - {self.file_name} or None

    def job_lookup(self, id: int) -> Args:
        """Return the arguments of a job; raises OSError(ENOENT) for one that is not active."""
        return Args(self._job(id))

    def jobs(self) -> list[Args]:
        """Return the arguments of all active jobs, in no particular order."""
        self._must_be_loaded()
        return [Args(job) for job in self.host.actions.jobs()]

    def job_aux_set(self, id: int, key: str, value: object) -> None:
        """Keep a value with a job until it is inactive; None forgets it."""
        kept = self._aux.setdefault(id, {})
        kept[key] = value
        if value is None:
            del kept[key]
        if not kept:
            del self._aux[id]

    def job_aux_get(self, id: int, key: str) -> object:
        """Return what `job_aux_set` kept, None for nothing."""
        return self._aux.get(id, {}).get(key)

    def forget_job(self, id: int) -> None:
        """Drop what was kept for a job that is over."""
        self._aux.pop(id, None)

    def end(self) -> None:
        """The plugin is removed: with it end its handle and what was begun with it."""
        if self.on_end is not None and not self._handle.closed:
            self._handle.guard("its end", self.on_end)
        self._handle.close()
        for job in self.host.actions.jobs():
            if job.subscribers and self.file_name in job.subscribers:
                job.subscribers = job.subscribers - {self.file_name} or None
        self.handlers.clear()
        self._aux.clear()

    def _must_be_loaded(self) -> None:
        if self._handle.closed:
            raise OSError(errno.EINVAL, f"the plugin {self.file_name} was removed")

    def _job(self, id: int) -> Job:
        self._must_be_loaded()
        job = self.host.lookup(id)
        if job is None:
            raise OSError(errno.ENOENT, "unknown job id")
        return job

    def _going(self, id: int) -> Job:
        """Return a job that is not over yet; raises OSError(ENOENT) for another one."""
        job = self._job(id)
        if job.state == INACTIVE:
            raise OSError(errno.ENOENT, "the job is inactive")
        return job

    def _accepted(self, id: int) -> Job:
        """Return an active job; raises OSError(EINVAL) for one that may still be refused."""
        job = self._going(id)
        if self.host.actions.find(id) is not job:
            raise OSError(errno.EINVAL, "the job is not accepted yet")
        return job


def _checked(check: Callable[..., T], *values: object) -> T:
    """Return what a checker makes of an argument; raises OSError(EINVAL) with its sentence."""
    try:
        return check(*values)
    except ValueError as exc:
        raise OSError(errno.EINVAL, str(exc)) from None
