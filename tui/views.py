"""What there is to look at beside the jobs: each view with its name for ``:``, its key, and the
screen that shows it, which is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from tui.screens.live import LiveScreen


class View(NamedTuple):
    """One view: ``screen`` is ``module:Class`` of a `LiveScreen` that is made without arguments."""

    name: str
    title: str
    key: str
    summary: str
    screen: str

    def make(self) -> LiveScreen:
        """Return a new screen."""
        module, _, name = self.screen.partition(":")
        made: LiveScreen = getattr(importlib.import_module(module), name)()
        return made


JOBS: Final = "jobs"

VIEWS: Final = (
    View(JOBS, "Jobs", "f2", "The jobs of this instance", "tui.screens.jobs:JobsScreen"),
    View(
        "instances",
        "Instances",
        "I",
        "The instances inside this one, as a tree",
        "tui.screens.instances:InstancesScreen",
    ),
    View("nodes", "Nodes", "f3", "Nodes, their cores and jobs", "tui.screens.nodes:NodesScreen"),
    View("queues", "Queues", "f4", "Queues and their switches", "tui.screens.queues:QueuesScreen"),
    View(
        "modules",
        "Modules",
        "f5",
        "Modules of a broker, ping, statistics",
        "tui.screens.modules:ModulesScreen",
    ),
    View("cron", "Cron", "f6", "Commands that run by themselves", "tui.screens.cron:CronScreen"),
    View("kvs", "Keys", "f7", "The key-value store", "tui.screens.kvs:KvsScreen"),
    View(
        "events", "Events", "f8", "What happens, as it happens", "tui.screens.events:EventsScreen"
    ),
    View(
        "graphs",
        "Graphs",
        "f10",
        "What the instance did over time",
        "tui.screens.graphs:GraphsScreen",
    ),
    View("log", "Log", "f9", "The log of the broker (dmesg)", "tui.screens.dmesg:DmesgScreen"),
)

BY_NAME: Final = {view.name: view for view in VIEWS}
