"""A task as plugins see it (flux_shell_task_get_info(3), flux_shell_task_subprocess(3),
flux_shell_task_channel_subscribe(3)).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.shell.channels import Channel, socket_channel
from broker.shell.guarding import call_or_die

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.context import ShellContext
    from broker.shell.task import ShellTask, TaskInfo


class TaskCommand:
    """The command of a task; what is changed before the task starts counts.

    ``argv`` is the list of its words and ``env`` its environment, both to be changed in place.
    """

    def __init__(self, task: ShellTask) -> None:
        self._task = task

    @property
    def argv(self) -> list[str]:
        """The program and its arguments."""
        return self._task.argv

    @property
    def env(self) -> dict[str, str]:
        """The environment."""
        return self._task.env

    def getenv(self, name: str) -> str | None:
        """Return a variable, None if it is not set."""
        return self._task.env.get(name)

    def setenv(self, name: str, value: object, overwrite: bool = True) -> None:
        """Set a variable; raises OSError(EEXIST) if it is set and is not to be overwritten."""
        if not overwrite and name in self._task.env:
            raise OSError(errno.EEXIST, f"{name} is set")
        self._task.env[name] = str(value)

    def unsetenv(self, name: str) -> None:
        """Remove a variable, if it is set."""
        self._task.env.pop(name, None)

    def add_channel(self, name: str) -> None:
        """Give the task a socket whose descriptor is the value of its variable ``name``.

        Raises OSError: EEXIST if the task has such a channel, EBUSY once it has started.
        """
        if self._task.pid:
            raise OSError(errno.EBUSY, "the task has started")
        if name in self._task.channels:
            raise OSError(errno.EEXIST, f"the task has a channel {name}")
        channel = self._task.channels[name] = socket_channel(name)
        self._task.fds.append((channel.theirs, channel.theirs))
        self._task.env[name] = str(channel.theirs)


class TaskProcess:
    """The process of a task that has started."""

    def __init__(self, task: ShellTask) -> None:
        self._task = task

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._task.pid

    @property
    def state(self) -> str:
        """Running or Exited."""
        return self._task.state

    @property
    def status(self) -> int | None:
        """Its wait status, None while it runs."""
        return self._task.status

    @property
    def exitcode(self) -> int | None:
        """Its exit code, or 128 and the signal, None while it runs."""
        return None if self._task.status is None else self._task.exitcode

    @property
    def signaled(self) -> int | None:
        """The signal that ended it, 0 for none, None while it runs."""
        return None if self._task.status is None else self._task.signaled

    def kill(self, signum: int) -> None:
        """Send a signal to its process group."""
        self._task.kill(signum)

    def read(self, channel: str, size: int = -1) -> bytes:
        """Take up to ``size`` bytes that came by a channel, all without it."""
        return self._channel(channel).read(size)

    def getline(self, channel: str) -> bytes:
        """Take a line that came by a channel, nothing if none is complete."""
        return self._channel(channel).getline()

    def eof(self, channel: str) -> bool:
        """Return whether the task has closed a channel."""
        return self._channel(channel).eof

    def write(self, channel: str, data: bytes) -> None:
        """Write to a channel that a plugin has added, waiting until the task has taken it all."""
        self._channel(channel).write(data)

    def _channel(self, name: str) -> Channel:
        try:
            return self._task.channels[name]
        except KeyError:
            raise OSError(errno.ENOENT, f"the task has no channel {name}") from None


class TaskHandle:
    """A task of this shell; two handles of one task are equal."""

    def __init__(self, shell: ShellContext, task: ShellTask, plugin: str) -> None:
        self._shell = shell
        self._task = task
        self._plugin = plugin

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskHandle) and self._task is other._task

    def __hash__(self) -> int:
        return id(self._task)

    def info(self) -> TaskInfo:
        """Return what is known of it: localid, rank, state, and once it has started pid, once it
        has ended wait_status, exitcode and signaled.
        """
        return self._task.info()

    @property
    def cmd(self) -> TaskCommand:
        """Its command."""
        return TaskCommand(self._task)

    def subprocess(self) -> TaskProcess:
        """Return its process; raises OSError(EAGAIN) before it has started."""
        if not self._task.pid:
            raise OSError(errno.EAGAIN, "the task has not started")
        return TaskProcess(self._task)

    def channel_subscribe(
        self, channel: str, callback: Callable[[TaskHandle, str], object]
    ) -> None:
        """Have ``callback(task, channel)`` called when there is something to read from ``stdout``,
        ``stderr`` or an added channel, and once more at its end.

        What is subscribed to in ``task.init`` does not go into the job's output, unless it is given
        to `output`. The task counts as running until the channel ends. Raises OSError: ENOENT if
        there is no such channel, EEXIST if it has a subscriber; after ``task.init`` the shell
        itself reads stdout and stderr.
        """
        found = self._task.channels.get(channel)
        if found is None:
            raise OSError(errno.ENOENT, f"the task has no channel {channel}")
        what = f"channel {channel}"

        def readable() -> None:
            call_or_die(self._shell, self._plugin, what, callback, self, channel)

        found.subscribe(readable)
        if found.sink is None:
            self._task.holds += 1
            found.on_end = self._released
            if self._task.pid:
                found.watch(self._shell.loop)

    def _released(self) -> None:
        self._task.holds -= 1

    def output(self, stream: str, data: bytes) -> None:
        """Add ``data`` to the job's output as if the task had written it to ``stream``; raises
        OSError(ENOENT) if there is no such stream.
        """
        found = self._task.channels.get(stream)
        if found is None or found.sink is None:
            raise OSError(errno.ENOENT, f"the task has no stream {stream}")
        if data:
            found.sink(data)
