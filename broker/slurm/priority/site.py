"""The site's own factor, computed by a plugin that runs in a process of its own.

The process keeps the list of jobs; with each call it is told what has changed since the last one.
A plugin that fails, takes too long or ends harms nobody: jobs keep the site factors they have, the
log says so once, and a while later the process is started again.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Final, Protocol

from broker.log import ERR, INFO
from broker.plugin_worker import PluginWorker, WorkerLost
from broker.slurm.constants import NICE_OFFSET
from broker.slurm.priority.job_record import record_of
from broker.slurm.priority.site_file import NONE, SiteFile, read_site_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from broker.configuration.priority import PriorityConfig
    from broker.services.job_manager.states import Job
    from broker.slurm.priority.candidates import Candidate

    Pair = tuple[Candidate, Job]

CHILD: Final = "broker.slurm.priority.site_child"
START_WITHIN: Final = 20.0
"""Seconds for a process to start and to load its plugin, at least: the machine may be busy."""
REST: Final = 60.0
"""Seconds for which a plugin is left alone that took too long or ended its process."""
_AGAIN: Final = f"jobs keep their site factors, it is tried again in {REST:g} seconds"
_NEVER: Final = "jobs have no site factor until the configuration is read again"


class Jobs(Protocol):
    """Where the active jobs are."""

    def ids(self) -> Iterable[int]:
        """Return the ids of all of them."""

    def pair(self, jobid: int) -> Pair | None:
        """Return one of them, None if there is no such job."""


class SiteFactors:
    """One plugin of the configuration; ``log`` takes a severity of syslog(3) and a text, ``jobs``
    are all there are.
    """

    def __init__(
        self, config: PriorityConfig, log: Callable[[int, str], object], jobs: Jobs
    ) -> None:
        self._config = config
        self._log = log
        self._jobs = jobs
        self._worker: PluginWorker | None = None
        self._file: SiteFile | None = None
        self._turn = asyncio.Lock()
        self._known: set[int] = set()
        self._changed: set[int] = set()
        self._gone: set[int] = set()
        self._rests_until = float("-inf")
        self._said: dict[str, float] = {}

    @property
    def answers(self) -> bool:
        """Whether the plugin is to be asked now."""
        return self._worker is not None and _clock() >= self._rests_until

    @property
    def worker(self) -> PluginWorker | None:
        """The process, None while no plugin is loaded."""
        return self._worker

    # The plugin

    async def start(self) -> None:
        """Load the plugin; the log says why if it cannot be."""
        try:
            await self._replace(self._config)
        except OSError as exc:
            self._log(ERR, f"{self._config.site_factor_plugin}: {exc.strerror}: {_NEVER}")

    async def reconfigure(self, config: PriorityConfig) -> bool:
        """Follow a configuration that was read again: with the same plugin, whose file has not
        changed, it calls its ``site_factor_p_reconfig``; otherwise it loads the plugin anew and
        returns True. One that is broken is not loaded: the one before goes on, and the log says so.
        """
        before, self._config = self._config, config
        try:
            file = await self._read(config)
            if self._worker is None or file != self._file:
                await self._replace(config, file)
                return True
        except OSError as exc:
            loaded = self._file is not None and self._worker is not None
            then = "the one loaded before goes on" if loaded else _NEVER
            self._log(ERR, f"{config.site_factor_plugin}: {exc.strerror}: {then}")
        if self._worker is not None:
            self._worker.setup = {**self._worker.setup, **_settings(config)}
            if before.site_factor_timeout != config.site_factor_timeout:
                self._rests_until = float("-inf")
            await self._call("reconfig", _settings(config))
        return False

    @staticmethod
    async def _read(config: PriorityConfig) -> SiteFile | None:
        plugin = config.site_factor_plugin or NONE
        if plugin == NONE:
            return None
        return await asyncio.to_thread(read_site_file, plugin, config.site_factor_path)

    async def _replace(self, config: PriorityConfig, file: SiteFile | None = None) -> None:
        """Load the plugin in a new process, and end the old one if that worked; raises OSError."""
        file = file or await self._read(config)
        fresh: PluginWorker | None = None
        if file is not None:
            setup = {**file._asdict(), **_settings(config)}
            fresh = PluginWorker(
                CHILD,
                file.name,
                self._log,
                setup=setup,
                timeout=max(START_WITHIN, config.site_factor_timeout),
            )
            try:
                await fresh.start()
            except BaseException:
                await fresh.close()
                raise
            self._log(INFO, f"{file.name}: loaded from {file.path}")
        before, self._worker, self._file = self._worker, fresh, file
        self._known.clear()
        self._gone.clear()
        self._rests_until = float("-inf")
        self._said.clear()
        if before is not None:
            await before.close()

    async def close(self) -> None:
        """End the plugin: its ``fini`` is called."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.close()

    # The jobs

    def changed(self, jobid: int) -> None:
        """A job is not what the plugin has been told."""
        self._changed.add(jobid)

    def forget(self, jobid: int) -> None:
        """A job is over."""
        self._changed.discard(jobid)
        if self._worker is not None:
            self._gone.add(jobid)

    async def set(self, ids: Sequence[int]) -> dict[int, int]:
        """Have ``site_factor_p_set`` called for jobs; returns what it makes of each, those of which
        it cannot be told left out.
        """
        return await self._ask("set", ids)

    async def update(self) -> dict[int, int]:
        """Have ``site_factor_p_update`` called; returns what has changed."""
        return await self._ask("update", ())

    async def _ask(self, method: str, asked: Sequence[int]) -> dict[int, int]:
        async with self._turn:  # what is told depends on what was told before
            return await self._ask_now(method, asked)

    async def _ask_now(self, method: str, asked: Sequence[int]) -> dict[int, int]:
        for _ in range(2):
            if not self.answers:
                return {}
            gone, told = list(self._gone), self._news(asked)
            ids = {candidate.id for candidate, _ in told}
            payload = {
                "known": len(self._known),
                "gone": gone,
                "jobs": [record_of(*pair) for pair in told],
                "priorities": self._priorities() if method == "update" else [],
                "ask": list(asked),
            }
            self._changed.clear()  # what changes while the plugin is asked is told the next time
            try:
                answer = await self._call(method, payload)
            except _Stale:
                self._known.clear()  # a process that was started again knows nothing
                self._gone.clear()
                continue
            if answer is None:
                self._changed |= ids
                return {}
            self._known = self._known.difference(gone) | ids
            self._gone.difference_update(gone)
            return self._factors(method, answer)
        return {}

    def _news(self, asked: Sequence[int]) -> list[Pair]:
        """Return the jobs that the plugin does not know, or not as they are; all of them if it
        knows none.
        """
        wanted = {*asked, *self._changed} if self._known else self._jobs.ids()
        return [pair for jobid in wanted if (pair := self._jobs.pair(jobid)) is not None]

    def _priorities(self) -> list[list[int]]:
        pairs = map(self._jobs.pair, self._jobs.ids())
        return [[pair[1].id, pair[1].priority] for pair in pairs if pair and pair[1].priority >= 0]

    async def _call(self, method: str, payload: object) -> object:
        """Call the process; what goes wrong is logged. Raises `_Stale` if it lacks jobs."""
        worker = self._worker
        if worker is None:
            return None
        try:
            return await worker.call(method, payload, self._config.site_factor_timeout)
        except WorkerLost as exc:
            if self._worker is worker:
                self._rests_until = _clock() + REST
                self._complain(f"{exc.strerror} in {_FUNCTIONS[method]}: {_AGAIN}")
        except OSError as exc:
            if exc.errno == errno.ESTALE:
                raise _Stale from None
            if self._worker is worker:
                self._complain(f"{worker.name}: {exc.strerror}")
                if worker.pid is None:  # it could not be loaded again
                    self._rests_until = _clock() + REST
        return None

    def _factors(self, method: str, answer: object) -> dict[int, int]:
        """Return the factors in an answer, without the offset."""
        match answer:
            case {"factors": list(rows), "failures": list(failures)}:
                for text in failures:
                    self._complain(f"{self._name}: {_FUNCTIONS[method]}: {text}")
                return {jobid: factor - NICE_OFFSET for jobid, factor in rows}
            case _:
                return {}

    @property
    def _name(self) -> str:
        return self._worker.name if self._worker is not None else "site factor"

    def _complain(self, text: str) -> None:
        """Log a failure, the same one once in a while only."""
        now = _clock()
        if now - self._said.get(text, float("-inf")) >= REST:
            if len(self._said) > _DIFFERENT:
                self._said.clear()
            self._said[text] = now
            self._log(ERR, text)


class _Stale(Exception):
    """The process does not know the jobs that it should."""


_DIFFERENT: Final = 64
_FUNCTIONS: Final = {
    "set": "site_factor_p_set",
    "update": "site_factor_p_update",
    "reconfig": "site_factor_p_reconfig",
}


def _settings(config: PriorityConfig) -> dict[str, object]:
    return {
        "parameters": config.site_factor_parameters,
        "calc_period": config.calc_period,
    }


def _clock() -> float:
    return asyncio.get_running_loop().time()
