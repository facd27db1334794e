"""Sends the tasks a signal some time before the job's time limit (option ``signal``, set by
``--signal=SIG@TIME``).
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Final

from broker.shell.levels import DEBUG, NOTICE
from broker.shell.plugin import ShellPlugin
from flux.duration import parse_fsd
from flux.job.signals import TIMELEFT, WARNING, parse_warning
from flux.job.updates import DURATION, EXPIRATION, updated_jobspec, updated_resources

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.loop import LoopTimer

FORM: Final = "it is {signum, timeleft} or SIG@TIME"


class SignalPlugin(ShellPlugin):
    """Waits until the job is about to expire."""

    name = "signal"
    is_asked_for = True

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._timer: LoopTimer | None = None
        self._running = False

    def wanted(self) -> bool:
        return self.shell.option("signal") is not None

    def shell_init(self) -> None:
        """Read the option; raises OSError(EINVAL) if it is malformed."""
        option = self.shell.option("signal")
        try:
            self._number, self._left = self._asked(option)
        except (ValueError, TypeError):
            raise self.refused("signal", option, FORM) from None
        self.shell.peers.on_expire.append(self._expires_at)

    def _asked(self, option: object) -> tuple[int, float]:
        if isinstance(option, str):
            return parse_warning(option)
        if not isinstance(option, dict):
            if type(option) is int and option == 1:  # without a value
                return WARNING, TIMELEFT
            raise TypeError(FORM)
        number, left = option.get("signum", WARNING), option.get("timeleft", TIMELEFT)
        if type(number) is not int or isinstance(left, bool):
            raise TypeError(FORM)
        seconds = parse_fsd(left) if isinstance(left, str) else float(left)
        if seconds < 0:
            raise ValueError(FORM)
        return int(signal.Signals(number)), seconds

    def _expires_at(self, expiration: float) -> None:
        """The job has another time limit: wait for that, also if the signal was sent before."""
        info = self.shell.info
        info.R = updated_resources(info.R, {EXPIRATION: expiration})
        info.jobspec = updated_jobspec(info.jobspec, {DURATION: 0.0})  # no other limit holds
        if self._running:
            self._stop()
            self._wait()

    def shell_start(self) -> None:
        """Wait, now that there are tasks; a job with less time left gets the signal at once."""
        self._running = True
        self._wait()

    def _wait(self) -> None:
        remaining = self._remaining()
        name = signal.Signals(self._number).name
        if remaining is None:
            self.shell.log(NOTICE, f"job has no expiration, {name} will not be sent", self.name)
            return
        delay = max(0.0, remaining - self._left)
        self.shell.log(DEBUG, f"will send {name} to job in {delay:.1f}s", self.name)
        self._timer = self.shell.loop.call_later(delay, lambda: self._send(remaining - delay))

    def _remaining(self) -> float | None:
        info = self.shell.info
        execution = info.R.get("execution") or {}
        expiration = float(execution.get("expiration") or 0)
        if expiration > 0:
            return expiration - time.time()
        return float(info.system.get("duration") or 0) or None

    def _send(self, left: float) -> None:
        name = signal.Signals(self._number).name
        if self.shell.leader:
            text = f"job will expire in {left:.1f}s, sending {name} to job"
            self.shell.log(NOTICE, text, self.name)
        self.shell.kill_tasks(self._number)

    def shell_finish(self) -> None:
        """All tasks have ended."""
        self._running = False
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
