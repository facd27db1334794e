"""The built-in plugin ``.dependency-after``: the dependencies ``after`` (or ``afterstart``),
``afterany``, ``afterok`` and ``afternotok`` (flux-mini(1), RFC 26), and ``singleton``
(`dependency_singleton`).

The job depended on may have ended already: then the dependency is satisfied at once, or the
dependent job is refused. A dependency that can no longer be satisfied ends the dependent job with
an exception of type ``dependency``.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.jobtap import dependency_singleton
from flux.job.JobID import id_encode, id_parse

if TYPE_CHECKING:
    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.services.job_manager.ended import EndedJob
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject

KINDS: Final = {
    "after": "after-start",
    "afterstart": "after-start",
    "afterany": "after-finish",
    "afterok": "after-success",
    "afternotok": "after-failure",
}


def target_of(value: object) -> int | None:
    """Return the job id that a dependency names, None if it is not one."""
    try:
        return int(id_parse(value)) if isinstance(value, str) and value else None
    except (ValueError, OSError, OverflowError):
        return None


def targets_of(dependencies: list[JsonObject]) -> list[int]:
    """Return the ids of the jobs that are depended on."""
    wanted = (item.get("value") for item in dependencies if item.get("scheme") in KINDS)
    return [id for id in map(target_of, wanted) if id is not None]


class After:
    """Which jobs wait for which: {target id: [(dependent id, description)]}."""

    def __init__(self, plugin: JobtapPlugin) -> None:
        self.plugin = plugin
        self.waiting: dict[int, list[tuple[int, str]]] = {}

    def add(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job asks for a dependency, or is looked at again after a restart."""
        scheme = topic.removeprefix("job.dependency.")
        value = (args.dependency or {}).get("value")
        id = target_of(value)
        if id is None:
            plugin.reject_job(args, f'dependency: {scheme}: "{value}" is not a valid jobid')
        description = f"{KINDS[scheme]}={id_encode(id, 'f58')}"
        job = args.job
        if description in job.dependencies_seen - job.dependencies:
            return  # satisfied before the restart
        target = self._target(args, id, f"dependency: {scheme}: id {value}")
        if self._is_satisfied(args, scheme, id, target):
            if description in job.dependencies:
                plugin.dependency_remove(job.id, description)
            return
        if description not in job.dependencies:
            try:
                plugin.dependency_add(job.id, description)
            except OSError as exc:
                if exc.errno != errno.EEXIST:  # asked for twice
                    raise
                return
        self.waiting.setdefault(id, []).append((job.id, description))
        if KINDS[scheme] == "after-start":
            plugin.job_subscribe(id)

    def _target(self, args: Args, id: int, what: str) -> Job | EndedJob:
        """Return the job depended on; refuses the dependent one if it may not or cannot be."""
        actions = self.plugin.host.actions
        active = actions.find(id)
        target = actions.ended(id) if active is None else active
        if target is None or (active is not None and active.embryonic):
            self.plugin.reject_job(args, f"{what}: job not found")
        if target.userid != args.job.userid and not self.plugin.host.is_owner(args.job.userid):
            self.plugin.reject_job(args, f"{what}: Permission denied")
        return target

    def _is_satisfied(self, args: Args, scheme: str, id: int, target: Job | EndedJob) -> bool:
        """Whether there is nothing to wait for; refuses a job that would wait in vain."""
        if KINDS[scheme] == "after-start" and target.started:
            return True
        if self.plugin.host.actions.find(id) is not None:
            return False
        name, note = id_encode(id, "f58"), ""
        if not target.started and scheme not in ("afterany", "afternotok"):
            note = f"{name} never started"
        elif scheme == "afterok" and not target.success:
            note = f"job {name} failed or was canceled"
        elif scheme == "afternotok" and target.success:
            note = f"job {name} succeeded"
        if note:
            self.plugin.reject_job(args, f"dependency: {scheme}: {note}")
        return True

    def started(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job's shells are up: satisfy what waits for that."""
        waiting = self.waiting.get(args.job.id)
        if not waiting:
            return
        self.waiting[args.job.id] = [
            entry for entry in waiting if not entry[1].startswith("after-start=")
        ]
        for id, description in waiting:
            if description.startswith("after-start="):
                self._satisfy(id, description)

    def ended(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is inactive: satisfy or fail what waits for that."""
        success = args.job.success
        for id, description in self.waiting.pop(args.job.id, ()):
            kind = description.partition("=")[0]
            if kind == "after-finish" or kind == ("after-success" if success else "after-failure"):
                self._satisfy(id, description)
            else:
                self._fail(id, description)

    def _satisfy(self, id: int, description: str) -> None:
        job = self.plugin.host.lookup(id)
        if job is not None and description in job.dependencies:
            self.plugin.dependency_remove(id, description)

    def _fail(self, id: int, description: str) -> None:
        job = self.plugin.host.lookup(id)
        if job is not None and description in job.dependencies:
            note = f"dependency {description} can never be satisfied"
            self.plugin.raise_exception(id, "dependency", 0, note)


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Register the handlers."""
    after = After(plugin)
    for scheme in KINDS:
        plugin.add_handler(f"job.dependency.{scheme}", after.add)
    plugin.add_handler("job.event.start", after.started)
    plugin.add_handler("job.state.inactive", after.ended)
    dependency_singleton.add_handlers(plugin)
