"""The files that a job's output goes to: one for the job, or for each node or task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from broker.shell.levels import ERROR
from broker.shell.mustache import TagScope, render
from broker.shell.plugins.output_options import APPEND, FILE, open_mode

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.plugins.output_options import Destination
    from broker.shell.task import ShellTask


class OutputFiles:
    """Open files by name; two streams with the same name share one."""

    def __init__(self, shell: ShellContext, to: dict[str, Destination]) -> None:
        self._shell = shell
        self._to = to
        self._fds: dict[str, int] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._mode = os.O_TRUNC
        self._broken: set[str] = set()

    def open(self, *scopes: TagScope, task: ShellTask | None = None) -> None:
        """Open the files of some scopes, those of tasks for one; raises OSError for one that cannot
        be opened.
        """
        for stream, to in self._to.items():
            if to.kind == FILE and to.scope in scopes:
                name = render(to.template, self._shell, TagScope.TASK, task)
                self._names[stream, "" if task is None else str(task.rank)] = name
                self._open(name)

    def _open(self, name: str) -> None:
        if name in self._fds:
            return
        if not self._fds and open_mode(self._shell) == APPEND:
            self._mode = os.O_APPEND
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | self._mode
            self._fds[name] = os.open(name, flags, 0o666)
        except OSError as error:
            text = f"error opening output file '{name}': {error.strerror}"
            self._shell.log(ERROR, text, "output")
            raise

    def write(self, stream: str, rank: str, data: bytes) -> None:
        """Write what a task has written to the file of its stream; after an error, which is logged,
        the rest is dropped.
        """
        name = self._names.get((stream, rank)) or self._names.get((stream, ""), "")
        if name not in self._fds or name in self._broken:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fds[name], view) :]
        except OSError as error:
            self._shell.log(ERROR, f"error writing to '{name}': {error.strerror}", "output")
            self._broken.add(name)

    def close(self) -> None:
        """Close them all."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()
