"""The job shell: runs the tasks of one job on one rank (flux-shell(1)).

`Shell` is the sequence, from the job's directory to the last task's end. What plugins work with is
a `broker.shell.context.ShellContext`, what goes to and comes from others `broker.shell.peers`.
"""

from __future__ import annotations

import os
import signal
import traceback
from functools import partial
from typing import TYPE_CHECKING, Final

from broker.shell.jobinfo import encode_idset
from broker.shell.levels import DEBUG, ERROR, FATAL, ShellEnded, ShellFatal
from broker.shell.loop import SignalPipe
from broker.shell.mustache import TAG, TagScope, render
from broker.shell.plugin import shown, switch
from broker.shell.remains import Remains
from broker.shell.task import ShellTask
from broker.shell.workspace import enter_directory, make_tmpdir, set_tmpdir
from flux.job.JobID import f58_in
from flux.waitstatus import SIGNALED, code_of_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from broker.shell.context import ShellContext
    from broker.shell.loop import Loop

    Course = Generator[Callable[[], bool], None, int]
    from flux.wire.json import JsonObject

_SIGNALS: Final = (signal.SIGCHLD, signal.SIGTERM, signal.SIGALRM, signal.SIGINT)


def verbosity(value: object) -> int:
    """Return the verbosity that the option ``verbose`` asks for; raises ShellFatal if it is no
    number.
    """
    if isinstance(value, bool) or (isinstance(value, int) and value >= 0):
        return int(value)
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    raise ShellFatal(f"verbose={shown(value)} is invalid: it is a number")


def drive(course: Course, loop: Loop) -> int:
    """Run a shell's course to its end on a loop of its own; returns the exit code."""
    step = partial(next, course)
    while True:
        try:
            condition = step()
        except StopIteration as end:
            return int(end.value)
        step = partial(next, course)
        try:
            loop.run_until(condition)
        except Exception as error:
            step = partial(course.throw, error)


class Shell:
    """The course of one shell."""

    def __init__(self, context: ShellContext, remains: Remains | None = None) -> None:
        self.context = context
        self._remains = remains or Remains(
            kept=context.standalone or bool(switch(context.option("linger")))
        )
        context.peers.on_kill = self._kill

    def run(self, load: Callable[[ShellContext], None]) -> int:
        """Run the job's part on this rank, with the plugins that ``load`` loads; returns the exit
        code.
        """
        loop = self.context.loop
        signals = SignalPipe(loop, _SIGNALS, self._signal)
        self._remains.adopt()
        try:
            code = drive(self.course(load), loop)
            self.context.peers.flush_entries()
            return code
        finally:
            signals.close()

    def course(self, load: Callable[[ShellContext], None]) -> Course:
        """Run the job's part on this rank: yields what has to be true before it goes on, returns
        the exit code. What a callback of the loop raises meanwhile is to be thrown into it. The
        last entries of the event logs are left to be sent.
        """
        context = self.context
        try:
            try:
                code = yield from self._run(load)
            except ShellFatal as fatal:
                code = yield from self._die(fatal)
            except ShellEnded as ended:
                code = ended.code
            except Exception as error:
                traceback.print_exc()
                text = f"internal error: {type(error).__name__}: {error}"
                code = yield from self._die(ShellFatal(text))
            if not (yield from self._remains.finish(lambda: context.ended_by)):
                context.log(ERROR, "processes of the job could not be killed")
        finally:
            for last in context.on_end:
                last()
            context.directories.remove(context.tmpdir)
        return code

    @property
    def pids(self) -> list[int]:
        """The running tasks."""
        return [task.pid for task in self.context.tasks if task.status is None and task.pid]

    def child_ended(self, pid: int, status: int) -> None:
        """A child of this process has ended: one of the tasks, or not."""
        for task in self.context.tasks:
            if task.pid == pid and task.status is None:
                task.status = status

    def lost_peer(self) -> None:
        """The broker is gone: nothing may stay behind."""
        self._remains.kill(anyway=True)
        os._exit(1)

    # The sequence

    def _run(self, load: Callable[[ShellContext], None]) -> Course:
        context = self.context
        self._prepare()
        load(context)
        self._call("shell.init", "shell_init")
        yield from self._barrier("init")
        if context.leader:
            facts: JsonObject = {
                "leader-rank": context.me.broker_rank,
                "size": context.size,
                "service": context.info.service,
            }
            context.event("shell.init", facts | context.init_context)
        self._call("shell.post-init", "shell_post_init")
        for index in range(context.me.ntasks):
            self._start_task(index)
        self._call("shell.start", "shell_start")
        if context.start_when:
            yield lambda: context.abandoned or all(ready() for ready in context.start_when)
        yield from self._barrier("start")
        if context.leader:
            facts = {"task-count": context.info.ntasks}
            context.event("shell.start", facts | context.start_context)
        yield self._tasks_ended
        self._call("shell.finish", "shell_finish")
        yield self._complete
        code = max((task.exitcode for task in context.tasks), default=0)
        self._call("shell.exit", "shell_exit")
        yield from self._leave()
        context.log(DEBUG, f"exit {code}")
        return code

    def _leave(self) -> Course:
        """Tell the leader of the end; the leader stays until all others have ended."""
        peers = self.context.peers
        if self.context.leader:
            yield lambda: peers.all_left
        else:
            peers.relay("leader", "left")
        return 0

    def _prepare(self) -> None:
        context, info = self.context, self.context.info
        context.verbose = verbosity(context.option("verbose", 0))
        if context.verbose:
            self._log_facts()
        enter_directory(context)
        context.tmpdir = make_tmpdir(context)
        context.env["FLUX_JOB_TMPDIR"] = context.tmpdir
        context.env |= context.environ
        set_tmpdir(context)
        context.env |= {
            "FLUX_JOB_ID": f58_in(info.id, context.env),
            "FLUX_JOB_SIZE": str(info.ntasks),
            "FLUX_JOB_NNODES": str(context.size),
            "FLUX_TERMINUS_SESSION": "0",
        }
        if not context.standalone:
            context.env["FLUX_KVS_NAMESPACE"] = f"job-{info.id}"

    def _log_facts(self) -> None:
        context, me, slots = self.context, self.context.me, self.context.info.slots
        context.log(
            DEBUG,
            f"{context.rank}: task_count={context.info.ntasks} slot_count={slots.count} "
            f"cores_per_slot={slots.cores} slots_per_node={slots.per_node}",
        )
        tasks, cores = encode_idset(list(me.taskids)), me.resources.get("core", "")
        context.log(DEBUG, f"{context.rank}: tasks [{tasks}] on cores {cores}")

    def _barrier(self, name: str) -> Course:
        """Wait until every shell of the job has entered the barrier ``name``.

        Raises ShellEnded if the job has been ended and none of the local tasks is left.
        """
        released: list[JsonObject] = []
        self.context.peers.exchange(name, {}, released.append)
        yield lambda: bool(released) or self.context.abandoned
        if not released:
            raise ShellEnded(SIGNALED + self.context.ended_by)
        return 0

    def _complete(self) -> bool:
        """Whether nothing keeps the job from being complete; a job that is killed does not wait for
        the references of plugins.
        """
        return not self.context.references or self.context.ended_by == signal.SIGKILL

    def _call(self, topic: str, what: str, *args: ShellTask) -> None:
        plugins = self.context.plugins
        try:
            plugins.call(topic, *args)
        except OSError as error:
            name = plugins.current
            plugins.current = ""
            self.context.log(ERROR, f"plugin '{name}': {topic} failed", name)
            raise ShellFatal(f"{what}: {os.strerror(error.errno or 0)}") from error

    # Tasks

    def _start_task(self, localid: int) -> None:
        context = self.context
        rank = context.me.taskids[localid]
        env = {**context.env, "FLUX_TASK_RANK": str(rank), "FLUX_TASK_LOCAL_ID": str(localid)}
        own_group = not switch(context.option("nosetpgrp"))
        try:
            command = context.info.command
        except OSError as error:
            raise ShellFatal(str(error.strerror)) from error
        task = ShellTask(rank, localid, command, env, own_group=own_group)
        self._fill_in(task)
        context.tasks.append(task)
        context.current_task = task
        self._call("task.init", "task_init", task)
        wanted = context.plugins.wants("task.exec")
        try:
            task.start((lambda: self._before_exec(task)) if wanted else None)
        except OSError as error:
            code = code_of_failure(error)
            message = f"task {rank}: start failed: {task.argv[0]}: {os.strerror(error.errno or 0)}"
            raise ShellFatal(message, code) from error
        for channel in task.channels.values():
            channel.handed_over()
            if channel.taken and channel.sink is None:
                channel.watch(context.loop)
        self._call("task.fork", "task_fork", task)
        context.current_task = None

    def _fill_in(self, task: ShellTask) -> None:
        """Replace the tags in the task's command and variables, of which most have none."""
        for index, word in enumerate(task.argv):
            if TAG in word:
                task.argv[index] = render(word, self.context, TagScope.TASK, task)
        for name, value in task.env.items():
            if TAG in value:
                task.env[name] = render(value, self.context, TagScope.TASK, task)

    def _before_exec(self, task: ShellTask) -> None:
        """In the process that becomes the task."""
        self.context.in_task = True
        self.context.plugins.call("task.exec", task)

    def _tasks_ended(self) -> bool:
        """Finish tasks that exited and whose streams have ended; returns whether all have."""
        left = 0
        for task in self.context.tasks:
            if task.finished:
                continue
            if task.status is None or task.holds:
                left += 1
                continue
            task.finished = True
            self.context.log(DEBUG, f"task {task.localid} complete status={task.exitcode}")
            self.context.current_task = task
            self._call("task.exit", "task_exit", task)
            self.context.current_task = None
        return left == 0

    # Signals

    def _signal(self, number: int) -> None:
        context = self.context
        if number != signal.SIGCHLD:
            context.kill_tasks(number)
            return
        running = {task.pid: task for task in context.tasks if task.status is None and task.pid}
        for pid, status in self._remains.ended(running):
            if os.WIFSTOPPED(status):
                for stopped in context.on_stopped:
                    stopped(pid, os.WSTOPSIG(status))
            elif pid in running:
                running[pid].status = status

    def _kill(self, number: int, final: bool) -> None:
        """Signal the tasks; with ``final`` the job is to end, stopped tasks and what they left
        behind included.
        """
        context = self.context
        context.kill_tasks(number)
        if not final:
            return
        if context.ended_by != signal.SIGKILL:
            context.ended_by = number
        if number == signal.SIGKILL:
            self._remains.kill()
        else:
            context.kill_tasks(signal.SIGCONT)
            running = [task.pid for task in context.tasks if task.status is None]
            self._remains.signal(number, running)

    def _die(self, fatal: ShellFatal) -> Course:
        """Log a fatal error, raise it as a job exception and kill the tasks."""
        context = self.context
        context.log(FATAL, fatal.message, fatal.component)
        context.peers.flush_entries()
        context.peers.raise_exception("exec", fatal.message)
        context.kill_tasks(signal.SIGKILL)
        for stop in context.on_fatal:
            stop()
        yield lambda: not self.pids
        return fatal.code
