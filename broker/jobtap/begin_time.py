"""The built-in plugin ``.begin-time``: the dependency ``begin-time:TIMESTAMP`` is satisfied at that
time (flux-mini(1)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.job.lifecycle import NEW

if TYPE_CHECKING:
    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.jobtap.timers import PluginTimer

WANTED: Final = "begin-time"
"""Where the times of a job are kept until nobody can refuse it any more."""


class BeginTimes:
    """A timer for each time that a job waits for."""

    def __init__(self) -> None:
        self._timers: dict[int, list[PluginTimer]] = {}

    def add(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job asks for a time, or is looked at again after a restart."""
        value = (args.dependency or {}).get("value")
        try:
            when = float(value) if isinstance(value, str | int | float) else -1.0
        except (ValueError, OverflowError):
            when = -1.0
        if not 0 <= when < float("inf"):
            plugin.reject_job(args, f'dependency: begin-time: "{value}" is not a valid timestamp')
        job, description = args.job, f"begin-time={when:.3f}"
        if job.state != NEW:
            if description in job.dependencies:
                self._start(plugin, job.id, when, description)
            return
        wanted = plugin.job_aux_get(job.id, WANTED)
        times = dict(wanted) if isinstance(wanted, dict) else {}
        if description not in times:
            plugin.dependency_add(job.id, description)
            plugin.job_aux_set(job.id, WANTED, times | {description: when})

    def new(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is accepted."""
        times = plugin.job_aux_get(args.job.id, WANTED)
        if isinstance(times, dict):
            for description, when in times.items():
                self._start(plugin, args.job.id, when, description)

    def _start(self, plugin: JobtapPlugin, id: int, when: float, description: str) -> None:
        timer = plugin.get_flux().call_at(when, self._due, plugin, id, description)
        self._timers.setdefault(id, []).append(timer)

    @staticmethod
    def _due(plugin: JobtapPlugin, id: int, description: str) -> None:
        job = plugin.host.lookup(id)
        if job is not None and description in job.dependencies:
            plugin.dependency_remove(id, description)

    def ended(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job waits no more."""
        for timer in self._timers.pop(args.job.id, ()):
            timer.cancel()


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Register the handlers."""
    times = BeginTimes()
    plugin.add_handler("job.dependency.begin-time", times.add)
    plugin.add_handler("job.new", times.new)
    plugin.add_handler("job.state.inactive", times.ended)
    plugin.add_handler("job.destroy", times.ended)
