"""ValidatorProcess processes that check jobspecs with plugins of flux.job.validator, when the
module is told to use any.

A worker is ``python -m flux.job.validator``: one JSON object a line in, one a line out, in order.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from broker.services.job_ingest.options import ValidatorOptions
from flux.child_signal import signal_child
from flux.constants import FLUX_JOB_NOVALIDATE
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.services.job_ingest.submission import Submission

READY_WITHIN: Final = 8.0
"""Seconds in which plugins have to be loaded when they are looked at; a module has 10 to accept a
configuration."""
_LINE_LIMIT: Final = 1 << 24
_USAGE: Final = 2
"""Exit code of a worker that does not know an argument, and how its last line begins then."""
_USAGE_PREFIX: Final = "error: "
_CRITICAL: Final = "CRITICAL: "


class ArgumentsRefused(OSError):
    """The plugins are there, but do not take the arguments they are given."""


LOST: Final = "Unrecoverable error: validator unexpectedly exited"


class ValidatorProcess:
    """One worker process, started with the first job it is given; ``ended`` is called with its exit
    code, or the negative number of a signal, if it ends by itself.
    """

    def __init__(self, command: list[str], uri: str, ended: Callable[[int], object]) -> None:
        self._command = command
        self._ended = ended
        self._closing = False
        self._uri = uri
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[tuple[int, str]]] = deque()
        self._starting = asyncio.Lock()

    @property
    def load(self) -> int:
        """How many jobs it is checking."""
        return len(self._waiting)

    async def validate(self, line: bytes) -> tuple[int, str]:
        """Return (errnum, text) for a job; errnum is 0 for a valid one."""
        async with self._starting:
            if self._process is None:
                await self._start()
        process = self._process
        if process is None or process.stdin is None:
            return errno.EIO, "job validator cannot be started"
        future: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        process.stdin.write(line)
        return await future

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            env={**os.environ, "FLUX_URI": self._uri},
        )
        self._reader = asyncio.get_running_loop().create_task(
            self._read(self._process), name="job-ingest:validator"
        )

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        reason = ""
        try:
            await self._read_answers(process)
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = "job validator's answer is malformed"
            signal_child(process, signal.SIGKILL)
        code = await process.wait()
        self._process = None
        if not self._closing:
            self._ended(code)
        for future in self._waiting:
            if not future.done():
                future.set_result((errno.EPROTO, reason or LOST))
        self._waiting.clear()

    async def _read_answers(self, process: asyncio.subprocess.Process) -> None:
        stdout = process.stdout
        while stdout is not None and (line := await stdout.readline()):
            answer = json.loads(line)
            verdict = int(answer["errnum"]), str(answer.get("errstr") or "")
            if self._waiting:
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(verdict)

    async def close(self) -> None:
        """End the process."""
        self._closing = True
        process, reader = self._process, self._reader
        if process is not None and process.stdin is not None:
            process.stdin.close()
        if reader is not None:
            try:
                async with asyncio.timeout(2.0):
                    await asyncio.shield(reader)
            except TimeoutError:
                if process is not None:
                    signal_child(process, signal.SIGKILL)
                await reader


class ValidatorPool:
    """The workers of one rank, whose plugins reach the broker at ``uri``; none unless validator
    plugins are configured. ``say`` is called with a sentence about one that ends by itself.
    """

    def __init__(
        self,
        uri: str,
        options: ValidatorOptions | None = None,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.options = options or ValidatorOptions()
        plugins = self.options.plugins
        self.enabled = bool(plugins)
        self._uri = uri
        self._command = [
            sys.executable,
            "-m",
            "flux.job.validator",
            f"--plugins={plugins}",
            *self.options.args,
        ]
        count = self.options.count if plugins else 0
        self._workers = [
            ValidatorProcess(self._command, uri, partial(self._ended, number))
            for number in range(count)
        ]
        self._say = say

    async def check(self) -> None:
        """Load the plugins once, in a process of their own, as the workers will.

        Raises OSError(EINVAL) with what they say if there is no such plugin or it cannot be loaded,
        ArgumentsRefused for an argument, OSError(ETIMEDOUT) if that takes too long.
        """
        if not self.enabled:
            return
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "FLUX_URI": self._uri},
        )
        try:
            async with asyncio.timeout(READY_WITHIN):
                _, said = await process.communicate()
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, "the validator plugins do not get ready") from None
        finally:
            if process.returncode is None:
                signal_child(process, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            lines = said.decode(errors="replace").strip().splitlines()
            text = lines[-1] if lines else f"job validator exited with code {process.returncode}"
            text = text.removeprefix("flux-job-validator: ").removeprefix(_USAGE_PREFIX)
            text = text.removeprefix(_CRITICAL)
            kind = ArgumentsRefused if process.returncode == _USAGE else OSError
            raise kind(errno.EINVAL, text)

    def _ended(self, number: int, code: int) -> None:
        self._say(f"validator[{number}]: exited with rc={code}")

    def skips(self, item: Submission) -> bool:
        """Whether a submission asked not to be validated."""
        return bool(item.flags & FLUX_JOB_NOVALIDATE)

    async def validate(self, item: Submission) -> None:
        """Have the least busy worker check a submission; raises OSError with its verdict."""
        worker = min(self._workers, key=lambda candidate: candidate.load)
        info = {
            "jobspec": item.jobspec,
            "userid": item.userid,
            "urgency": item.urgency,
            "flags": item.flags,
        }
        errnum, text = await worker.validate(json.dumps(info) + b"\n")
        if errnum:
            raise OSError(errnum, text or "rejected by the job validator")

    async def close(self) -> None:
        """End the workers."""
        for worker in self._workers:
            await worker.close()
