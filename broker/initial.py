"""The broker's own programs: the initial program, and rc1 and rc3 when they are scripts."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

from broker.log import ERR, INFO
from broker.subprocess.descendants import kill_with
from flux.child_signal import signal_child
from flux.waitstatus import SIGNALED, code_of_failure

if TYPE_CHECKING:
    from collections.abc import Callable

REMOVED = (
    "FLUX_KVS_NAMESPACE",
    "FLUX_JOB_ID",
    "FLUX_JOB_SIZE",
    "FLUX_JOB_NNODES",
    "FLUX_JOB_TMPDIR",
    "FLUX_TASK_RANK",
    "FLUX_TASK_LOCAL_ID",
    "FLUX_TERMINUS_SESSION",
    "FLUX_CONF_DIR",
    "FLUX_FAKE_HOSTNAME",
    "NOTIFY_SOCKET",
    "PMI_FD",
    "PMI_ID",
    "PMI_JOBID",
    "PMI_PORT",
    "PMI_RANK",
    "SLURM_PROCID",
    "SLURM_STEPID",
    "SLURM_STEP_ID",
    "PMI_SIZE",
)
"""Variables that describe the job this broker runs in, not the instance its programs see."""


def argv_of(command: list[str]) -> list[str]:
    """Return what to execute: several words as they are, one word by a shell, none as an
    interactive shell.
    """
    if not command:
        return [os.environ.get("SHELL") or "/bin/bash"]
    if len(command) == 1:
        return ["/bin/bash", "-c", command[0]]
    return list(command)


def environ_of(uri: str | None) -> dict[str, str]:
    """Return the environment of the instance's programs: the broker's, with the instance's URI."""
    environ = {name: value for name, value in os.environ.items() if name not in REMOVED}
    return environ | {"FLUX_URI": uri or ""}


class Program:
    """One run of a program in the foreground, with the broker's own standard streams."""

    def __init__(self, name: str, argv: list[str], log: Callable[[int, str], None]) -> None:
        self.name = name
        self.argv = argv
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, environ: dict[str, str], *, quiet: bool = False) -> int:
        """Run to the end and return the exit code: the program's, 128 + the signal that killed it,
        126 or 127.
        """
        started = time.monotonic()
        command = " ".join(self.argv)
        die_with_broker = kill_with(os.getpid())
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.argv,
                env=environ,
                stdin=asyncio.subprocess.DEVNULL if quiet else None,
                preexec_fn=lambda: _in_child(die_with_broker),
            )
        except OSError as exc:
            code = code_of_failure(exc)
            self._log(ERR, f"{self.name}: {command}: {os.strerror(exc.errno or 0)}")
            return code
        status = await self._process.wait()
        elapsed = time.monotonic() - started
        if status < 0:
            word = signal.strsignal(-status) or f"signal {-status}"
            self._log(ERR, f"{self.name}: {command} {word} (rc={SIGNALED - status}) {elapsed:.1f}s")
            return SIGNALED - status
        self._log(
            ERR if status else INFO, f"{self.name}: {command} Exited (rc={status}) {elapsed:.1f}s"
        )
        return status

    @property
    def running(self) -> bool:
        """Whether the program has started and not ended."""
        return self._process is not None and self._process.returncode is None

    async def ended(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for the end of the program; returns whether it has
        ended.
        """
        if self._process is None:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def kill(self, signum: int) -> None:
        """Send a signal to the program if it runs."""
        if self._process is not None:
            signal_child(self._process, signum)


async def stop(program: Program, delay: float, *, told: bool) -> None:
    """End a program: SIGTERM, unless it was ``told`` to end already, then SIGHUP and SIGKILL, each
    after ``delay`` seconds.
    """
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        if not (told and signum == signal.SIGTERM):
            program.kill(signum)
        if await program.ended(delay):
            return


def _in_child(die_with_broker: Callable[[], None]) -> None:
    die_with_broker()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGTTOU):
        signal.signal(signum, signal.SIG_DFL)
