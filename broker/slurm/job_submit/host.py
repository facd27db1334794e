"""The host of job-submit plugins in the job manager: new jobs and changes go to a process that runs
the plugins, and come back changed or refused.

Jobs that come together go together, in the order they came. One that keeps the process busy for
longer than it may is refused, and those that were with it are looked at again, each by itself.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from broker.configuration.job_submit import LUA
from broker.log import ERR
from broker.plugin_worker import PluginWorker, WorkerLost
from broker.slurm.job_submit.messages import (
    ChangeRequest,
    JobAnswer,
    JobsToCheck,
    JobToCheck,
    LoadAnswer,
    LuaSettings,
    PluginSetup,
    Setup,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from broker.configuration.job_submit import JobSubmitConfig
    from flux.wire.json import JsonObject

MODULE: Final = "broker.slurm.job_submit.child"
NAME: Final = "job-submit"
START_SECONDS: Final = 30.0
BATCH: Final = 64
"""Jobs of one message, at most."""


class NotLoaded(OSError):
    """A plugin cannot be loaded; ``key`` is the place in the configuration."""

    def __init__(self, key: tuple[str | int, ...], errnum: int, text: str) -> None:
        super().__init__(errnum, text)
        self.key = key


class SubmitVerdict(Struct, frozen=True):
    """What plugins say about a job: the ``error`` that it is refused with, else its ``jobspec`` and
    ``urgency`` if they are different; ``lines`` for who submits it.
    """

    error: OSError | None = None
    jobspec: JsonObject | None = None
    urgency: int | None = None
    updates: JsonObject | None = None
    lines: tuple[str, ...] = ()


class JobSubmitHost:
    """The plugins of one configuration; `start` before anything else, `close` in the end.

    ``log`` writes a line with a severity, ``queues`` returns the queues as
    `broker.slurm.job_submit.partitions.Queue` has them, ``uri`` is the broker's.
    """

    def __init__(
        self,
        config: JobSubmitConfig,
        uri: str,
        log: Callable[[int, str], object],
        queues: Callable[[], list[JsonObject]],
    ) -> None:
        self.config = config
        self._queues = queues
        self._log = log
        self._turn = asyncio.Lock()
        setup = Setup(tuple(_setups(config)), uri)
        self._worker = PluginWorker(
            MODULE, NAME, log, setup=msgspec.to_builtins(setup), timeout=START_SECONDS
        )

    async def start(self) -> None:
        """Load the plugins; raises `NotLoaded` for one that cannot be."""
        answer = await self._worker.start()
        loaded = msgspec.convert(answer, LoadAnswer)
        if loaded.plugin:
            await self._worker.close()
            raise NotLoaded(_key_of(self.config, loaded.plugin), loaded.errnum, loaded.text)

    async def close(self) -> None:
        """End the process; jobs that wait fail with ENOSYS."""
        await self._worker.close()

    async def retire(self) -> None:
        """End the process when all jobs that came are looked at."""
        async with self._turn:
            await self._worker.close()

    async def submit(self, jobs: Sequence[JobToCheck]) -> list[SubmitVerdict]:
        """Return what the plugins say about new jobs, in their order."""
        verdicts: list[SubmitVerdict] = []
        async with self._turn:
            while len(verdicts) < len(jobs):
                rest = jobs[len(verdicts) : len(verdicts) + BATCH]
                verdicts += await self._looked_at(rest)
        return verdicts

    async def _looked_at(self, jobs: Sequence[JobToCheck]) -> list[SubmitVerdict]:
        """Return verdicts about the first of ``jobs``, one at least."""
        limit = self.config.time_limit
        message = JobsToCheck(list(jobs), self._queues(), limit / 2)
        try:
            answer = await self._worker.call("submit", _shallow(message), limit)
            answers = msgspec.convert(answer, list[JobAnswer])
            return [
                _verdict(_completed(result, job))
                for result, job in zip(answers, jobs, strict=False)
            ]
        except WorkerLost as exc:
            if len(jobs) == 1:
                self._log(ERR, f"{NAME}: a job of user {jobs[0].userid}: {exc.strerror}")
                return [SubmitVerdict(error=OSError(exc.errno, exc.strerror))]
        except OSError as exc:
            return [SubmitVerdict(error=exc) for _ in jobs]
        found: list[SubmitVerdict] = []  # nobody knows which of them it was
        for job in jobs:
            found += await self._looked_at([job])
        return found

    async def modify(self, change: ChangeRequest) -> SubmitVerdict:
        """Return what the plugins say about a change; raises OSError if they refuse it, with what
        they tell the user in lines before the reason.
        """
        change.queues = self._queues()
        payload = msgspec.to_builtins(change)
        async with self._turn:
            answer = await self._worker.call("modify", payload, self.config.time_limit)
        verdict = _verdict(msgspec.convert(answer, JobAnswer))
        if verdict.error is not None:
            told = "\n".join((*verdict.lines, str(verdict.error.strerror)))
            raise OSError(verdict.error.errno, told)
        return verdict


def _shallow(message: JobsToCheck) -> JsonObject:
    """Return a message as JSON has it, without a copy of every jobspec."""
    jobs = [
        {
            "id": job.id,
            "userid": job.userid,
            "urgency": job.urgency,
            "jobspec": job.jobspec,
        }
        for job in message.jobs
    ]
    return {"jobs": jobs, "queues": message.queues, "budget": message.budget}


def _completed(result: JobAnswer, job: JobToCheck) -> JobAnswer:
    """Put the environment of a job back into its new jobspec, if it has the same."""
    if result.jobspec is not None and result.same_environment:
        before = job.jobspec["attributes"]["system"]["environment"]
        result.jobspec["attributes"]["system"]["environment"] = before
    return result


def _verdict(result: JobAnswer) -> SubmitVerdict:
    error = OSError(*result.refused) if result.refused is not None else None
    lines = tuple(result.lines)
    return SubmitVerdict(error, result.jobspec, result.urgency, result.updates, lines)


def _setups(config: JobSubmitConfig) -> list[PluginSetup]:
    found = []
    for name in config.plugins:
        table = config.tables.get(name, {})
        path = table.get("path")
        lua = _lua_settings(config) if name == LUA else None
        conf = {key: value for key, value in table.items() if key != "path"}
        found.append(PluginSetup(name, path, conf, lua))
    return found


def _lua_settings(config: JobSubmitConfig) -> LuaSettings:
    table = config.lua
    return LuaSettings(
        table.script or "",
        table.version,
        table.instruction_limit,
        table.cluster_name or socket.gethostname(),
        table.refuse_on_error,
    )


def _key_of(config: JobSubmitConfig, plugin: str) -> tuple[str | int, ...]:
    """Return the place in the configuration that says where a plugin is."""
    if plugin == LUA:
        return ("job-submit", LUA, "script")
    if "path" in config.tables.get(plugin, {}):
        return ("job-submit", plugin, "path")
    if plugin in config.tables:
        return ("job-submit", plugin)
    return ("job-submit", "plugins", config.plugins.index(plugin))


def refused_by_rules(text: str) -> OSError:
    """Return the refusal of a job that plugins made something else of than a jobspec may be."""
    return OSError(errno.EINVAL, f"job_submit: the plugins made an invalid job: {text}")
