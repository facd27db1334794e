"""A job that carries a batch script runs it as the initial program of an instance of its own
(flux-mini(1), batch).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from broker.shell.levels import ERROR
from broker.shell.mustache import TagScope, render
from broker.shell.plugin import ShellPlugin

if TYPE_CHECKING:
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject

SCRIPT_MODE = 0o700


class BatchPlugin(ShellPlugin):
    """Writes ``attributes.system.batch.script`` to the job's directory and has the tasks run
    brokers with it.
    """

    name = "batch"

    def wanted(self) -> bool:
        return self.shell.info.system.get("batch") is not None

    @property
    def _batch(self) -> JsonObject:
        batch: JsonObject = self.shell.info.system["batch"]
        return batch

    def _check(self) -> None:
        batch = self.shell.info.system["batch"]
        wrong = ""
        if not isinstance(batch, dict):
            wrong = "it is no object"
        elif not isinstance(batch.get("script"), str):
            wrong = "it has no script"
        elif not isinstance(batch.get("broker-opts") or [], list):
            wrong = "broker-opts is no list"
        if wrong:
            text = f"failed to unpack batch info: {wrong}"
            self.shell.log(ERROR, text, self.name)
            raise OSError(errno.EPROTO, text)

    def shell_init(self) -> None:
        """Write the script where only the owner reads it; it goes away with the job's directory.

        Raises OSError(EPROTO) if the attribute is malformed.
        """
        self._check()
        self._path = os.path.join(self.shell.tmpdir, "script")
        with open(
            os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SCRIPT_MODE), "w"
        ) as file:
            file.write(self._batch["script"])

    def task_init(self, task: ShellTask) -> None:
        """The script's arguments are those of the command; the command itself was only its name.
        Tags in options of the broker are replaced, as in every task's command.
        """
        given = [str(option) for option in self._batch.get("broker-opts") or ()]
        options = [render(option, self.shell, TagScope.TASK, task) for option in given]
        task.argv = ["flux", "broker", *options, self._path, *task.argv[1:]]
