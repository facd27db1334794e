"""What runs on a job's nodes when it is over, ``[job-manager.housekeeping]``: the nodes stay
allocated until it has ended (flux-housekeeping(1)).

The job itself is over at once. Its nodes are given back together, or, once ``release-after`` has
passed, those that are done together and the others one by one.
"""

from __future__ import annotations

import errno
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from broker.initial import REMOVED
from broker.service import Request, request
from flux.idset import IDset
from flux.job.JobID import id_encode
from flux.resource.ResourceSet import ResourceSet
from flux.waitstatus import exit_code_of, signal_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject

STDOUT_AND_STDERR: Final = 3


@dataclass(slots=True)
class Tidied:
    """The nodes of a job that is over: ``pending`` are the ranks where the command runs, ``held``
    those that are not given back yet; ``pids`` are the processes by rank.
    """

    job: Job
    resources: ResourceSet
    t_start: float
    pending: IDset
    held: IDset
    due: bool = False
    pids: dict[int, int] = field(default_factory=dict)

    def done(self, rank: int) -> None:
        """The command has ended on a rank."""
        self.pending = self.pending.difference(IDset(rank))
        self.pids.pop(rank, None)

    def to_release(self) -> IDset:
        """Return the ranks that are to be given back now: all of them when the last one is done;
        before that, once it is ``due``, those that are done.
        """
        if not len(self.pending):
            return self.held.copy()
        return self.held.difference(self.pending) if self.due else IDset()

    def facts(self) -> JsonObject:
        """Return what ``flux housekeeping list`` is told."""
        pending, held = self.pending.encode(), self.held.encode()
        return {"t_start": self.t_start, "pending": pending, "allocated": held}


class Housekeeping:
    """The part of the job manager that tidies up after jobs; ``freed`` is called with the id of a
    job that is over as far as it is concerned, ``give_back`` with resources {id, R, final?} for the
    scheduler.
    """

    def __init__(
        self,
        ctx: Context,
        freed: Callable[[int], None],
        give_back: Callable[[JsonObject], None],
    ) -> None:
        self._ctx = ctx
        self._freed = freed
        self._give_back = give_back
        self._running: dict[int, Tidied] = {}

    def takes(self, job: Job) -> bool:
        """Tell whether something is to run on the nodes of a job."""
        return bool(self._ctx.config.job_manager.housekeeping.command) and bool(job.resources)

    def begin(self, job: Job) -> None:
        """Run the command on the nodes of a job that is over, in place of giving them back."""
        resources = ResourceSet(dict(job.resources or {}))
        ranks = resources.ranks
        tidied = Tidied(job, resources, self._ctx.now(), ranks.copy(), ranks.copy())
        self._running[job.id] = tidied
        self._ctx.log.debug(f"housekeeping: {id_encode(job.id, 'f58')} started")
        config = self._ctx.config.job_manager.housekeeping
        if config.release_after is not None:
            self._ctx.call_later(config.release_after, lambda: self._fall_due(tidied))
        for rank in ranks:
            self._ctx.spawn(
                self._run(tidied, rank, list(config.command)), f"job-manager:tidy:{job.id}:{rank}"
            )
        self._ctx.call_soon(lambda: self._freed(job.id))

    def _fall_due(self, tidied: Tidied) -> None:
        tidied.due = True
        self._release(tidied)

    async def _run(self, tidied: Tidied, rank: int, argv: list[str]) -> None:
        problem = ""
        try:
            status = await self._status(tidied, rank, argv)
            number = signal_of(status)
            if number:
                problem = signal.strsignal(number) or f"signal {number}"
            elif status:
                problem = f"Exit {exit_code_of(status)}"
        except OSError as exc:
            problem = exc.strerror or os.strerror(exc.errno or errno.EIO)
        if problem:
            host = str(tidied.resources.copy_ranks(IDset(rank)).nodelist)
            name = id_encode(tidied.job.id, "f58")
            self._ctx.log.err(f"housekeeping: {host} (rank {rank}) {name}: {problem}")
        tidied.done(rank)
        self._release(tidied)

    async def _status(self, tidied: Tidied, rank: int, argv: list[str]) -> int:
        """Run the command on a rank and return its wait status; raises OSError."""
        env = {name: value for name, value in os.environ.items() if name not in REMOVED}
        env |= {
            "FLUX_JOB_ID": str(tidied.job.id),
            "FLUX_JOB_USERID": str(tidied.job.userid),
            "FLUX_JOB_RANKS": tidied.resources.ranks.encode(),
        }
        command = {"cmdline": argv, "env": env, "cwd": "/", "opts": {}, "channels": []}
        status = 0
        payload = {"cmd": command, "flags": STDOUT_AND_STDERR}
        stream = self._ctx.handle.stream("rexec.exec", payload, nodeid=rank, cancel=None)
        async with stream as answers:
            async for answer in answers:
                kind = answer.get("type")
                if kind == "started":
                    tidied.pids[rank] = int(answer["pid"])
                elif kind == "output":
                    self._log_output(tidied, rank, answer)
                elif kind == "finished":
                    status = int(answer["status"])
        return status

    def _log_output(self, tidied: Tidied, rank: int, answer: JsonObject) -> None:
        from flux.job import io

        chunk = io.decode(answer["io"])
        say = self._ctx.log.err if chunk.stream == "stderr" else self._ctx.log.info
        for line in chunk.data.decode("utf-8", "replace").splitlines():
            say(f"housekeeping: (rank {rank}) {id_encode(tidied.job.id, 'f58')}: {line}")

    def _release(self, tidied: Tidied) -> None:
        """Give back what can be."""
        ranks = tidied.to_release()
        if not len(ranks):
            return
        tidied.held = tidied.held.difference(ranks)
        final = not len(tidied.held)
        part = tidied.resources.copy_ranks(ranks).to_dict()
        payload: JsonObject = {"id": tidied.job.id, "R": part}
        if not final:
            payload["final"] = False
        else:
            self._running.pop(tidied.job.id, None)
            self._ctx.log.debug(f"housekeeping: {id_encode(tidied.job.id, 'f58')} complete")
        self._give_back(payload)

    def holders(self) -> list[JsonObject]:
        """Return what is held, as a scheduler that starts is told."""
        return [
            {
                "id": tidied.job.id,
                "priority": tidied.job.priority,
                "userid": tidied.job.userid,
                "t_submit": tidied.job.t_submit,
                "R": tidied.resources.copy_ranks(tidied.held).to_dict(),
            }
            for tidied in self._running.values()
        ]

    def facts(self) -> JsonObject:
        """Return what runs, by job, and the configuration."""
        config = self._ctx.config.job_manager.housekeeping
        found: JsonObject = {
            "running": {id_encode(id, "f58"): one.facts() for id, one in self._running.items()}
        }
        if config.command:
            found["config"] = {"command": " ".join(config.command)}
            if config.release_after is not None:
                found["config"]["release-after"] = config.release_after
        return found

    @request("housekeeping-kill")
    def kill(self, req: Request) -> None:
        """Send ``signum`` to what runs for the job ``jobid``, -1 for all of them, or on ``ranks``,
        an idset.
        """
        number, wanted = req.get("signum", int), req.get("jobid", int, -1)
        try:
            text = req.get("ranks", str, None)
            ranks = None if text is None else IDset(text)
        except ValueError:
            raise OSError(errno.EPROTO, "ranks is no idset") from None
        if not 0 <= number < signal.NSIG:
            raise OSError(errno.EINVAL, f"{number} is no signal")
        for id, tidied in self._running.items():
            if wanted in (-1, id):
                for rank, pid in tidied.pids.items():
                    if ranks is None or rank in ranks:
                        payload = {"pid": pid, "signum": number}
                        self._ctx.handle.post("rexec.kill", payload, lambda _: None, nodeid=rank)
