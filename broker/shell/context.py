"""What a job shell's plugins and initrc scripts work with."""

from __future__ import annotations

import errno
import functools
import inspect
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from broker.shell import eventlog
from broker.shell.completion import CompletionReferences
from broker.shell.directories import Directories, PlainDirectories
from broker.shell.levels import ERROR, FATAL, NOTICE, TRACE, ShellEnded
from broker.shell.loop import Loop
from broker.shell.peer import NoPeer
from broker.shell.peers import ASK, Peers
from broker.shell.plugin_stack import PluginStack
from flux.job.io import LOG_PREFIX
from flux.waitstatus import SIGNALED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.shell.aux_data import AuxData
    from broker.shell.jobinfo import RankInfo, ShellJob
    from broker.shell.peer import Peer
    from broker.shell.peer_rpc import PeerRpc
    from broker.shell.task import ShellTask
    from flux.core.handle import Flux
    from flux.wire.json import JsonObject


class ShellContext:
    """One shell of a job: its facts, and what plugins may do. Plugins in files get it as a
    `broker.shell.handle.ShellHandle`.

    ``env`` is the environment that tasks start from; ``environ`` the broker's part of it, such
    as FLUX_URI, which wins. A ``standalone`` shell has no instance: it is alone, and its output
    goes to this process's own. ``rundir`` is where the job's temporary directory is made,
    ``instance_level`` the nesting depth of the instance that runs the job. What plugins put
    into ``init_context`` and ``start_context`` is told with the events ``shell.init`` and
    ``shell.start``, the latter once all of ``start_when`` are true. ``on_stopped`` get the
    process id of a child that stops and the signal that it stops for, ``on_fatal`` are called
    when the tasks are killed for an error, ``on_end`` when the shell is about to go,
    ``directories`` make and remove the job's temporary directory.
    ``ended_by`` is the signal that the job was told to end with, 0 for none. ``in_task`` is
    true in the process that is about to become a task. ``initrc`` and ``pluginpath`` are the
    instance's, for jobs that say nothing of them (attributes ``conf.shell_initrc`` and
    ``conf.shell_pluginpath``). ``customized`` says whether any file was loaded, ``owns_process``
    whether this process is there for this shell only, so that what is printed is the job's.
    ``current_task`` is the one that a ``task.`` callback is about.
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
        self.customized = self.owns_process = False
        self.verbose = 0
        self.stderr_level = ERROR
        self.eventlog_level = TRACE
        self.in_task = False
        self.ended_by = 0
        self.tmpdir = ""
        self.directory = ""
        self.directories: Directories = PlainDirectories()
        self.loop = loop or Loop()
        self.peers = Peers(peer or NoPeer(), self.loop, self.size)
        self.peers.relays[ASK] = lambda data: self.rpc.asked(data)
        self.plugins = PluginStack()
        self.tasks: list[ShellTask] = []
        self.current_task: ShellTask | None = None
        self.references = CompletionReferences()
        self.init_context: JsonObject = {}
        self.start_context: JsonObject = {}
        self.start_when: list[Callable[[], bool]] = []
        self.on_stopped: list[Callable[[int, int], None]] = []
        self.on_end: list[Callable[[], object]] = []
        self.on_fatal: list[Callable[[], object]] = []
        self._logging = False

    @property
    def leader(self) -> bool:
        """Whether this is the job's first shell, which owns its service and event logs."""
        return self.rank == 0

    @functools.cached_property
    def rpc(self) -> PeerRpc:
        """Requests from shell to shell, which most jobs have no use for."""
        from broker.shell.peer_rpc import PeerRpc

        return PeerRpc(self.rank, self.peers, self.loop, self.wait_for)

    @functools.cached_property
    def flux(self) -> Flux:
        """A handle to the local broker, served by this shell's loop (flux_shell_get_flux(3)).

        Raises OSError(ENOTCONN) in a standalone shell, and what connecting raises.
        """
        if self.standalone:
            raise OSError(errno.ENOTCONN, "a standalone shell has no broker")
        from broker.shell.flux_handle import connected

        handle = connected(
            self.environ["FLUX_URI"], self.loop, self.env.get("FLUX_KVS_NAMESPACE", "")
        )
        self.on_end.append(handle.close)
        return handle

    @functools.cached_property
    def aux(self) -> AuxData:
        """Data that plugins keep here, freed at the shell's end."""
        from broker.shell.aux_data import AuxData

        data = AuxData()
        self.on_end.append(data.clear)
        return data

    def option(self, name: str, default: object = None) -> object:
        """Return a shell option; dots descend into objects."""
        if not self.options:  # as with most jobs, of which there may be many
            return default
        if name in self.options:
            return self.options[name]
        value: object = self.options
        for part in name.split("."):
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
        return value

    def set_option(self, name: str, value: object) -> None:
        """Set a shell option, None unsets it; dots descend into objects, which are made, unless an
        option has the whole name.

        Raises OSError(EINVAL) for an empty name.
        """
        if not name:
            raise OSError(errno.EINVAL, "an option needs a name")
        place = self.options
        if name not in place:
            *parts, name = name.split(".")
            for part in parts:
                inner = place.get(part)
                if not isinstance(inner, dict):
                    if value is None:
                        return
                    inner = place[part] = {}
                place = inner
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value

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
        verbosity. Plugins hear of it by the topic ``shell.log``.
        """
        if level > NOTICE + self.verbose:
            return
        if not file:
            file, line = _caller()
        message = message.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        context: JsonObject = {"rank": self.rank, "level": level, "message": message}
        if component:
            context["component"] = component
        context |= {"file": file, "line": line}
        if not self._logging:
            self._logging = True
            with suppress(OSError):  # has been logged, and what is logged here must not get lost
                self.plugins.call("shell.log", context)
            self._logging = False
        prefix = f"{component}: " if component else ""
        text = f"flux-shell: {LOG_PREFIX[level]}{prefix}{message}\n"
        if self.standalone or self.in_task:
            # What the child of a fork appends to the event logs is lost with it.
            sys.stderr.write(text)
            sys.stderr.flush()
            return
        if level <= self.eventlog_level:
            self.peers.append("output", eventlog.entry("log", context))
        if level <= self.stderr_level:
            self.log_stderr(text)

    def set_level(self, level: int, destination: str | None = None) -> None:
        """Log what is at most ``level``, by default everywhere, otherwise to ``stderr`` or
        ``eventlog`` (flux_shell_log_setlevel(3)).

        Raises OSError(EINVAL) for an unknown level or destination.
        """
        # A level below FATAL silences everything, as the manual's shell_set_quiet() can ask for.
        if not FATAL - 1 <= level <= TRACE or destination not in (None, "stderr", "eventlog"):
            raise OSError(errno.EINVAL, f"invalid log level {level} or destination {destination}")
        if destination == "stderr":
            self.stderr_level = level
        elif destination == "eventlog":
            self.eventlog_level = level
        else:
            self.verbose = level - NOTICE
        self.plugins.call("shell.log-setlevel", {"level": level, "dest": destination})

    def set_verbose(self, verbosity: int) -> None:
        """Log up to so many levels above NOTICE, at most all there are."""
        self.set_level(max(FATAL - 1, min(NOTICE + verbosity, TRACE)))

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Run the loop until ``done``, which is to hold sooner or later.

        Raises ShellEnded if the job is ended before and none of the local tasks is left.
        """
        self.loop.run_until(lambda: done() or self.abandoned)
        if not done():
            raise ShellEnded(SIGNALED + self.ended_by)

    @property
    def abandoned(self) -> bool:
        """Whether the job was told to end and its tasks here have ended."""
        return bool(self.ended_by) and all(task.status is not None for task in self.tasks)

    def log_stderr(self, text: str) -> None:
        """Record text the shell wrote to its stderr in the exec event log."""
        self.log_stream("stderr", text)

    def log_stream(self, stream: str, text: str, name: str = "flux-shell") -> None:
        """Record text that the shell ``name`` wrote to its stdout or stderr in the exec event
        log.
        """
        rank = str(self.me.broker_rank)
        context = {"component": name, "stream": stream, "rank": rank, "data": text}
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
