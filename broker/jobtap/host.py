"""The job manager's plugin host: loads and removes plugins, and tells them about jobs in the order
they were loaded.
"""

from __future__ import annotations

import asyncio
import errno
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from broker.faults import FAILURES, described
from broker.jobtap.arguments import Args, Broken, Rejected, complaint
from broker.jobtap.calling import (
    DEPENDENCY,
    PRIORITY_GET,
    UPDATE,
    UPDATED,
    VALIDATE,
    Caller,
    handlers_of,
)
from broker.jobtap.files import BUILTINS, forget, load_plugin, name_of
from broker.jobtap.plugin import JobtapPlugin
from flux.constants import FLUX_JOB_URGENCY_EXPEDITE, FLUX_JOB_URGENCY_HOLD
from flux.job.lifecycle import DEPEND, INACTIVE, NEW, PRIORITY, SCHED
from flux.job.state_names import SINGLE_STATES, state_name
from flux.job.updates import JOBSPEC_UPDATE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.jobtap.files import PluginFile
    from broker.jobtap.plugin import Actions
    from broker.services.job_manager.states import Job
    from flux.job.types import EventEntry
    from flux.wire.json import JsonMapping, JsonObject

STATE_TOPICS: Final = {
    state: f"job.state.{state_name(state).lower()}" for state in SINGLE_STATES if state != NEW
}
ASKS_AGAIN: Final = ("urgency", JOBSPEC_UPDATE, "flux-restart")
"""Events after which a job in PRIORITY is asked about again."""
NONE_TO_REMOVE: Final = "Failed to find plugin to remove"
AT_A_TIME: Final = 500
"""Jobs whose priority is asked for in one turn of the loop."""


class JobtapHost:
    """The loaded plugins. Implements the hooks of the job manager's state machine."""

    def __init__(self, actions: Actions, searchpath: Iterable[str] = (), owner: int = 0) -> None:
        self.actions = actions
        self.searchpath = list(searchpath)
        self.owner = owner
        self._caller = Caller(actions.log_error, self.annotate)
        self._candidate: Job | None = None
        self._collecting: list[str] | None = None
        self._noted: list[JsonObject] = []
        self._updated: list[JsonObject] = []
        self._answers: dict[int, int | None] = {}
        self._to_ask: list[int] = []
        self._asking = False
        self._unrated = 0

    @property
    def plugins(self) -> list[JobtapPlugin]:
        """The loaded plugins, in the order they were loaded."""
        return self._caller.plugins

    # Loading

    def load_builtins(self) -> None:
        """Load every built-in plugin."""
        for name in BUILTINS:
            self.load(name)

    def load(
        self, path: str, conf: JsonMapping | None = None, *, remove: str | None = None
    ) -> None:
        """Load a plugin by file name or built-in name and introduce the active jobs to it.

        ``remove`` has others make way first, as `remove` says, if the file is a plugin at all:
        rules are not to be lost by a slip in their next version. Raises OSError: ENOENT when there
        is none, EEXIST when it is loaded already, EINVAL when it cannot be used.
        """
        doomed = [] if remove is None else self._doomed(remove)
        name = name_of(path)
        if any(plugin.file_name == name for plugin in self.plugins if plugin not in doomed):
            raise OSError(errno.EEXIST, f"{name} is already loaded")
        file = load_plugin(path, self.searchpath)
        self._unload(doomed)
        self._begin(file, conf)

    def _begin(self, file: PluginFile, conf: JsonMapping | None) -> None:
        """Run a plugin's ``flux_plugin_init``, and show it the active jobs."""
        name = file.name
        plugin = JobtapPlugin(self, file, conf)
        try:
            problem = complaint(file.init(plugin), strict=False)
        except FAILURES as exc:
            problem = described(exc, file.path)
        else:
            problem = problem and f"flux_plugin_init {problem}"
        if problem:
            plugin.end()
            forget(file)
            raise OSError(errno.EINVAL, f"{name}: {problem}")
        self.plugins.append(plugin)
        self.handlers_changed()
        for job in list(self.actions.jobs()):
            if self.actions.find(job.id) is job:  # it may have ended meanwhile
                self._caller.call("job.new", Args(job), handlers_of(plugin, "job.new"))
                self._show_dependencies(plugin, job)
        if handlers_of(plugin, PRIORITY_GET):
            self.reprioritize_all()

    def _show_dependencies(self, plugin: JobtapPlugin, job: Job) -> None:
        """Have a plugin look again at the dependencies of a job that still waits for some."""
        if job.state != DEPEND or not may_know_dependencies(plugin):
            return
        for dependency in dependencies_of(job):
            topic = f"job.dependency.{dependency['scheme']}"
            handlers = handlers_of(plugin, topic)
            if not handlers:
                continue
            try:
                self._caller.call(topic, Args(job, dependency=dependency), handlers)
            except Rejected as exc:
                if not (job.dependencies and isinstance(exc, Broken)):
                    self.actions.raise_exception(job, "dependency", 0, str(exc))
                    return

    def configure(self, name: str, conf: JsonMapping | None) -> None:
        """Have a plugin that is built in loaded with ``conf``, or give it that if it is loaded;
        without one have it removed. Raises OSError as `load` does.
        """
        plugin = next((plugin for plugin in self.plugins if plugin.file_name == name), None)
        if conf is None:
            self.unload(name)
        elif plugin is None:
            self.load(name, conf)
        else:
            plugin.conf = dict(conf)
            if plugin.on_configured is not None:
                plugin.on_configured()

    def remove(self, pattern: str) -> None:
        """Remove the plugins matching a glob(7) or ``all``; built-in ones only by a pattern with a
        leading dot.

        Raises OSError(ENOENT) when none matches, except for ``all``.
        """
        self._unload(self._doomed(pattern))

    def finds(self, pattern: str) -> bool:
        """Whether `remove` would find a plugin, or need not."""
        return pattern == "all" or bool(self._matching(pattern))

    def _doomed(self, pattern: str) -> list[JobtapPlugin]:
        """Return the plugins to remove; raises OSError(ENOENT) without any, except for ``all``."""
        if not self.finds(pattern):
            raise OSError(errno.ENOENT, NONE_TO_REMOVE)
        return self._matching(pattern)

    def _matching(self, pattern: str) -> list[JobtapPlugin]:
        hidden = pattern.startswith(".")
        return [
            plugin
            for plugin in self.plugins
            if plugin.file_name.startswith(".") == hidden
            and fnmatchcase(plugin.file_name, "*" if pattern == "all" else pattern)
        ]

    def name_of(self, path: str) -> str | None:
        """Return the name under which the plugin that ``path`` names is loaded, None if it is
        not.
        """
        name = name_of(path)
        return name if name in self.names() else None

    def unload(self, name: str) -> None:
        """Remove the plugin with this name, if it is loaded."""
        self._unload([plugin for plugin in self.plugins if plugin.file_name == name])

    async def finish(self, timeout: float) -> None:
        """Have plugins do what they do at their end, and wait for it, some seconds at most: the job
        manager is about to end.
        """
        for plugin in self.plugins:
            if plugin.on_stop is None:
                continue
            plugin.on_end = None
            try:
                async with asyncio.timeout(timeout):
                    await plugin.on_stop()
            except (OSError, TimeoutError) as exc:
                reason = getattr(exc, "strerror", None) or "no answer"
                self.actions.log_error(f"jobtap: {plugin.file_name}: its end: {reason}")

    def unload_all(self) -> None:
        """Remove every plugin: the job manager ends."""
        self._unload(list(self.plugins))

    def _unload(self, doomed: list[JobtapPlugin]) -> None:
        rated = any(handlers_of(plugin, PRIORITY_GET) for plugin in doomed)
        for plugin in doomed:
            self.plugins.remove(plugin)
            plugin.end()
            forget(plugin.file)
        self.handlers_changed()
        if rated and self.plugins:
            self.reprioritize_all()

    def names(self) -> list[str]:
        """Return the names of the loaded plugins."""
        return [plugin.file_name for plugin in self.plugins]

    # What plugins ask of their host

    def handlers_changed(self) -> None:
        """Forget which handlers match which topic."""
        self._caller.handlers_changed()

    def is_owner(self, userid: int) -> bool:
        """Whether a user owns the instance."""
        return userid == self.owner

    def lookup(self, id: int) -> Job | None:
        """Return an active job or the one being admitted, None for another id."""
        if self._candidate is not None and self._candidate.id == id:
            return self._candidate
        return self.actions.find(id)

    def dependency_add(self, job: Job, description: str) -> None:
        """Add a dependency to a job, at once or with its admission; raises OSError(EEXIST) for one
        it has or had.
        """
        collecting = self._collecting if job is self._candidate else None
        if description in job.dependencies_seen or description in (collecting or ()):
            raise OSError(errno.EEXIST, f"dependency {description} was added before")
        if collecting is not None:
            collecting.append(description)
        else:
            self.actions.event(job, "dependency-add", {"description": description})

    def annotate(self, job: Job, annotations: JsonObject) -> None:
        """Update annotations, those of a job that is being admitted once it is."""
        if job is self._candidate:
            self._noted.append(annotations)
        else:
            self.actions.annotate(job, annotations)

    def jobspec_update(self, job: Job, updates: JsonObject) -> None:
        """Set members of a job's jobspec, those of a job that is being admitted at once; its
        eventlog has them later. Raises OSError(EINVAL) for what cannot be set.
        """
        if job is self._candidate:
            self.actions.check_update(job, updates)
            job.update_jobspec(updates)
            self._updated.append(updates)
        else:
            self.actions.update(job, updates)

    # Hooks of the state machine

    def event(self, job: Job, entry: EventEntry, previous: int) -> None:
        """Call ``job.event.*`` of subscribed plugins and ``job.state.*`` after a transition."""
        state = job.state
        if state == INACTIVE:
            self.actions.record_end(job)
        if entry["name"] == JOBSPEC_UPDATE and (handlers := self._caller.handlers(UPDATED)):
            self._caller.call(UPDATED, Args(job, updates=entry["context"]), handlers)
        if job.subscribers:
            topic = f"job.event.{entry['name']}"
            handlers = [
                pair
                for pair in self._caller.handlers(topic)
                if job.subscribers and pair[0].file_name in job.subscribers
            ]
            self._caller.call(topic, Args(job, entry), handlers)
        if state == previous:
            if state == PRIORITY and entry["name"] in ASKS_AGAIN:
                self._rate(job, PRIORITY_GET, Args(job))
            return
        topic = STATE_TOPICS[state]
        if state == PRIORITY:
            self._rate(job, topic, Args(job, entry, previous))
        elif handlers := self._caller.handlers(topic):
            failure = self._caller.call(topic, Args(job, entry, previous), handlers)
            if failure is not None and state == DEPEND and job.state == DEPEND:
                self.actions.raise_exception(job, "dependency", 0, f"{topic}: {failure}")
        if state == INACTIVE:
            self._drop(job)

    def _rate(self, job: Job, topic: str, args: Args) -> None:
        """Ask for a priority, which `priority` returns then; says so in the eventlog if a plugin
        fails to give one.
        """
        failure = self._caller.call(topic, args, self._caller.handlers(topic))
        self._answers[job.id] = args.out.get("priority")
        if failure is not None:
            note = f"{failure} (job may be stuck in PRIORITY state)"
            self.actions.raise_exception(job, topic, 4, note)

    def priority(self, job: Job) -> int | None:
        """Return the priority that the plugins gave a job when it came to its state, the last word
        counts; None when it is not available.
        """
        return self._answers.pop(job.id, None)

    def forget(self, job: Job) -> None:
        """A job's submission could not be stored: have ``job.new`` undone by ``job.destroy``."""
        if handlers := self._caller.handlers("job.destroy"):
            self._caller.call("job.destroy", Args(job), handlers)
        self._drop(job)

    def _drop(self, job: Job) -> None:
        self._answers.pop(job.id, None)
        for plugin in self.plugins:
            plugin.forget_job(job.id)

    # Admission

    def admit(self, job: Job) -> list[str]:
        """Let the plugins judge a job in state NEW; returns the dependencies they add. Raises
        Rejected.
        """
        self._candidate, self._collecting = job, []
        self._noted.clear()
        self._updated.clear()
        try:
            if handlers := self._caller.handlers(VALIDATE):
                self._caller.call(VALIDATE, Args(job), handlers)
            for dependency in dependencies_of(job):
                self._depend(job, dependency)
            return self._collecting
        except Rejected:
            self._drop(job)
            raise
        finally:
            self._candidate = self._collecting = None

    def _depend(self, job: Job, dependency: JsonObject) -> None:
        topic = f"job.dependency.{dependency['scheme']}"
        handlers = self._caller.handlers(topic)
        if not handlers:
            raise Rejected(f'dependency scheme "{dependency["scheme"]}" not supported')
        self._caller.call(topic, Args(job, dependency=dependency), handlers)

    def restore(self, job: Job) -> None:
        """Have the dependencies of a job read from the KVS looked at again, if it waits for any.

        It goes on waiting for those whose plugin fails or is not there: `load` shows it the job.
        """
        for plugin in self.plugins:
            self._show_dependencies(plugin, job)

    def introduce(self, job: Job, dependencies: list[str] | None = None) -> None:
        """Call ``job.new``; dependencies that plugins add to a new job then go to those that
        `admit` returned.
        """
        if dependencies is not None:
            self._candidate, self._collecting = job, dependencies
        try:
            if handlers := self._caller.handlers("job.new"):
                self._caller.call("job.new", Args(job), handlers)
        finally:
            self._candidate = self._collecting = None
        noted, self._noted = self._noted, []
        for note in noted:
            self.actions.annotate(job, note)
        updated, self._updated = self._updated, []
        for updates in updated:
            self.actions.update(job, updates)

    # Updates

    def judge_updates(self, job: Job, updates: JsonMapping) -> dict[str, JsonObject]:
        """Have the plugins judge each member of the jobspec that somebody wants to set; returns
        what they say about it, by its key, for those that a plugin knows. Raises Rejected.
        """
        judged = {}
        for key in updates:
            if handlers := self._caller.handlers(UPDATE + key):
                args = Args(job, updates=updates, key=key)
                self._caller.call(UPDATE + key, args, handlers)
                judged[key] = args.out
        return judged

    def validate(self, job: Job, jobspec: JsonObject) -> None:
        """Have the plugins judge a job with another jobspec; raises Rejected."""
        if handlers := self._caller.handlers(VALIDATE):
            self._caller.call(VALIDATE, Args(job, changed=jobspec), handlers)

    # Priorities

    def reprioritize_all(self) -> None:
        """Ask the plugins for the priority of every job that is waiting for one or for resources,
        some of them in each turn of the loop.
        """
        self._to_ask = [job.id for job in self.actions.jobs() if job.state in (PRIORITY, SCHED)]
        self._to_ask.reverse()
        if self._to_ask and not self._asking:
            self._asking = True
            self.actions.call_soon(self._ask_some)

    def _ask_some(self) -> None:
        for _ in range(min(AT_A_TIME, len(self._to_ask))):
            job = self.actions.find(self._to_ask.pop())
            if job is not None and job.state in (PRIORITY, SCHED):
                self._reprioritize(job)
        self._asking = bool(self._to_ask)
        if self._asking:
            self.actions.call_soon(self._ask_some)
        elif self._unrated:
            unrated, self._unrated = self._unrated, 0
            text = f"no priority for {unrated} jobs that have one: they keep it"
            self.actions.log_error(f"jobtap: {PRIORITY_GET}: {text}")

    def _reprioritize(self, job: Job) -> None:
        if not FLUX_JOB_URGENCY_HOLD < job.urgency < FLUX_JOB_URGENCY_EXPEDITE:
            return
        args = Args(job)
        failure = self._caller.call(PRIORITY_GET, args, self._caller.handlers(PRIORITY_GET))
        priority = args.out.get("priority")
        if priority is not None:
            self.actions.reprioritize(job, priority)
        elif failure is None and "priority" in args.out and job.state == SCHED:
            self._unrated += 1


def may_know_dependencies(plugin: JobtapPlugin) -> bool:
    """Whether one of a plugin's topics may be that of a dependency; it is asked before the jobspecs
    of many jobs are looked at.
    """
    return any(
        pattern.startswith(DEPENDENCY) or set("*?[").intersection(pattern)
        for pattern, _ in plugin.handlers
    )


def dependencies_of(job: Job) -> list[JsonObject]:
    """Return the dependencies that a jobspec asks for; raises Rejected for malformed ones."""
    attributes = (job.jobspec or {}).get("attributes") or {}
    dependencies = (attributes.get("system") or {}).get("dependencies") or []
    if not isinstance(dependencies, list):
        raise Rejected("dependencies must be an array")
    for dependency in dependencies:
        if not isinstance(dependency, dict) or not isinstance(dependency.get("scheme"), str):
            raise Rejected("dependency without a scheme")
    return dependencies
