"""Which jobs the site is asked about, when, and what becomes of its answers.

Jobs that come while the site is being asked are asked about together afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.slurm.priority.site import SiteFactors
from broker.slurm.priority.site_file import NONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.configuration.priority import PriorityConfig
    from broker.jobtap.plugin import JobtapPlugin
    from broker.services.job_manager.states import Job
    from broker.slurm.priority.candidates import Candidate


class SiteQuestions:
    """The site's plugin, if the configuration names one, and the jobs that wait for its word.

    ``rate`` is called with the ids of those that need not wait any more.
    """

    def __init__(
        self,
        plugin: JobtapPlugin,
        config: PriorityConfig,
        candidates: dict[int, Candidate],
        rate: Callable[[list[int]], object],
    ) -> None:
        self._flux = plugin.get_flux()
        self._actions = plugin.host.actions
        self._candidates = candidates
        self._rate = rate
        self._waiting: dict[int, None] = {}
        self._asking = False
        self._begun = False
        self.site = self._new_site(config)

    def _new_site(self, config: PriorityConfig) -> SiteFactors | None:
        if config.site_factor_plugin in (None, NONE):
            return None
        return SiteFactors(config, self._flux.log, self)

    def ids(self) -> list[int]:
        """Return the ids of all active jobs."""
        return list(self._candidates)

    def pair(self, jobid: int) -> tuple[Candidate, Job] | None:
        """Return an active job, None for another id."""
        candidate, job = self._candidates.get(jobid), self._actions.find(jobid)
        return None if candidate is None or job is None else (candidate, job)

    # What happens to jobs

    def changed(self, jobid: int) -> None:
        """A job is not what the site has been told."""
        if self.site is not None:
            self.site.changed(jobid)

    def forget(self, jobid: int) -> None:
        """A job is over."""
        self._waiting.pop(jobid, None)
        if self.site is not None:
            self.site.forget(jobid)

    def must_ask(self, candidate: Candidate) -> bool:
        """Whether a job waits for what the site says about it; it is asked then."""
        if candidate.rated or self.site is None or not self.site.answers:
            return False
        if not self._waiting and self._begun:
            self._actions.call_soon(self._ask_soon)
        self._waiting[candidate.id] = None
        return True

    # Asking

    async def start(self) -> None:
        """Load the plugin; the log says why if it cannot be."""
        if self.site is not None:
            await self.site.start()

    async def begin(self) -> None:
        """Ask about the jobs that wait already, and from now on as soon as there are some."""
        self._begun = True
        await self._ask()

    def _ask_soon(self) -> None:
        if self._waiting and not self._asking and not self._flux.closed:
            self._asking = True
            self._flux.spawn(self._ask(), "site factor")

    async def _ask(self) -> None:
        self._asking = True
        try:
            while self._waiting:
                ids, self._waiting = list(self._waiting), {}
                if self.site is not None:
                    self._take(await self.site.set(ids), ids)
                self._rate(ids)
        finally:
            self._asking = False

    async def ask_about_all(self) -> None:
        """Ask about jobs that the site has not been asked about, and for what has changed."""
        if self.site is None:
            return
        unrated = [one.id for one in self._candidates.values() if not one.rated]
        if unrated:
            self._take(await self.site.set(unrated), unrated)
        if self.site is not None:
            self._take(await self.site.update())

    def _take(self, found: dict[int, int], asked: Iterable[int] = ()) -> None:
        """Take what the site says; of ``asked`` it knows now, if it said anything."""
        for jobid, site in found.items():
            if jobid in self._candidates:
                self._candidates[jobid].site = site
        for jobid in asked:
            if jobid in self._candidates:
                self._candidates[jobid].rated = jobid in found

    # Another configuration, and the end

    async def reconfigure(self, config: PriorityConfig) -> None:
        """Have the plugin follow the configuration."""
        old, new = self.site, self._new_site(config)
        if old is not None and new is not None:
            if await old.reconfigure(config):
                for candidate in self._candidates.values():
                    candidate.rated = False
            return
        self.site = new
        if new is not None:
            await new.start()
        elif old is not None:
            await old.close()
            for candidate in self._candidates.values():
                candidate.site, candidate.rated = 0, False

    async def close(self) -> None:
        """End the plugin."""
        if self.site is not None:
            await self.site.close()
