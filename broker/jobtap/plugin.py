"""What a jobtap plugin is given: handlers to register and actions on jobs (flux-jobtap-plugins(7),
flux_jobtap_get_flux(3)).

A plugin is a Python file that defines ``flux_plugin_init(plugin)``. There it registers handlers
with `JobtapPlugin.add_handler`; each is called as ``handler(plugin, topic, args)`` with an `Args`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.service import Reply, Request
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject

    Handler = Callable[["JobtapPlugin", str, "Args"], object]
    """What a plugin registers for a topic; what it returns is not looked at."""


class Actions(Protocol):
    """What plugins and their host ask of the job manager."""

    def jobs(self) -> Iterable[Job]:
        """Return the active jobs."""

    def find(self, id: int) -> Job | None:
        """Return an active job, None for another id."""

    def event(self, job: Job, name: str, context: JsonObject | None = None) -> None:
        """Post an event."""

    def remove_dependency(self, job: Job, description: str) -> None:
        """Drop a dependency."""

    def reprioritize(self, job: Job, priority: int) -> None:
        """Set a job's priority."""

    def raise_exception(self, job: Job, kind: str, severity: int, note: str) -> None:
        """Raise an exception."""

    def annotate(self, job: Job, annotations: JsonMapping) -> None:
        """Update annotations."""

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call ``function`` at ``when``, seconds since the epoch."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def service_register(self, topic: str, handler: Callable[[Request], Reply]) -> None:
        """Route requests for ``topic`` to a plugin."""

    def log_error(self, text: str) -> None:
        """Log an error."""


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


class Rejected(Exception):
    """A plugin refuses a job; the text is told to the submitter."""


class Args:
    """The arguments of one callback; what the plugin returns goes into ``out`` (``priority``,
    ``annotations``).
    """

    __slots__ = ("entry", "job", "out", "prev_state", "unavailable")

    def __init__(
        self, job: Job, entry: JsonMapping | None = None, prev_state: int | None = None
    ) -> None:
        self.job = job
        self.entry = entry
        self.prev_state = prev_state
        self.out: JsonObject = {}
        self.unavailable = False

    def __getitem__(self, key: str) -> Any:
        """Return an argument by its name in the manual; raises KeyError for one this callback does
        not have.
        """
        if key == "jobspec":
            return redacted(self.job.jobspec)
        if key in ("id", "state", "userid", "urgency", "priority", "t_submit"):
            return getattr(self.job, key)
        if key == "entry" and self.entry is not None:
            return self.entry
        if key == "prev_state" and self.prev_state is not None:
            return self.prev_state
        raise KeyError(key)


def redacted(jobspec: JsonObject | None) -> JsonObject:
    """Return a jobspec without its environment."""
    if jobspec is None:
        return {}
    attributes = jobspec.get("attributes") or {}
    system = {
        key: value
        for key, value in (attributes.get("system") or {}).items()
        if key != "environment"
    }
    return {**jobspec, "attributes": {**attributes, "system": system}}


class JobtapPlugin:
    """One loaded plugin."""

    def __init__(self, host: PluginHost, file_name: str, conf: JsonMapping | None = None) -> None:
        self.host = host
        self.file_name = file_name
        self.name = file_name.rsplit(".", 1)[0] if not file_name.startswith(".") else file_name
        self.conf = dict(conf or {})
        self.handlers: list[tuple[str, Handler]] = []
        self._aux: dict[tuple[int, str], object] = {}

    def add_handler(self, pattern: str, handler: Handler) -> None:
        """Call ``handler`` for topics matching ``pattern``, a glob(7)."""
        self.handlers.append((pattern, handler))
        self.host.handlers_changed()

    def set_name(self, name: str) -> None:
        """Set the name used for the plugin's service."""
        self.name = name

    def service_register(self, method: str, handler: Callable[[Request], Reply]) -> None:
        """Answer requests to ``job-manager.<name>.<method>`` with ``handler(request)``, like a
        service's own methods.
        """
        self.host.actions.service_register(f"job-manager.{self.name}.{method}", handler)

    def reject_job(self, args: Args, text: str) -> NoReturn:
        """Refuse the job of a ``job.validate`` or ``job.dependency.*`` callback; does not
        return.
        """
        raise Rejected(text)

    def priority_unavail(self, args: Args) -> None:
        """Say that the job's priority is not available yet."""
        args.unavailable = True

    def reprioritize_job(self, id: int, priority: int) -> None:
        """Set the priority of a job; raises OSError(ENOENT) for one that is not active."""
        self.host.actions.reprioritize(self._job(id), priority)

    def reprioritize_all(self) -> None:
        """Ask for the priority of every pending job again."""
        self.host.reprioritize_all()

    def dependency_add(self, id: int, description: str) -> None:
        """Add a named dependency; raises OSError(EEXIST) when the job has or had it."""
        self.host.dependency_add(self._job(id), description)

    def dependency_remove(self, id: int, description: str) -> None:
        """Remove a dependency; raises OSError(ENOENT) when the job does not have it."""
        job = self._job(id)
        if description not in job.dependencies:
            raise OSError(errno.ENOENT, f"no dependency {description}")
        self.host.actions.remove_dependency(job, description)

    def raise_exception(self, id: int, kind: str, severity: int, note: str) -> None:
        """Raise an exception on a job."""
        self.host.actions.raise_exception(self._job(id), kind, severity, note)

    def event_post(self, id: int, name: str, context: JsonObject | None = None) -> None:
        """Post an event of the plugin's own to a job's eventlog."""
        self.host.actions.event(self._job(id), name, context)

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

    def job_aux_set(self, id: int, key: str, value: object) -> None:
        """Keep a value with a job until it is inactive; None forgets it."""
        if value is None:
            self._aux.pop((id, key), None)
        else:
            self._aux[id, key] = value

    def job_aux_get(self, id: int, key: str) -> object:
        """Return what `job_aux_set` kept, None for nothing."""
        return self._aux.get((id, key))

    def forget_job(self, id: int) -> None:
        """Drop what was kept for a job that is over."""
        for key in [key for key in self._aux if key[0] == id]:
            del self._aux[key]

    def _job(self, id: int) -> Job:
        job = self.host.lookup(id)
        if job is None:
            raise OSError(errno.ENOENT, "unknown job id")
        return job
