"""What there is to look at beside the jobs: each view with its name for ``:``, its key, and the
screen that shows it, which is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tui.screens.live import LiveScreen


@dataclass(frozen=True, slots=True)
class View:
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
    View("nodes", "Nodes", "f3", "Nodes, their cores and jobs", "tui.screens.nodes:NodesScreen"),
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
