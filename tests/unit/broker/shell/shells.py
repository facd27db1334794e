"""Shells for tests of what plugins can do: a context without a process, and a whole standalone
shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.shell.context import ShellContext
from broker.shell.handle import ShellHandle
from broker.shell.jobinfo import ShellJob, parse_job
from broker.shell.plugin_files import PluginFiles

if TYPE_CHECKING:
    from broker.shell.protocol import FromShell
    from flux.wire.json import JsonObject

JOBID = 12345


class Recorder:
    """A broker that writes down what a shell says."""

    def __init__(self) -> None:
        self.said: list[FromShell] = []

    def post(self, message: FromShell) -> None:
        self.said.append(message)

    def log(self, name: str = "output") -> str:
        """Return what was appended to an event log."""
        return "".join(getattr(said, name, "") for said in self.said)


def job(ntasks: int, nodes: int, options: JsonObject) -> ShellJob:
    """Return a job of ``ntasks`` tasks on each of ``nodes`` nodes with a core each."""
    slot = {
        "type": "slot",
        "count": ntasks,
        "label": "task",
        "with": [{"type": "core", "count": 1}],
    }
    spec = {
        "resources": [{"type": "node", "count": nodes, "with": [slot]}],
        "tasks": [{"command": ["true"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": {"environment": {"A": "1"}, "shell": {"options": options}}},
        "version": 1,
    }
    children = {"core": f"0-{ntasks - 1}", "gpu": "0"}
    execution = {
        "R_lite": [{"rank": f"0-{nodes - 1}", "children": children}],
        "nodelist": [f"host[0-{nodes - 1}]"],
    }
    return parse_job(JOBID, 7, spec, {"version": 1, "execution": execution})


def shell(
    ntasks: int = 2, nodes: int = 1, rank: int = 0, options: JsonObject | None = None
) -> tuple[ShellContext, Recorder]:
    """Return a shell of a job that talks to a recorder."""
    recorder = Recorder()
    return ShellContext(job(ntasks, nodes, options or {}), rank, recorder), recorder


def handle(
    ntasks: int = 2, nodes: int = 1, rank: int = 0, options: JsonObject | None = None
) -> tuple[ShellHandle, ShellContext, Recorder]:
    """Return the handle of a plugin ``p`` in such a shell."""
    context, recorder = shell(ntasks, nodes, rank, options)
    return ShellHandle(context, "p", PluginFiles(context, "")), context, recorder
