"""A part of the built-in plugin ``.dependency-after``: with the dependency ``singleton`` a job
waits until no other job of its user and of its name is active. Of several that wait the first goes
on.

It behaves as in flux-core 0.88; a job without a name is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.job.lifecycle import NEW

if TYPE_CHECKING:
    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.services.job_manager.states import Job

DESCRIPTION: Final = "singleton"
Group = tuple[int, str]
"""A user and a job name."""


def group_of(job: Job) -> Group | None:
    """Return the user and the name of a job, None if it has no name."""
    system = ((job.jobspec or {}).get("attributes") or {}).get("system") or {}
    section = system.get("job")
    name = section.get("name") if isinstance(section, dict) else None
    return (job.userid, name) if isinstance(name, str) and name else None


class Singletons:
    """The jobs with names that are active: those that wait to be alone, in their order, and those
    they wait for.
    """

    def __init__(self, plugin: JobtapPlugin) -> None:
        self._plugin = plugin
        self._groups: dict[int, Group] = {}
        self._going: dict[Group, set[int]] = {}
        self._waiting: dict[Group, dict[int, None]] = {}

    def add(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job asks to be alone, or is looked at again after a restart."""
        job = args.job
        group = group_of(job)
        if group is None:
            plugin.reject_job(args, "singleton jobs require a job name")
        if job.state != NEW:
            # Whoever was to release it may have ended before a restart.
            plugin.get_flux().call_later(0, self._release, group)
        elif plugin.job_aux_get(job.id, DESCRIPTION):
            return  # asked for twice
        elif self._going.get(group) or self._waiting.get(group):
            plugin.dependency_add(job.id, DESCRIPTION)
            plugin.job_aux_set(job.id, DESCRIPTION, True)

    def new(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is active."""
        job = args.job
        group = group_of(job)
        if group is None:
            return
        self._groups[job.id] = group
        if DESCRIPTION in job.dependencies or plugin.job_aux_get(job.id, DESCRIPTION):
            self._waiting.setdefault(group, {})[job.id] = None
        else:
            self._going.setdefault(group, set()).add(job.id)

    def ended(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is inactive: the next one may go on."""
        group = self._groups.pop(args.job.id, None)
        if group is None:
            return
        going, waiting = self._going.get(group, set()), self._waiting.get(group, {})
        going.discard(args.job.id)
        waiting.pop(args.job.id, None)
        self._release(group)
        if not self._going.get(group):
            self._going.pop(group, None)
        if not self._waiting.get(group):
            self._waiting.pop(group, None)

    def _release(self, group: Group) -> None:
        """Let the first that waits go on, if nobody is going."""
        waiting = self._waiting.get(group)
        if self._going.get(group) or not waiting:
            return
        id = next(iter(waiting))
        del waiting[id]
        self._going.setdefault(group, set()).add(id)
        job = self._plugin.host.lookup(id)
        if job is not None and DESCRIPTION in job.dependencies:
            self._plugin.dependency_remove(id, DESCRIPTION)


def add_handlers(plugin: JobtapPlugin) -> None:
    """Register the handlers."""
    singletons = Singletons(plugin)
    plugin.add_handler("job.dependency.singleton", singletons.add)
    plugin.add_handler("job.new", singletons.new)
    plugin.add_handler("job.state.inactive", singletons.ended)
    plugin.add_handler("job.destroy", singletons.ended)
