"""Plugins written by tests, loaded into the job manager of a cluster."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pathlib

    from broker.jobtap.plugin import JobtapPlugin

    from .cluster import Cluster


async def load(
    cluster: Cluster, folder: pathlib.Path, text: str, name: str = "mine.py", **conf: Any
) -> JobtapPlugin:
    """Write a plugin into a file, load it and return it."""
    file = folder / name
    file.write_text(textwrap.dedent(text))
    await cluster.manager.request("job-manager.jobtap", {"load": str(file), "conf": conf})
    return plugin_of(cluster, name)


async def remove(cluster: Cluster, name: str = "mine.py") -> None:
    """Remove a plugin."""
    await cluster.manager.request("job-manager.jobtap", {"remove": name})


def plugin_of(cluster: Cluster, name: str = "mine.py") -> JobtapPlugin:
    """Return a loaded plugin."""
    plugins = cluster.manager.service.core.plugins.plugins
    return next(plugin for plugin in plugins if plugin.file_name == name)


def logged(cluster: Cluster) -> list[str]:
    """Return what the job manager has logged as errors."""
    return [entry.text for entry in cluster.manager.logs if entry.severity <= 3]
