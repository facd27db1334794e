"""The built-in plugin ``.begin-time``: the dependency ``begin-time:TIMESTAMP`` is satisfied at that
time (flux-mini(1)).
"""

from __future__ import annotations

from broker.jobtap.plugin import Args, Plugin


def _begin_time(plugin: Plugin, topic: str, args: Args) -> None:
    value = (args.entry or {}).get("value")
    try:
        when = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        plugin.reject_job(args, f'dependency: begin-time: "{value}" is not a valid timestamp')
        return
    if not 0 <= when < float("inf"):
        plugin.reject_job(args, f'dependency: begin-time: "{value}" is not a valid timestamp')
    id, description = args.job.id, f"begin-time={when:.3f}"
    plugin.dependency_add(id, description)

    def due() -> None:
        job = plugin.host.lookup(id)
        if job is not None and description in job.dependencies:
            plugin.dependency_remove(id, description)

    plugin.host.actions.call_at(when, due)


def flux_plugin_init(plugin: Plugin) -> None:
    """Register the handler."""
    plugin.add_handler("job.dependency.begin-time", _begin_time)
