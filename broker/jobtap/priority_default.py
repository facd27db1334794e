"""The built-in plugin ``.priority-default``: a job's priority is its urgency."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.jobtap.plugin import Args, JobtapPlugin


def _priority(plugin: JobtapPlugin, topic: str, args: Args) -> None:
    args.out["priority"] = args.job.urgency


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Register the handlers."""
    plugin.add_handler("job.state.priority", _priority)
    plugin.add_handler("job.priority.get", _priority)
