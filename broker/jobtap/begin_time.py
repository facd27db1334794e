"""The built-in plugin ``.begin-time``: the dependency ``begin-time:TIMESTAMP`` is satisfied at that
time (flux-mini(1)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.jobtap.plugin import Args, JobtapPlugin


def _begin_time(plugin: JobtapPlugin, topic: str, args: Args) -> None:
    value = (args.entry or {}).get("value")
    try:
        when = float(value) if isinstance(value, str | int | float) else -1.0
    except (ValueError, OverflowError):
        when = -1.0
    if not 0 <= when < float("inf"):
        plugin.reject_job(args, f'dependency: begin-time: "{value}" is not a valid timestamp')
    id, description = args.job.id, f"begin-time={when:.3f}"
    plugin.dependency_add(id, description)

    def due() -> None:
        job = plugin.host.lookup(id)
        if job is not None and description in job.dependencies:
            plugin.dependency_remove(id, description)

    plugin.host.actions.call_at(when, due)


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Register the handler."""
    plugin.add_handler("job.dependency.begin-time", _begin_time)
