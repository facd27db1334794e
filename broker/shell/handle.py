"""What a job shell plugin written in Python works with: flux_shell_*(3) as methods.

A plugin is a file with a function ``flux_plugin_init(shell, conf)``. ``shell`` is a `ShellHandle`
of the plugin's own, ``conf`` the object that its loader has for it. docs/shell-plugins.md is the
guide.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

from broker.shell import facts
from broker.shell.guarding import call_guarded, call_or_die
from broker.shell.handle_log import LoggingHandle
from broker.shell.service_call import ServiceCall
from broker.shell.task import ShellTask
from broker.shell.task_handle import TaskHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from broker.shell.aux_data import AuxData
    from broker.shell.context import ShellContext
    from broker.shell.facts import JobspecInfo, ShellInfo, ShellRankInfo
    from broker.shell.loop import LoopTimer
    from broker.shell.peer_rpc import ShellFuture
    from broker.shell.protocol import ServiceRequest
    from flux.core.handle import Flux

    Handler = Callable[["ShellHandle", str, dict[str, object]], object]
    OnEvent = Callable[["ShellHandle", str, object], object]
    Method = Callable[["ShellHandle", ServiceCall], object]


class PluginSource(Protocol):
    """Who loads other plugins."""

    searchpath: str

    def load(self, pattern: str, conf: Mapping[str, object] | None = None) -> None:
        """Load plugins by a pattern."""


class ShellHandle(LoggingHandle):
    """The shell, as the plugin ``name`` sees it."""

    def __init__(self, shell: ShellContext, name: str, files: PluginSource) -> None:
        super().__init__(shell, name)
        self._files = files
        self._next_task = 0

    # The plugin and its stack

    def set_name(self, name: str) -> None:
        """Take another name than that of the file: the name of a built-in plugin replaces that one.

        To be called before handlers are added. Raises OSError(EINVAL) for an empty name.
        """
        if not name:
            raise OSError(errno.EINVAL, "a plugin needs a name")
        self._shell.plugins.remove(self.name)
        self.name = name
        self._shell.plugins.push(name)

    def add_handler(self, topic: str, function: Handler) -> None:
        """Have ``function(shell, topic, args)`` called for every topic that the glob ``topic``
        matches, unless a glob that was added before matches it too.

        ``args`` is a dict: the task's facts for ``task.`` topics, level and message for
        ``shell.log``, whatever `plugstack_call` was given for topics of plugins. A handler that
        raises or returns -1 fails the call; for the shell's own topics that ends the job.
        """
        self.register(self.name, [(topic, function)])

    def register(self, name: str, handlers: Iterable[tuple[str, Handler]]) -> None:
        """Add handlers, pairs of topic glob and function, of a plugin called ``name``; if another
        plugin has that name it is replaced.
        """
        for topic, function in handlers:
            self._shell.plugins.register(name, topic, self._guarded(name, function))

    def _guarded(self, name: str, function: Handler) -> Callable[..., object]:
        def call(topic: str, *args: object) -> object:
            given = args[0] if args else {}
            shown = given.info() if isinstance(given, ShellTask) else given
            return call_guarded(self._shell, name, topic, function, self, topic, shown)

        return call

    def plugstack_call(
        self, topic: str, args: dict[str, object] | None = None
    ) -> dict[str, object]:
        """Call the handlers of all plugins for ``topic``; returns ``args``, which handlers may have
        changed.

        Raises OSError(EINVAL) for an empty topic, and what the handler raises that fails.
        """
        if not topic:
            raise OSError(errno.EINVAL, "no topic")
        given: dict[str, object] = {} if args is None else args
        outer = self._shell.plugins.current
        try:
            self._shell.plugins.call(topic, given)
        finally:
            self._shell.plugins.current = outer
        return given

    def load(self, pattern: str, conf: Mapping[str, object] | None = None) -> None:
        """Load other plugins: files that match ``pattern``, an absolute path or a name in
        `searchpath`.

        Raises OSError(ENOENT) if a name without wildcards has no file, EINVAL if a file is no
        plugin or fails.
        """
        self._files.load(pattern, conf)

    @property
    def searchpath(self) -> str:
        """Directories in which plugins are looked for, separated by colons."""
        return self._files.searchpath

    @searchpath.setter
    def searchpath(self, path: str) -> None:
        self._files.searchpath = path

    # The job's environment and options

    def getenv(self, name: str) -> str | None:
        """Return a variable of the job's environment, None if it is not set."""
        return self._shell.env.get(name)

    def get_environ(self) -> dict[str, str]:
        """Return a copy of the job's environment."""
        return dict(self._shell.env)

    def setenv(self, name: str, value: object, overwrite: bool = True) -> None:
        """Set a variable of the job's environment.

        Raises OSError: EEXIST if it is set and is not to be overwritten, EINVAL for an empty name.
        """
        if not name:
            raise OSError(errno.EINVAL, "a variable needs a name")
        if not overwrite and name in self._shell.env:
            raise OSError(errno.EEXIST, f"{name} is set")
        self._shell.env[name] = str(value)

    def unsetenv(self, name: str) -> None:
        """Remove a variable from the job's environment, if it is set."""
        self._shell.env.pop(name, None)

    def getopt(self, name: str) -> object:
        """Return a shell option, any JSON value, None if it is not set; dots descend into
        objects.
        """
        return self._shell.option(name)

    def setopt(self, name: str, value: object) -> None:
        """Set a shell option for this shell, None unsets it; raises OSError(EINVAL) for an empty
        name.
        """
        self._shell.set_option(name, value)

    # Facts

    def get_info(self) -> ShellInfo:
        """Return the facts of the shell and its job (flux_shell_get_info(3))."""
        return facts.shell_info(self._shell)

    def get_rank_info(self, rank: int = -1) -> ShellRankInfo:
        """Return the facts of a shell rank, by default of this one.

        Raises OSError(EINVAL) if there is no such rank.
        """
        return facts.rank_info(self._shell, rank)

    def get_jobspec_info(self) -> JobspecInfo:
        """Return a summary of the jobspec (flux_shell_get_jobspec_info(3))."""
        return facts.jobspec_info(self._shell)

    @property
    def tmpdir(self) -> str:
        """The job's temporary directory on this node."""
        return self._shell.tmpdir

    # Tasks

    def current_task(self) -> TaskHandle | None:
        """Return the task that a ``task.`` callback is about, None anywhere else."""
        task = self._shell.current_task
        return None if task is None else self._task(task)

    def task_first(self) -> TaskHandle:
        """Return the first task of this shell; raises OSError(EAGAIN) if there are none yet."""
        self._next_task = 0
        task = self.task_next()
        if task is None:
            raise OSError(errno.EAGAIN, "there are no tasks")
        return task

    def task_next(self) -> TaskHandle | None:
        """Return the task after the one returned before, None after the last."""
        if self._next_task >= len(self._shell.tasks):
            return None
        self._next_task += 1
        return self._task(self._shell.tasks[self._next_task - 1])

    def tasks(self) -> list[TaskHandle]:
        """Return all tasks of this shell that there are so far."""
        return [self._task(task) for task in self._shell.tasks]

    def _task(self, task: ShellTask) -> TaskHandle:
        return TaskHandle(self._shell, task, self.name)

    def killall(self, signum: int) -> None:
        """Send a signal to all tasks of this shell; zero and less is none."""
        if signum > 0:
            self._shell.kill_tasks(signum)

    # The course of the job

    def add_completion_ref(self, name: str) -> int:
        """Keep the job from being complete until the reference is removed; returns how many
        references ``name`` has.
        """
        return self._shell.references.add(name)

    def remove_completion_ref(self, name: str) -> None:
        """Undo one `add_completion_ref`; raises OSError(ENOENT) if there is none."""
        self._shell.references.remove(name)

    def add_event_context(self, name: str, context: Mapping[str, object]) -> None:
        """Add members to the context of the event ``shell.init`` or ``shell.start``, which the
        first shell posts; raises OSError(EINVAL) for another event.
        """
        known = {"shell.init": self._shell.init_context, "shell.start": self._shell.start_context}
        if name not in known:
            raise OSError(errno.EINVAL, f"no event {name} to add to")
        known[name].update(context)

    def add_event_handler(self, subtopic: str, function: OnEvent) -> None:
        """Have ``function(shell, subtopic, payload)`` called for each event
        ``shell-JOBID.subtopic``; a failure ends the job.
        """
        if not subtopic:
            raise OSError(errno.EINVAL, "no subtopic")

        def heard(topic: str, payload: object) -> None:
            call_or_die(self._shell, self.name, f"event {topic}", function, self, topic, payload)

        self._shell.peers.events.setdefault(subtopic, []).append(heard)

    def call_later(self, seconds: float, function: Callable[[], object]) -> LoopTimer:
        """Call ``function`` once after some seconds, unless the timer returned is cancelled; it
        does not keep the shell running.
        """
        name = self.name

        def due() -> None:
            call_or_die(self._shell, name, "timer", function)

        return self._shell.loop.call_later(seconds, due)

    # Others

    def get_flux(self) -> Flux:
        """Return a handle to the local broker; its watchers and futures are served while the shell
        runs.

        Raises OSError(ENOTCONN) in a standalone shell.
        """
        return self._shell.flux

    def service_register(self, method: str, function: Method) -> None:
        """Have ``function(shell, request)`` answer requests to ``method``: those of clients to the
        job's service, which the first shell serves, and those of other shells.

        Raises OSError: EINVAL for an empty name, EEXIST if the method is taken.
        """
        peers = self._shell.peers
        if not method:
            raise OSError(errno.EINVAL, "a method needs a name")
        if method in peers.methods or method in peers.shell_methods:
            raise OSError(errno.EEXIST, f"method {method} is taken")

        def serve(call: ServiceCall) -> None:
            what = f"method {method}"
            try:
                call_guarded(self._shell, self.name, what, function, self, call)
            except OSError as error:
                call.respond_error(error.errno or errno.EINVAL, error.strerror)

        def serve_client(request: ServiceRequest) -> None:
            def answer(payload: object, errnum: int, text: str | None) -> None:
                peers.respond(request, payload, errnum, text)

            serve(ServiceCall(request.method, request.payload, request.sender, answer))

        peers.shell_methods[method] = serve
        peers.methods[method] = serve_client

    def rpc(self, method: str, rank: int, payload: object = None, flags: int = 0) -> ShellFuture:
        """Send a request to a method of the shell ``rank`` and return a future for the answer;
        ``flags`` are FLUX_RPC_NORESPONSE and FLUX_RPC_STREAMING (flux_shell_rpc_pack(3)).

        Raises OSError(EINVAL) if there is no such rank.
        """
        return self._shell.rpc.ask(method, rank, payload, flags)

    def on_disconnect(self, function: Callable[[str], object]) -> None:
        """Have ``function(sender)`` called when a client of the job's service is gone."""

        def gone(sender: str) -> None:
            call_or_die(self._shell, self.name, "disconnect", function, sender)

        self._shell.peers.disconnects.append(gone)

    # Data of plugins

    @property
    def _aux(self) -> AuxData:
        return self._shell.aux

    def aux_set(
        self, name: str | None, value: object, free: Callable[[object], object] | None = None
    ) -> None:
        """Keep ``value`` for all plugins under ``name``; ``free(value)`` is called when another
        value takes its place, when None does, and at the shell's end. Without a name it is only
        freed.

        Raises OSError(EINVAL) if there is neither name nor value, or nothing for ``free`` to free.
        """
        self._aux.set(name, value, free)

    def aux_get(self, name: str) -> object:
        """Return what is kept under ``name``; raises OSError(ENOENT) if there is nothing."""
        return self._aux.get(name)
