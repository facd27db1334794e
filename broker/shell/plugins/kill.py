"""Signals for the tasks that come as the event ``kill`` of the job's shells (flux-job(1), kill)."""

from __future__ import annotations

import errno
import os

from broker.shell.levels import ERROR, WARNING
from broker.shell.plugin import ShellPlugin


class KillPlugin(ShellPlugin):
    """Sends the tasks what an event asks for."""

    name = "kill"

    def shell_connect(self) -> None:
        """Listen from the first moment: a job may be told to go before it has come."""
        self.shell.peers.events.setdefault("kill", []).append(self._event)

    def _event(self, _subtopic: str, payload: object) -> None:
        signum = payload.get("signum") if isinstance(payload, dict) else None
        if type(signum) is not int:
            self.shell.log(WARNING, "ignoring malformed event", self.name)
            return
        for task in self.shell.tasks:
            try:
                task.kill(signum)
            except (OSError, OverflowError) as error:
                reason = os.strerror(getattr(error, "errno", None) or errno.EINVAL)
                self.shell.log(ERROR, f"kill task {task.rank}: signal {signum}: {reason}")
