"""The job shell: runs the tasks of one job on one rank (flux-shell(1)).

`Shell` holds the facts and services plugins use and drives the sequence of callbacks; everything else is a plugin.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from broker.shell import eventlog
from broker.shell.jobinfo import JobInfo, RankInfo
from broker.shell.levels import DEBUG, ERROR, FATAL, NOTICE, PREFIX, ShellEnded, ShellFatal
from broker.shell.loop import Loop, SignalPipe
from broker.shell.peer import Message, NoPeer, Peer
from broker.shell.plugin import PluginStack
from broker.shell.remains import Remains
from broker.shell.task import Task
from broker.shell.workspace import enter_directory, make_tmpdir, remove_tmpdir
from flux.job.JobID import id_encode

ACK_STEP = 262144
ACK_WINDOW = 2 * 1024 * 1024


class Shell:
    """One shell of a job.

    Args:
        info: the job.
        rank: index of this shell in the job.
        peer: the broker, or `NoPeer`.
        environ: broker-side variables for tasks, such as FLUX_URI.
        standalone: run without an instance, output to this process's own stdout and stderr.
        rundir: directory for the job's temporary directory.
        instance_level: nesting depth of the instance that runs the job.
    """

    def __init__(
        self,
        info: JobInfo,
        rank: int,
        peer: Peer | None = None,
        *,
        environ: dict[str, str] | None = None,
        standalone: bool = False,
        rundir: str | None = None,
        instance_level: int = 0,
    ) -> None:
        self.info = info
        self.me: RankInfo = info.ranks[rank]
        self.rank = rank
        self.size = len(info.ranks)
        self.options = info.options
        self.peer: Peer = peer or NoPeer()
        self.environ = environ or {}
        self.standalone = standalone
        self.rundir = rundir
        self.instance_level = instance_level
        self.loop = Loop()
        self.plugins = PluginStack()
        self.tasks: list[Task] = []
        self.env = info.environment
        self.verbose = 0
        self.init_context: dict[str, Any] = {}
        self.methods: dict[str, Callable[[Message], None]] = {}
        self.relays: dict[str, Callable[[Message], None]] = {}
        self.disconnects: list[Callable[[str], None]] = []
        self.current_task: Task | None = None
        self._released: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._text: dict[str, list[str]] = {}
        self._unacked = 0
        self._since_ack = 0
        self._peers_left = self.size - 1
        self.tmpdir = ""
        self._ended_by = 0
        self.on_drained: list[Callable[[], None]] = []
        self.on_stopped: list[Callable[[int], None]] = []
        self.remains = Remains(kept=standalone or bool(self.option("linger")))
        self.loop.before_wait.append(self._flush_events)

    # What plugins use

    @property
    def leader(self) -> bool:
        """Whether this is the job's first shell, which owns its service and event logs."""
        return self.rank == 0

    def option(self, name: str, default: Any = None) -> Any:
        """Return a shell option; dots descend into objects."""
        if name in self.options:
            return self.options[name]
        value: Any = self.options
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
        """Log to the job's output (and stderr, for errors), unless `level` is beyond the verbosity."""
        if level > NOTICE + self.verbose:
            return
        if not file:
            frame = sys._getframe(1)
            file, line = os.path.basename(frame.f_code.co_filename), frame.f_lineno
        context: dict[str, Any] = {"rank": self.rank, "level": level, "message": message}
        if component:
            context["component"] = component
        context |= {"file": file, "line": line}
        text = f"flux-shell: {PREFIX[level]}{component + ': ' if component else ''}{message}\n"
        if self.standalone:
            sys.stderr.write(text)
            return
        self.append("output", eventlog.entry("log", context))
        if level <= ERROR:
            self.log_stderr(text)

    def log_stderr(self, text: str) -> None:
        """Record text the shell wrote to its stderr in the exec event log."""
        rank = str(self.me.broker_rank)
        context = {"component": "flux-shell", "stream": "stderr", "rank": rank, "data": text}
        self.append("exec", eventlog.entry("log", context))

    def append(self, key: str, text: str) -> None:
        """Append event lines to a guest event log: "exec", "output" or "input"."""
        self._text.setdefault(key, []).append(text)

    def prepend(self, key: str, text: str) -> None:
        """Put event lines before those not sent yet: the header, after early log messages."""
        self._text.setdefault(key, []).insert(0, text)

    def event(self, name: str, context: dict[str, Any]) -> None:
        """Post an event to the exec event log."""
        self.append("exec", eventlog.entry(name, context))

    @property
    def congested(self) -> bool:
        """Whether the broker is behind with output; readers pause until `on_drained` is called."""
        return self._unacked > ACK_WINDOW

    def barrier(self, name: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait until every shell of the job has entered the barrier `name`; return their merged data."""
        if self.size == 1:
            return data or {}
        self.peer.post({"t": "barrier", "name": name, "data": data or {}})
        self.loop.run_until(lambda: name in self._released or self._abandoned())
        if name not in self._released:
            raise ShellEnded(128 + self._ended_by)
        return self._released.pop(name)

    def _abandoned(self) -> bool:
        """Whether the job has been ended and none of the local tasks is left."""
        return bool(self._ended_by) and all(task.status is not None for task in self.tasks)

    def exchange(
        self, name: str, data: dict[str, Any], callback: Callable[[dict[str, Any]], None]
    ) -> None:
        """Enter the barrier `name` without waiting; `callback` gets the merged data."""
        self._waiting[name] = callback
        self.peer.post({"t": "barrier", "name": name, "data": data})

    def relay(self, to: str | int, kind: str, **message: Any) -> None:
        """Send a message to another shell's `relays[kind]`: "leader", "all" (itself included) or a shell rank."""
        self.peer.post({"t": "relay", "to": to, "msg": {"kind": kind, **message}})

    def respond(
        self, request: Message, payload: Any = None, errnum: int = 0, text: str | None = None
    ) -> None:
        """Answer a request to the job's service."""
        message: Message = {"t": "response", "tag": request["tag"]}
        if payload is not None:
            message["payload"] = payload
        if errnum:
            message |= {"errnum": errnum, "text": text}
        self.peer.post(message)

    def kill_tasks(self, number: int) -> None:
        """Send a signal to every local task."""
        for task in self.tasks:
            task.kill(number)

    # The peer's messages

    def receive(self, message: Message) -> None:
        """Handle a message of the broker."""
        kind = message["t"]
        if kind == "kill":
            self._kill(int(message["signum"]), final=bool(message.get("final")))
        elif kind == "barrier":
            callback = self._waiting.pop(message["name"], None)
            if callback is not None:
                callback(message["data"])
            else:
                self._released[message["name"]] = message["data"]
        elif kind == "ack":
            self._unacked -= int(message["bytes"])
            if not self.congested:
                for drained in self.on_drained:
                    drained()
        elif kind == "relay":
            self._relayed(message["msg"])
        elif kind == "request":
            self._request(message)
        elif kind == "disconnect":
            for disconnected in self.disconnects:
                disconnected(message["sender"])

    def _kill(self, number: int, *, final: bool) -> None:
        """Signal the tasks; with ``final`` the job is to end, stopped tasks and what they left behind included."""
        self.kill_tasks(number)
        if not final:
            return
        self._ended_by = number
        if number == signal.SIGKILL:
            self.remains.kill()
        else:
            self.kill_tasks(signal.SIGCONT)
            self.remains.signal(number, [task.pid for task in self.tasks if task.status is None])

    def _relayed(self, message: Message) -> None:
        if message["kind"] == "left":
            self._peers_left -= 1
            return
        handler = self.relays.get(message["kind"])
        if handler is not None:
            handler(message)

    def _request(self, message: Message) -> None:
        method = self.methods.get(message["method"])
        if method is None:
            self.respond(message, errnum=38, text="Unknown service method")
        else:
            method(message)

    def lost_peer(self) -> None:
        """The broker is gone: nothing may stay behind."""
        self.remains.kill(anyway=True)
        os._exit(1)

    def _flush_events(self) -> None:
        if not self._text:
            return
        message: Message = {"t": "ev"}
        for key, lines in self._text.items():
            message[key] = "".join(lines)
        self._text = {}
        self._since_ack += len(message.get("output", ""))
        if self._since_ack >= ACK_STEP:
            message["ack"] = self._since_ack
            self._unacked += self._since_ack
            self._since_ack = 0
        self.peer.post(message)

    # The sequence

    def run(self, load: Callable[[Shell], None]) -> int:
        """Run the job's part on this rank and return the exit code.

        Args:
            load: loads the plugins.
        """
        signals = SignalPipe(
            self.loop, (signal.SIGCHLD, signal.SIGTERM, signal.SIGALRM, signal.SIGINT), self._signal
        )
        self.remains.adopt()
        try:
            try:
                code = self._run(load)
            except ShellFatal as fatal:
                code = self._die(fatal)
            except ShellEnded as ended:
                code = ended.code
            if not self.remains.finish(self.loop, lambda: self._ended_by):
                self.log(ERROR, "processes of the job could not be killed")
        finally:
            remove_tmpdir(self.tmpdir)
            signals.close()
        self._flush_events()
        return code

    def _run(self, load: Callable[[Shell], None]) -> int:
        self._prepare()
        load(self)
        self._call("shell.init", "shell_init")
        self.barrier("init")
        if self.leader:
            context = {
                "leader-rank": self.me.broker_rank,
                "size": self.size,
                "service": self.info.service,
            }
            self.event("shell.init", context | self.init_context)
        for index in range(self.me.ntasks):
            self._start_task(index)
        self._call("shell.start", "shell_start")
        self.barrier("start")
        if self.leader:
            self.event("shell.start", {"task-count": self.info.ntasks})
        self.loop.run_until(self._finished)
        code = max((task.exitcode for task in self.tasks), default=0)
        self._call("shell.exit", "shell_exit")
        if not self.leader:
            self.relay("leader", "left")
        else:
            self.loop.run_until(lambda: self._peers_left <= 0)
        self.log(DEBUG, f"exit {code}")
        return code

    def _prepare(self) -> None:
        verbose = self.option("verbose", 0)
        self.verbose = int(verbose) if str(verbose).isdigit() else 1
        info = self.info
        slots = info.slots
        if self.verbose:
            self.log(
                DEBUG,
                f"{self.rank}: task_count={info.ntasks} slot_count={slots.count} "
                f"cores_per_slot={slots.cores} slots_per_node={slots.per_node}",
            )
            first, count = self.me.first_task, self.me.ntasks
            tasks = f"[{first}]" if count == 1 else f"[{first}-{first + count - 1}]"
            self.log(
                DEBUG, f"{self.rank}: tasks {tasks} on cores {self.me.resources.get('core', '')}"
            )
        enter_directory(self)
        self.tmpdir = make_tmpdir(self)
        self.env["FLUX_JOB_TMPDIR"] = self.tmpdir
        self.env |= self.environ
        self.env |= {
            "FLUX_JOB_ID": id_encode(info.id),
            "FLUX_JOB_SIZE": str(info.ntasks),
            "FLUX_JOB_NNODES": str(self.size),
            "FLUX_TERMINUS_SESSION": "0",
        }
        if not self.standalone:
            self.env["FLUX_KVS_NAMESPACE"] = f"job-{info.id}"

    def _call(self, topic: str, what: str, *args: Task) -> None:
        try:
            self.plugins.call(topic, *args)
        except OSError as error:
            name = self.plugins.current
            self.log(ERROR, f"plugin '{name}': {topic} failed", name)
            raise ShellFatal(f"{what}: {os.strerror(error.errno or 0)}") from error

    def _start_task(self, localid: int) -> None:
        rank = self.me.first_task + localid
        env = {**self.env, "FLUX_TASK_RANK": str(rank), "FLUX_TASK_LOCAL_ID": str(localid)}
        task = Task(rank, localid, self.info.command, env, own_group=not self.option("nosetpgrp"))
        self.tasks.append(task)
        self.current_task = task
        self._call("task.init", "task_init", task)
        hook = (
            (lambda: self.plugins.call("task.exec", task))
            if self.plugins.wants("task.exec")
            else None
        )
        try:
            task.start(hook)
        except OSError as error:
            code = 127 if error.errno == 2 else 126
            message = f"task {rank}: start failed: {task.argv[0]}: {os.strerror(error.errno or 0)}"
            raise ShellFatal(message, code) from error
        self._call("task.fork", "task_fork", task)
        self.current_task = None

    def _signal(self, number: int) -> None:
        if number != signal.SIGCHLD:
            self.kill_tasks(number)
            return
        running = {task.pid: task for task in self.tasks if task.status is None and task.pid}
        for pid, status in self.remains.ended(running):
            if os.WIFSTOPPED(status):
                for stopped in self.on_stopped:
                    stopped(pid)
            elif pid in running:
                running[pid].status = status

    def _finished(self) -> bool:
        """Finish tasks that exited and whose streams have ended; True when there are no others."""
        left = 0
        for task in self.tasks:
            if task.finished:
                continue
            if task.status is None or task.holds:
                left += 1
                continue
            task.finished = True
            self.log(DEBUG, f"task {task.localid} complete status={task.exitcode}")
            self.current_task = task
            self._call("task.exit", "task_exit", task)
            self.current_task = None
        return left == 0

    def _die(self, fatal: ShellFatal) -> int:
        """Log a fatal error, raise it as a job exception and kill the tasks."""
        self.log(FATAL, fatal.message, fatal.component)
        self._flush_events()
        self.peer.post({"t": "exception", "type": "exec", "severity": 0, "note": fatal.message})
        self.kill_tasks(signal.SIGKILL)
        for task in self.tasks:
            if task.pid and task.status is None:
                _, task.status = os.waitpid(task.pid, 0)
        return fatal.code
