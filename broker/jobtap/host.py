"""The job manager's plugin host: loads plugins and calls their handlers in the order they were
loaded.
"""

from __future__ import annotations

import errno
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Protocol

from broker.jobtap.plugin import Args, Handler, Plugin, Rejected

STATE_PRIORITY: Final = 4
STATE_INACTIVE: Final = 64
STATE_TOPICS: Final = {
    2: "depend",
    4: "priority",
    8: "sched",
    16: "run",
    32: "cleanup",
    64: "inactive",
}
BUILTINS: Final = {
    ".priority-default": "broker.jobtap.priority_default",
    ".dependency-after": "broker.jobtap.dependency_after",
    ".begin-time": "broker.jobtap.begin_time",
}


class JobRecord(Protocol):
    """What the host reads of a job."""

    id: int
    userid: int
    urgency: int
    priority: int
    state: int
    t_submit: float
    started: bool
    embryonic: bool
    jobspec: dict[str, Any] | None
    dependencies: frozenset[str]
    dependencies_seen: frozenset[str]
    subscribers: set[str] | None

    @property
    def success(self) -> bool:
        """Whether the job ended well."""


class Actions(Protocol):
    """What the host asks of the job manager."""

    def jobs(self) -> Iterable[Any]:
        """Return the active jobs."""

    def find(self, id: int) -> Any:
        """Return an active job, None for another id."""

    def event(self, job: Any, name: str, context: dict[str, Any] | None = None) -> None:
        """Post an event."""

    def remove_dependency(self, job: Any, description: str) -> None:
        """Drop a dependency."""

    def reprioritize(self, job: Any, priority: int) -> None:
        """Set a job's priority."""

    def raise_exception(self, job: Any, kind: str, severity: int, note: str) -> None:
        """Raise an exception."""

    def annotate(self, job: Any, annotations: Mapping[str, Any]) -> None:
        """Update annotations."""

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call ``function`` at ``when``, seconds since the epoch."""

    def now(self) -> float:
        """Return seconds since the epoch."""

    def service_register(self, topic: str, handler: Callable[[Any], Any]) -> None:
        """Route requests for ``topic`` to a plugin."""

    def log_error(self, text: str) -> None:
        """Log an error."""


class Host:
    """The loaded plugins. Implements the hooks of the job manager's state machine."""

    def __init__(self, actions: Actions, searchpath: Iterable[str] = (), owner: int = 0) -> None:
        self.actions = actions
        self.searchpath = list(searchpath)
        self.owner = owner
        self.plugins: list[Plugin] = []
        self._cache: dict[str, list[tuple[Plugin, Handler]]] = {}
        self._collecting: list[str] | None = None
        self._candidate: Any = None

    # Loading

    def load_builtins(self) -> None:
        """Load every built-in plugin."""
        for name in BUILTINS:
            self.load(name)

    def load(self, path: str, conf: Mapping[str, Any] | None = None) -> None:
        """Load a plugin by file name or built-in name and introduce the active jobs to it.

        Raises OSError: ENOENT when there is none, EEXIST when it is loaded already, EINVAL when it
        cannot be used.
        """
        name = path if path in BUILTINS else Path(path).name
        if any(plugin.file_name == name for plugin in self.plugins):
            raise OSError(errno.EEXIST, f"{name} is already loaded")
        init = self._find_init(path)
        plugin = Plugin(self, name, conf)
        try:
            init(plugin)
        except OSError:
            raise
        except Exception as exc:
            raise OSError(errno.EINVAL, f"{name}: {exc}") from exc
        self.plugins.append(plugin)
        self.handlers_changed()
        for job in list(self.actions.jobs()):
            self._call_all(self._select("job.new", plugin), "job.new", Args(job))
        if self._select("job.priority.get", plugin):
            self.reprioritize_all()

    def _find_init(self, path: str) -> Callable[[Plugin], Any]:
        if path in BUILTINS:
            module = importlib.import_module(BUILTINS[path])
            return module.flux_plugin_init  # type: ignore[no-any-return]
        candidates = (
            [Path(path)]
            if Path(path).is_absolute()
            else [Path(root, path) for root in self.searchpath]
        )
        file = next((candidate for candidate in candidates if candidate.is_file()), None)
        if file is None:
            raise OSError(errno.ENOENT, f"{path}: No such plugin found")
        spec = importlib.util.spec_from_file_location(f"jobtap_{file.stem}", file)
        if spec is None or spec.loader is None:
            raise OSError(errno.EINVAL, f"{file.name}: not a Python file")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as exc:
            raise OSError(errno.EINVAL, f"{file.name}: {exc}") from exc
        init = getattr(module, "flux_plugin_init", None)
        if init is None:
            raise OSError(errno.EINVAL, f"{file.name}: flux_plugin_init is not defined")
        return init  # type: ignore[no-any-return]

    def remove(self, pattern: str) -> None:
        """Remove the plugins matching a glob(7) or ``all``; built-in ones only by a pattern with a
        leading dot.

        Raises OSError(ENOENT) when none matches, except for ``all``.
        """
        if pattern == "all":
            doomed = [plugin for plugin in self.plugins if not plugin.file_name.startswith(".")]
        else:
            hidden = pattern.startswith(".")
            doomed = [
                plugin
                for plugin in self.plugins
                if plugin.file_name.startswith(".") == hidden
                and fnmatchcase(plugin.file_name, pattern)
            ]
            if not doomed:
                raise OSError(errno.ENOENT, "Failed to find plugin to remove")
        self.plugins = [plugin for plugin in self.plugins if plugin not in doomed]
        self.handlers_changed()

    def names(self) -> list[str]:
        """Return the names of the loaded plugins."""
        return [plugin.file_name for plugin in self.plugins]

    # Calling

    def handlers_changed(self) -> None:
        """Forget which handlers match which topic."""
        self._cache.clear()

    def _handlers(self, topic: str) -> list[tuple[Plugin, Handler]]:
        found = self._cache.get(topic)
        if found is None:
            found = [pair for plugin in self.plugins for pair in self._select(topic, plugin)]
            self._cache[topic] = found
        return found

    @staticmethod
    def _select(topic: str, plugin: Plugin) -> list[tuple[Plugin, Handler]]:
        return [
            (plugin, handler) for pattern, handler in plugin.handlers if fnmatchcase(topic, pattern)
        ]

    def _call_all(self, handlers: list[tuple[Plugin, Handler]], topic: str, args: Args) -> None:
        for plugin, handler in handlers:
            try:
                handler(plugin, topic, args)
            except Rejected as exc:
                if self._collecting is not None:
                    raise
                self.actions.log_error(f"jobtap: {plugin.file_name}: {topic}: {exc}")
            except Exception as exc:
                self.actions.log_error(f"jobtap: {plugin.file_name}: {topic}: {exc}")
        annotations = args.out.get("annotations")
        if annotations:
            self.actions.annotate(args.job, annotations)

    def is_owner(self, userid: int) -> bool:
        """Whether a user owns the instance."""
        return userid == self.owner

    def lookup(self, id: int) -> Any:
        """Return an active job or the one being admitted, None for another id."""
        if self._candidate is not None and self._candidate.id == id:
            return self._candidate
        return self.actions.find(id)

    # Hooks of the state machine

    def event(self, job: Any, entry: dict[str, Any], previous: int) -> None:
        """Call ``job.event.*`` of subscribed plugins and ``job.state.*`` after a transition."""
        if job.subscribers:
            topic = f"job.event.{entry['name']}"
            handlers = [
                pair for pair in self._handlers(topic) if pair[0].file_name in job.subscribers
            ]
            self._call_all(handlers, topic, Args(job, entry, previous))
        state = job.state
        if state in (previous, STATE_PRIORITY):
            return
        topic = f"job.state.{STATE_TOPICS[state]}"
        handlers = self._handlers(topic)
        if handlers:
            self._call_all(handlers, topic, Args(job, entry, previous))
        if state == STATE_INACTIVE:
            self.forget(job)

    def forget(self, job: Any) -> None:
        """Drop what plugins keep for a job whose submission could not be stored."""
        for plugin in self.plugins:
            plugin.forget_job(job.id)

    def priority(self, job: Any) -> int | None:
        """Return the priority the plugins give a job, the last word counts; None when it is not
        available.
        """
        topic = "job.state.priority" if job.state == STATE_PRIORITY else "job.priority.get"
        args = Args(job)
        self._call_all(self._handlers(topic), topic, args)
        priority = args.out.get("priority")
        return None if args.unavailable or priority is None else int(priority)

    # Admission

    def admit(self, job: Any) -> list[str]:
        """Let the plugins judge a job in state NEW; returns the dependencies they add. Raises
        Rejected.
        """
        self._candidate, self._collecting = job, []
        try:
            handlers = self._handlers("job.validate")
            if handlers:
                self._call_all(handlers, "job.validate", Args(job))
            self._dependencies(job)
            return self._collecting
        finally:
            self._candidate = self._collecting = None

    def restore(self, job: Any) -> list[str]:
        """Introduce a job read from the KVS; returns the dependencies that were not added
        before.
        """
        if job.state != 2:
            self.introduce(job)
            return []
        self._candidate, self._collecting = job, []
        try:
            self._dependencies(job)
            added = self._collecting
        finally:
            self._candidate = self._collecting = None
        self.introduce(job)
        return added

    def introduce(self, job: Any) -> None:
        """Call ``job.new``."""
        handlers = self._handlers("job.new")
        if handlers:
            self._call_all(handlers, "job.new", Args(job))

    def _dependencies(self, job: Any) -> None:
        attributes = (job.jobspec or {}).get("attributes") or {}
        dependencies = (attributes.get("system") or {}).get("dependencies") or ()
        if not isinstance(dependencies, list | tuple):
            raise Rejected("dependencies must be an array")
        for dependency in dependencies:
            if not isinstance(dependency, dict) or not isinstance(dependency.get("scheme"), str):
                raise Rejected("dependency without a scheme")
            topic = f"job.dependency.{dependency['scheme']}"
            handlers = self._handlers(topic)
            if not handlers:
                raise Rejected(f'dependency scheme "{dependency["scheme"]}" not supported')
            args = Args(job, dependency)
            self._call_all(handlers, topic, args)

    def dependency_add(self, job: Any, description: str) -> None:
        """Add a dependency to a job, at once or with its admission; raises OSError(EEXIST) for one
        it has or had.
        """
        collecting = self._collecting if job is self._candidate else None
        if collecting is not None:
            if description not in job.dependencies_seen and description not in collecting:
                collecting.append(description)
            return
        if description in job.dependencies_seen:
            raise OSError(errno.EEXIST, f"dependency {description} was added before")
        self.actions.event(job, "dependency-add", {"description": description})

    def reprioritize_all(self) -> None:
        """Ask the plugins for the priority of every job that is waiting for one or for
        resources.
        """
        for job in list(self.actions.jobs()):
            if job.state in (4, 8) and 0 < job.urgency < 31:
                priority = self.priority(job)
                if priority is not None:
                    self.actions.reprioritize(job, priority)
