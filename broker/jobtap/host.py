"""The job manager's plugin host: loads plugins and calls their handlers in the order they were
loaded.
"""

from __future__ import annotations

import errno
import importlib.util
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from broker.jobtap.plugin import Args, JobtapPlugin, Rejected
from flux.constants import FLUX_JOB_URGENCY_EXPEDITE, FLUX_JOB_URGENCY_HOLD
from flux.job.lifecycle import DEPEND, INACTIVE, NEW, PRIORITY, SCHED
from flux.job.state_names import SINGLE_STATES, state_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.jobtap.plugin import Actions, Handler
    from broker.services.job_manager.states import Job
    from flux.job.types import EventEntry
    from flux.wire.json import JsonMapping

STATE_TOPICS: Final = {
    state: f"job.state.{state_name(state).lower()}" for state in SINGLE_STATES if state != NEW
}
BUILTINS: Final = {
    ".priority-default": "broker.jobtap.priority_default",
    ".dependency-after": "broker.jobtap.dependency_after",
    ".begin-time": "broker.jobtap.begin_time",
}


class JobtapHost:
    """The loaded plugins. Implements the hooks of the job manager's state machine."""

    def __init__(self, actions: Actions, searchpath: Iterable[str] = (), owner: int = 0) -> None:
        self.actions = actions
        self.searchpath = list(searchpath)
        self.owner = owner
        self.plugins: list[JobtapPlugin] = []
        self._cache: dict[str, list[tuple[JobtapPlugin, Handler]]] = {}
        self._collecting: list[str] | None = None
        self._candidate: Job | None = None

    # Loading

    def load_builtins(self) -> None:
        """Load every built-in plugin."""
        for name in BUILTINS:
            self.load(name)

    def load(self, path: str, conf: JsonMapping | None = None) -> None:
        """Load a plugin by file name or built-in name and introduce the active jobs to it.

        Raises OSError: ENOENT when there is none, EEXIST when it is loaded already, EINVAL when it
        cannot be used.
        """
        name = _name_of(path)
        if any(plugin.file_name == name for plugin in self.plugins):
            raise OSError(errno.EEXIST, f"{name} is already loaded")
        init = self._find_init(path)
        plugin = JobtapPlugin(self, name, conf)
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

    def _find_init(self, path: str) -> Callable[[JobtapPlugin], object]:
        if path in BUILTINS:
            module = importlib.import_module(BUILTINS[path])
            builtin: Callable[[JobtapPlugin], object] = module.flux_plugin_init
            return builtin
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
        init: Callable[[JobtapPlugin], object] | None = getattr(module, "flux_plugin_init", None)
        if init is None:
            raise OSError(errno.EINVAL, f"{file.name}: flux_plugin_init is not defined")
        return init

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

    def name_of(self, path: str) -> str | None:
        """Return the name under which the plugin that ``path`` names is loaded, None if it is
        not.
        """
        name = _name_of(path)
        return name if name in self.names() else None

    def unload(self, name: str) -> None:
        """Remove the plugin with this name, if it is loaded."""
        self.plugins = [plugin for plugin in self.plugins if plugin.file_name != name]
        self.handlers_changed()

    def names(self) -> list[str]:
        """Return the names of the loaded plugins."""
        return [plugin.file_name for plugin in self.plugins]

    # Calling

    def handlers_changed(self) -> None:
        """Forget which handlers match which topic."""
        self._cache.clear()

    def _handlers(self, topic: str) -> list[tuple[JobtapPlugin, Handler]]:
        found = self._cache.get(topic)
        if found is None:
            found = [pair for plugin in self.plugins for pair in self._select(topic, plugin)]
            self._cache[topic] = found
        return found

    @staticmethod
    def _select(topic: str, plugin: JobtapPlugin) -> list[tuple[JobtapPlugin, Handler]]:
        return [
            (plugin, handler) for pattern, handler in plugin.handlers if fnmatchcase(topic, pattern)
        ]

    def _call_all(
        self, handlers: list[tuple[JobtapPlugin, Handler]], topic: str, args: Args
    ) -> None:
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

    def lookup(self, id: int) -> Job | None:
        """Return an active job or the one being admitted, None for another id."""
        if self._candidate is not None and self._candidate.id == id:
            return self._candidate
        return self.actions.find(id)

    # Hooks of the state machine

    def event(self, job: Job, entry: EventEntry, previous: int) -> None:
        """Call ``job.event.*`` of subscribed plugins and ``job.state.*`` after a transition."""
        if job.subscribers:
            topic = f"job.event.{entry['name']}"
            handlers = [
                pair for pair in self._handlers(topic) if pair[0].file_name in job.subscribers
            ]
            self._call_all(handlers, topic, Args(job, entry, previous))
        state = job.state
        if state in (previous, PRIORITY):
            return
        topic = STATE_TOPICS[state]
        handlers = self._handlers(topic)
        if handlers:
            self._call_all(handlers, topic, Args(job, entry, previous))
        if state == INACTIVE:
            self.forget(job)

    def forget(self, job: Job) -> None:
        """Drop what plugins keep for a job whose submission could not be stored."""
        for plugin in self.plugins:
            plugin.forget_job(job.id)

    def priority(self, job: Job) -> int | None:
        """Return the priority the plugins give a job, the last word counts; None when it is not
        available.
        """
        topic = STATE_TOPICS[PRIORITY] if job.state == PRIORITY else "job.priority.get"
        args = Args(job)
        self._call_all(self._handlers(topic), topic, args)
        priority = args.out.get("priority")
        return None if args.unavailable or priority is None else int(priority)

    # Admission

    def admit(self, job: Job) -> list[str]:
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

    def restore(self, job: Job) -> list[str]:
        """Introduce a job read from the KVS; returns the dependencies that were not added
        before.
        """
        if job.state != DEPEND:
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

    def introduce(self, job: Job) -> None:
        """Call ``job.new``."""
        handlers = self._handlers("job.new")
        if handlers:
            self._call_all(handlers, "job.new", Args(job))

    def _dependencies(self, job: Job) -> None:
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

    def dependency_add(self, job: Job, description: str) -> None:
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
            if (
                job.state in (PRIORITY, SCHED)
                and FLUX_JOB_URGENCY_HOLD < job.urgency < FLUX_JOB_URGENCY_EXPEDITE
            ):
                priority = self.priority(job)
                if priority is not None:
                    self.actions.reprioritize(job, priority)


def _name_of(path: str) -> str:
    """Return the name of the plugin that ``path`` leads to."""
    return path if path in BUILTINS else Path(path).name
