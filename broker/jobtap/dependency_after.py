"""The built-in plugin ``.dependency-after``: the dependencies ``after``, ``afterany``, ``afterok``
and ``afternotok`` (flux-mini(1)).

The job depended on must be active when the dependent one is submitted. A dependency that can no
longer be satisfied ends the dependent job with an exception of type ``dependency``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.job.JobID import id_encode, id_parse

if TYPE_CHECKING:
    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.services.job_manager.states import Job

KINDS: Final = {
    "after": "after-start",
    "afterany": "after-finish",
    "afterok": "after-success",
    "afternotok": "after-failure",
}


class After:
    """Which jobs wait for which: {target id: [(dependent id, description)]}."""

    def __init__(self, plugin: JobtapPlugin) -> None:
        self.plugin = plugin
        self.waiting: dict[int, list[tuple[int, str]]] = {}

    def add(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job asks for a dependency."""
        scheme = topic.removeprefix("job.dependency.")
        value = (args.entry or {}).get("value")
        target = self._target(args, scheme, value)
        kind = KINDS[scheme]
        if kind == "after-start" and target.started:
            return
        description = f"{kind}={id_encode(target.id, 'f58')}"
        plugin.dependency_add(args.job.id, description)
        self.waiting.setdefault(target.id, []).append((args.job.id, description))
        if kind == "after-start":
            plugin.job_subscribe(target.id)

    def _target(self, args: Args, scheme: str, value: object) -> Job:
        try:
            id = int(id_parse(value)) if isinstance(value, str) and value else None
        except (ValueError, OSError, OverflowError):
            id = None
        if id is None:
            self.plugin.reject_job(args, f'dependency: {scheme}: "{value}" is not a valid jobid')
        target = self.plugin.host.actions.find(id)
        if target is None or target.embryonic:
            self.plugin.reject_job(args, f"dependency: {scheme}: id {value}: job not found")
        if target.userid != args.job.userid and not self.plugin.host.is_owner(args.job.userid):
            self.plugin.reject_job(args, f"dependency: {scheme}: id {value}: Permission denied")
        return target

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
