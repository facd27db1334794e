"""What a job shell's plugins and initrc scripts work with."""

from __future__ import annotations

import inspect
import os
import sys
from typing import TYPE_CHECKING

from broker.shell import eventlog
from broker.shell.levels import ERROR, NOTICE
from broker.shell.loop import Loop
from broker.shell.peer import NoPeer
from broker.shell.peers import Peers
from broker.shell.plugin_stack import PluginStack
from flux.job.io import LOG_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.shell.jobinfo import RankInfo, ShellJob
    from broker.shell.peer import Peer
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject


class ShellContext:
    """One shell of a job: its facts, and what plugins may do.

    ``env`` is the environment that tasks start from; ``environ`` the broker's part of it, such as
    FLUX_URI, which wins. A ``standalone`` shell has no instance: it is alone, and its output goes
    to this process's own. ``rundir`` is where the job's temporary directory is made,
    ``instance_level`` the nesting depth of the instance that runs the job. What plugins put into
    ``init_context`` is told with the event ``shell.init``; ``on_stopped`` get the process ids of
    children that stop. ``initrc`` and ``pluginpath`` are the instance's, for jobs that say nothing
    of them (attributes ``conf.shell_initrc`` and ``conf.shell_pluginpath``). ``current_task`` is
    the one that a ``task.`` callback is about.
    """

    def __init__(
        self,
        info: ShellJob,
        rank: int,
        peer: Peer | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        standalone: bool = False,
        rundir: str | None = None,
        instance_level: int = 0,
        loop: Loop | None = None,
    ) -> None:
        self.info = info
        self.me: RankInfo = info.ranks[rank]
        self.rank = rank
        self.size = 1 if standalone else len(info.ranks)
        self.options = info.options
        self.environ = dict(environ or {})
        self.standalone = standalone
        self.rundir = rundir
        self.instance_level = instance_level
        self.env = info.environment
        self.initrc = ""
        self.pluginpath = ""
        self.verbose = 0
        self.tmpdir = ""
        self.directory = ""
        self.loop = loop or Loop()
        self.peers = Peers(peer or NoPeer(), self.loop, self.size)
        self.plugins = PluginStack()
        self.tasks: list[ShellTask] = []
        self.current_task: ShellTask | None = None
        self.init_context: JsonObject = {}
        self.on_stopped: list[Callable[[int], None]] = []

    @property
    def leader(self) -> bool:
        """Whether this is the job's first shell, which owns its service and event logs."""
        return self.rank == 0

    def option(self, name: str, default: object = None) -> object:
        """Return a shell option; dots descend into objects."""
        if name in self.options:
            return self.options[name]
        value: object = self.options
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    def log(
        self,
        level: int,
        message: str,
        component: str | None = None,
        *,
        file: str = "",
        line: int = 0,
    ) -> None:
        """Log to the job's output, and to stderr if it is an error, unless ``level`` is beyond the
        verbosity.
        """
        if level > NOTICE + self.verbose:
            return
        if not file:
            file, line = _caller()
        context: JsonObject = {"rank": self.rank, "level": level, "message": message}
        if component:
            context["component"] = component
        context |= {"file": file, "line": line}
        prefix = f"{component}: " if component else ""
        text = f"flux-shell: {LOG_PREFIX[level]}{prefix}{message}\n"
        if self.standalone:
            sys.stderr.write(text)
            return
        self.peers.append("output", eventlog.entry("log", context))
        if level <= ERROR:
            self.log_stderr(text)

    def log_stderr(self, text: str) -> None:
        """Record text the shell wrote to its stderr in the exec event log."""
        rank = str(self.me.broker_rank)
        context = {"component": "flux-shell", "stream": "stderr", "rank": rank, "data": text}
        self.event("log", context)

    def event(self, name: str, context: JsonObject) -> None:
        """Post an event to the exec event log."""
        self.peers.append("exec", eventlog.entry(name, context))

    def kill_tasks(self, number: int) -> None:
        """Send a signal to every local task."""
        for task in self.tasks:
            task.kill(number)


def _caller() -> tuple[str, int]:
    """Return the file and line of the code that called the function that calls this."""
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame is not None else None
    if frame is None:
        return "", 0
    return os.path.basename(frame.f_code.co_filename), frame.f_lineno
