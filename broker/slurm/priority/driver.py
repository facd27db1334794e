"""The multifactor priority at work: jobs come and go, time passes, priorities follow.

A job has its priority when it needs one. Then, every calculation period, fair share is computed
anew, the site is asked for its factors, and each waiting job gets the priority it has by now, some
hundred jobs in each turn of the loop. Until usage and the size of the machine are known, jobs wait.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.configuration.priority import PriorityFlag
from broker.slurm.priority.candidates import Candidate, Wishes, eligible_since, wishes_of
from broker.slurm.priority.factors import Factors, age_factor, priority_of
from broker.slurm.priority.fair_share import ShareHolder
from broker.slurm.priority.neighbours import MachineSize, keep_usage, load_usage
from broker.slurm.priority.settings import check_wishes, parsed
from broker.slurm.priority.shares import Shares, user_name
from broker.slurm.priority.site import SiteFactors
from broker.slurm.priority.site_file import NONE
from broker.slurm.priority.usage import Association
from flux.constants import (
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
)
from flux.job.describe import allocation
from flux.job.lifecycle import PRIORITY, SCHED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.jobtap.future import PluginFuture
    from broker.jobtap.plugin import Args, JobtapPlugin
    from broker.services.job_manager.states import Job

AT_A_TIME: Final = 500
"""Jobs that get their priority in one turn of the loop."""
SOON: Final = 1.0
"""Seconds after which fair share is computed anew for users who were not known before, and after
which the size of the machine is asked for again.
"""


class RoundStats(Struct):
    """How often all jobs got their priorities anew; of the last time, how many jobs there were, how
    many changed, how many seconds that took, and for how many the site's plugin was waited for.
    """

    count: int = 0
    jobs: int = 0
    changed: int = 0
    seconds: float = 0.0
    site_seconds: float = 0.0


class Multifactor:
    """Gives priorities to the jobs of one instance."""

    def __init__(self, plugin: JobtapPlugin) -> None:
        self.plugin = plugin
        self.flux = plugin.get_flux()
        self.actions = plugin.host.actions
        self.config, self._requires = parsed(plugin.conf)
        self.candidates: dict[int, Candidate] = {}
        self.shares = Shares(self.config, self.flux.now())
        self.machine = MachineSize(self.flux)
        self.factors = self._new_factors()
        self.site = self._new_site()
        self.ready = False
        self._judged: tuple[int, Wishes] | None = None
        self._to_set: dict[int, None] = {}
        self._setting = False
        self._wake = asyncio.Event()
        self._reconfigured = False
        self._newcomers: set[ShareHolder] = set()
        self.rounds = RoundStats()

    def start(self) -> None:
        """Begin to work."""
        self.flux.spawn(self._run(), "rounds")

    async def stop(self) -> None:
        """End: keep the usage, and end the site's plugin; raises OSError if usage is not kept."""
        try:
            if (kept := self.keep_usage()) is not None:
                await kept
        finally:
            if self.site is not None:
                await self.site.close()

    @staticmethod
    def clock() -> float:
        """Return seconds on a clock that never goes back."""
        return asyncio.get_running_loop().time()

    def _new_factors(self) -> Factors:
        return Factors(self.config, self.machine.totals, self.machine.queues, self._requires)

    def _new_site(self) -> SiteFactors | None:
        if self.config.site_factor_plugin in (None, NONE):
            return None
        return SiteFactors(self.config, self.flux.log, self)

    # What happens to jobs

    def validate(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """Refuse a job whose attributes are malformed, or that asks for what its user may not; or
        the change of a job.
        """
        job = args.job
        try:
            wishes = wishes_of(job.jobspec if args.changed is None else args.changed)
            check_wishes(self.config, wishes, job.userid, owner=plugin.host.is_owner(job.userid))
        except OSError as exc:
            plugin.reject_job(args, exc.strerror or str(exc))
        if args.changed is None:
            self._judged = (job.id, wishes)

    def new(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is accepted, or was there before."""
        job = args.job
        if self._judged is not None and self._judged[0] == job.id:
            wishes = self._judged[1]
        else:
            wishes = wishes_of(job.jobspec, strict=False)  # it was accepted by somebody else
        self._judged = None
        candidate = Candidate(job.id, job.userid, *self._told(job, wishes))
        candidate.measure(self.factors)
        self.candidates[job.id] = candidate
        self._changed(job.id)
        if self.config.has(PriorityFlag.ACCRUE_ALWAYS):
            candidate.accrue(job.t_submit or self.flux.now(), self.flux.now(), self.clock())
        elif job.state in (PRIORITY, SCHED):
            since = eligible_since(job.entries)
            if since is not None:
                candidate.accrue(since, self.flux.now(), self.clock())
        if job.has_resources:
            self.begins(plugin, topic, args)

    def _told(self, job: Job, wishes: Wishes) -> tuple[ShareHolder, str, str, Wishes]:
        """Return what a jobspec says, and what counts where it says nothing."""
        account = wishes.account or self.config.default_account
        member = ShareHolder(account, user_name(job.userid))
        return member, job.queue, wishes.qos or self.config.default_qos, wishes

    def may_update(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """Let an attribute be changed that priorities are made of, while the job waits; what it
        may be is told by `validate`.
        """
        if args.job.has_resources:
            plugin.reject_job(args, f"update of {args.key} of a running job is not possible")

    def updated(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """The jobspec of a job has been changed."""
        job, candidate = args.job, self.candidates.get(args.job.id)
        if candidate is None:
            return
        candidate.tell(*self._told(job, wishes_of(job.jobspec, strict=False)))
        candidate.measure(self.factors)
        self._changed(job.id)
        if self.ready and job.state == SCHED:
            self._rate_some([job.id])

    def begins(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job has its resources: they are charged to its user."""
        candidate = self.candidates.get(args.job.id)
        if candidate is not None:
            cores = allocation(args.job.resources).ncores
            who = Association(candidate.member.account, candidate.userid)
            self.shares.usage.begin(args.job.id, who, cores, self.clock())
            self._changed(args.job.id)

    def ends(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """A job is over, or never was."""
        self.candidates.pop(args.job.id, None)
        self.shares.usage.end(args.job.id, self.clock())
        self._to_set.pop(args.job.id, None)
        if self.site is not None:
            self.site.forget(args.job.id)

    def rate(self, plugin: JobtapPlugin, topic: str, args: Args) -> None:
        """Give a job its priority, as far as it can be told."""
        job = args.job
        candidate = self.candidates.get(job.id)
        if candidate is None:
            return
        self._accrue(candidate, job, args)
        self._changed(job.id)
        if self.ready and not self._must_ask_site(candidate):
            args.out["priority"] = self.priority(candidate, job, self.clock())
        elif job.state == PRIORITY:
            plugin.priority_unavail(args)
        else:
            args.out["priority"] = job.priority

    def _accrue(self, candidate: Candidate, job: Job, args: Args) -> None:
        """Have a job age from now on that is not held any more, or depends on nothing any more."""
        if self.config.has(PriorityFlag.ACCRUE_ALWAYS):
            return
        if job.urgency == FLUX_JOB_URGENCY_HOLD:
            candidate.stop()
        elif candidate.since is None:
            when = self.flux.now() if args.entry is None else float(args.entry["timestamp"])
            candidate.accrue(when, self.flux.now(), self.clock())

    def _changed(self, jobid: int) -> None:
        if self.site is not None:
            self.site.changed(jobid)

    # A priority

    def priority(self, candidate: Candidate, job: Job, clock: float) -> int:
        """Return the priority of a job by now."""
        weight = self.config.weight
        weighted = candidate.fixed.total + self.age(candidate, clock) * weight.age
        if weight.fairshare:
            weighted += self.fair_share(candidate.member) * weight.fairshare
        nice = self.factors.nice(candidate.nice, job.urgency)
        value = priority_of(weighted, candidate.site, nice)
        if self.config.has(PriorityFlag.INCR_ONLY) and job.priority < FLUX_JOB_PRIORITY_MAX:
            return max(value, job.priority)
        return value

    def age(self, candidate: Candidate, clock: float) -> float:
        """Return the age factor of a job."""
        if candidate.since is None:
            return 0.0
        return age_factor(clock - candidate.since, self.config.max_age)

    def fair_share(self, member: ShareHolder) -> float:
        """Return the fair-share factor of a user; of one who is seen for the first time it is that
        of somebody without usage until it is computed, which is soon.
        """
        factor = self.shares.factors.get(member)
        if factor is not None:
            return factor
        if not self._newcomers and not self.flux.closed:
            self.flux.call_later(SOON, self._welcome)
        self._newcomers.add(member)
        return self.shares.factors.setdefault(member, 1.0)

    def _welcome(self) -> None:
        self._newcomers.clear()
        self.refresh_shares()
        self.flux.spawn(self.rate_all(), "newcomers")

    def refresh_shares(self) -> None:
        """Compute fair share anew."""
        members = {candidate.member for candidate in self.candidates.values()}
        self.shares.refresh(members, self.flux.now(), self.clock())

    async def rate_all(self) -> None:
        """Give every waiting job the priority it has by now."""
        ids, begun, changed = list(self.candidates), self.clock(), 0
        self.actions.settle(False)
        try:
            for start in range(0, len(ids), AT_A_TIME):
                changed += self._rate_some(ids[start : start + AT_A_TIME])
                await asyncio.sleep(0)
        finally:
            self.actions.settle(True)
        stats = self.rounds
        stats.count, stats.jobs, stats.changed = stats.count + 1, len(ids), changed
        stats.seconds = self.clock() - begun

    def _rate_some(self, ids: list[int]) -> int:
        """Give jobs their priorities; returns how many changed."""
        clock, changed = self.clock(), 0
        for jobid in ids:
            candidate, job = self.candidates.get(jobid), self.actions.find(jobid)
            if candidate is None or job is None or job.state not in (PRIORITY, SCHED):
                continue
            if not FLUX_JOB_URGENCY_HOLD < job.urgency < FLUX_JOB_URGENCY_EXPEDITE:
                continue
            if job.state == SCHED or not self._must_ask_site(candidate):
                value = self.priority(candidate, job, clock)
                if value != job.priority or job.state == PRIORITY:
                    self.actions.rerank(job, value)
                    changed += 1
        return changed

    # The site's factor

    def _must_ask_site(self, candidate: Candidate) -> bool:
        """Whether a job waits for what the site says about it; it is asked then."""
        if candidate.rated or self.site is None or not self.site.answers:
            return False
        if not self._to_set and self.ready:
            self.actions.call_soon(self._set_soon)
        self._to_set[candidate.id] = None
        return True

    def _set_soon(self) -> None:
        if self._to_set and not self._setting and not self.flux.closed:
            self._setting = True
            self.flux.spawn(self._set(), "site factor")

    async def _set(self) -> None:
        """Ask the site about the jobs that wait for it: those that come meanwhile are asked about
        together.
        """
        self._setting = True
        try:
            while self._to_set:
                ids, self._to_set = list(self._to_set), {}
                if self.site is not None:
                    self._take(await self.site.set(ids), ids)
                self._rate_some(ids)
        finally:
            self._setting = False

    def ids(self) -> list[int]:
        """Return the ids of all active jobs."""
        return list(self.candidates)

    def pair(self, jobid: int) -> tuple[Candidate, Job] | None:
        """Return an active job, None for another id."""
        candidate, job = self.candidates.get(jobid), self.actions.find(jobid)
        return None if candidate is None or job is None else (candidate, job)

    def _take(self, found: dict[int, int], asked: Iterable[int] = ()) -> None:
        """Take what the site says; of ``asked`` it knows now, if it said anything."""
        for jobid, site in found.items():
            if jobid in self.candidates:
                self.candidates[jobid].site = site
        for jobid in asked:
            if jobid in self.candidates:
                self.candidates[jobid].rated = jobid in found

    # Rounds

    async def _run(self) -> None:
        try:
            await self._begin()
            while True:
                await self.round()
                try:
                    async with asyncio.timeout(self.config.calc_period):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                self._wake.clear()
        finally:
            if self.site is not None:
                await self.site.close()

    async def _begin(self) -> None:
        """Learn what has to be known before jobs can have their priorities."""
        await load_usage(self.flux, self.shares, self.clock())
        while not await self._measure():
            await asyncio.sleep(SOON)
        if self.site is not None:
            await self.site.start()
        self.refresh_shares()
        self.ready = True
        if self._to_set:
            await self._set()

    async def round(self) -> None:
        """Compute everything anew: the machine, fair share, the site, priorities."""
        if self._reconfigured:
            await self._reconfigure()
        await self._measure()
        self.refresh_shares()
        if self.site is not None:
            begun = self.clock()
            await self._ask_about_all(self.site)
            self.rounds.site_seconds = self.clock() - begun
        await self.rate_all()
        if (kept := self.keep_usage()) is not None:
            kept.then(lambda future: future.get())  # the log says if it fails

    async def _ask_about_all(self, site: SiteFactors) -> None:
        """Ask the site about jobs that it has not been asked about, and for what has changed."""
        unrated = [one.id for one in self.candidates.values() if not one.rated]
        if unrated:
            self._take(await site.set(unrated), unrated)
        self._take(await site.update())

    async def _measure(self) -> bool:
        """Learn how large the machine is; returns whether to go on."""
        known = await self.machine.learn(self._requires)
        if self.machine.changed:
            self._measure_jobs()
        return known

    def _measure_jobs(self) -> None:
        self.factors = self._new_factors()
        for candidate in self.candidates.values():
            candidate.measure(self.factors)

    def keep_usage(self) -> PluginFuture | None:
        """Keep the usage in the KVS, if it is known yet; returns the future of that."""
        return keep_usage(self.flux, self.shares, self.clock()) if self.ready else None

    # Another configuration

    def configured(self) -> None:
        """The configuration was read again."""
        self.config, self._requires = parsed(self.plugin.conf)
        self.shares.configure(self.config, self.flux.now(), self.clock())
        self._measure_jobs()
        self._reconfigured = True
        self._wake.set()

    async def _reconfigure(self) -> None:
        """Have the site's plugin follow the configuration."""
        self._reconfigured = False
        old, new = self.site, self._new_site()
        if old is not None and new is not None:
            if await old.reconfigure(self.config):
                for candidate in self.candidates.values():
                    candidate.rated = False
            return
        self.site = new
        if new is not None:
            await new.start()
        elif old is not None:
            await old.close()
            for candidate in self.candidates.values():
                candidate.site, candidate.rated = 0, False
