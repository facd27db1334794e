"""The resource module: every rank reports what it has, rank 0 knows the whole, tells the scheduler
and takes orders.

Reports travel up the tree, joined on the way. Who is online is what the broker of rank 0 says: the
set of ``state-machine.quorum-get`` at the start, then ``overlay.online`` and ``overlay.offline``.
A report is no sign of life, since it may arrive when its rank has gone; but a rank without this
module is not up, as it has not reported or told, when it was unloaded, that it leaves.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
from typing import TYPE_CHECKING

from broker.recovery import recovering
from broker.service import NO_REPLY, NoReply, Request, Service, event, request
from broker.services.resource.discovery import Discovery
from broker.services.resource.documents import Documents, described_resources, documents_in
from broker.services.resource.draining import Draining, require_leader
from broker.services.resource.enclosing import enclosing_resources, expirations
from broker.services.resource.journal import ResourceJournal
from broker.services.resource.options import ModuleOptions, parse_options
from broker.services.resource.reports import Reports
from broker.services.resource.reslog import ResourceLog
from broker.services.resource.sched_status import SchedStatus
from broker.services.resource.state import (
    Inventory,
    Resources,
    hosts_of,
    is_idset,
    ranks_of,
    resource_set,
)
from broker.services.resource.stored import last_method, resources_in, stored_resources
from broker.services.resource.waitup import WaitUp
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.resource.configured import configured_resources
from flux.resource.topology import discover, to_xml
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broker.configuration import Config
    from broker.context import Context
    from flux.eventlog import Entry
    from flux.job.types import ResourceObject
    from flux.wire.message import Message


class ResourceService(Service):
    """``resource.status``, ``drain``, ``undrain``, ``acquire``, ``get-xml``, ``reload``
    (flux-resource(1), RFC 28).
    """

    name = "resource"
    part_types = (Documents, Reports, Draining, WaitUp, ResourceJournal, SchedStatus)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._own: Inventory | None = None
        self._acquired: Request | None = None
        self.state = Resources(ctx.size)
        self._documents = Documents(ctx, self.state)
        self._reports = Reports(ctx, self._documents, self._collect)
        self._log = ResourceLog(ctx)
        self._options = ModuleOptions()
        self._given: ResourceObject | None = None
        self._late_exclusion = ""
        self._discovery = Discovery(ctx, self.state, self._settle)
        self._draining = Draining(ctx, self.state, self._log, self._tell_scheduler)
        self._wait_up = WaitUp(ctx, self.state)
        self._journal = ResourceJournal(ctx, lambda: self.state.resources)
        self._sched_status = SchedStatus(ctx, self.state)
        self._log.on_posted = self._journal.posted
        self._muted = False

    def parts(self) -> Sequence[object]:
        """Return the parts: hwloc XML, the reports of ranks, draining, waiting for ranks, the
        journal, what a scheduler has of it.
        """
        return (
            self._documents,
            self._reports,
            self._draining,
            self._wait_up,
            self._journal,
            self._sched_status,
        )

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        parse_options(args)

    async def start(self, args: list[str]) -> None:
        """Report what this rank has; on rank 0, take up what is known from before as well.

        Raises OSError(EINVAL) for an unknown argument.
        """
        self._options = parse_options(args)
        if self.ctx.rank == 0:
            await self._start_leader()
        topology = discover(restrict=not self.ctx.config.resource.norestrict)
        xml = to_xml(topology)
        digest = hashlib.sha1(xml.encode()).hexdigest()
        cores = IDset(range(len(topology.cores))).encode()
        gpus = IDset(range(topology.gpus)).encode()
        host = self.ctx.attrs.get("hostname") or topology.hostname
        self._own = Inventory(self.ctx.rank, host, cores, gpus, digest)
        self._reports.take([self._own], {digest: xml})

    async def _start_leader(self) -> None:
        self.state.recovering = recovering(self.ctx.attrs)
        entries = await self._log.read()
        self._journal.took(entries)
        self.state.replay(entries)
        found, method, text = await self._known_resources(entries)
        self._exclude_at_start(found)
        answer = await self.ctx.handle.rpc("state-machine.quorum-get", {})
        fake = self.ctx.config.fake_resources is not None
        self.state.begin(IDset(answer["idset"]), force_up=self._options.force_up or fake)
        status = self.state.status()
        context = {key: status[key] for key in ("drain", "online", "exclude")}
        self._log.post("resource-init", {"restart": bool(entries), **context}, self.ctx.now())
        if found is not None:
            self._define(found, method, text)
            if method == "enclosing-instance":
                self.ctx.spawn(self._follow_expiration(), "resource:expiration")
        else:
            self._discovery.begin(IDset(answer.get("lost", "")))
        if len(IDset(answer["idset"]).difference(IDset(0))):
            # Loaded again: the others have reported, to a module that is no more.
            self.ctx.spawn(
                self.ctx.handle.publish("resource.report-again"), "resource-report-again"
            )

    @event("resource.report-again")
    def on_report_again(self, ev: Message) -> None:
        """Rank 0's module was loaded again and knows of no rank but its own."""
        if self.ctx.rank > 0 and self._own is not None:
            self._reports.take([self._own], {})

    async def stop(self) -> None:
        self._discovery.end()
        self._journal.end()
        if self.ctx.rank > 0 and self._own is not None:
            self._reports.leave()

    async def _known_resources(
        self, entries: list[Entry]
    ) -> tuple[ResourceObject | None, str, bytes | None]:
        """Return the R that is known before the brokers report, None if there is none, how it was
        come by, and its text if that is to be kept; raises OSError if it is not fit.
        """
        if self.state.recovering:
            return await self._left_resources(entries)
        fake = self.ctx.config.fake_resources
        if fake is not None:
            from broker.services.resource.fake import METHOD, fake_resources

            self.state.imagine(fake.nnodes)
            return await asyncio.to_thread(fake_resources, fake), METHOD, None
        given = self._given_by(self.ctx.config)
        if given is not None:
            self._given, text = given
            return self._given, "configuration", text
        found = await enclosing_resources(self.ctx)
        if found is not None:
            return found, "enclosing-instance", None
        self._given = await stored_resources(self.ctx, entries, self.ctx.size)
        return self._given, "kvs", None

    async def _left_resources(
        self, entries: list[Entry]
    ) -> tuple[ResourceObject | None, str, bytes | None]:
        """Return the R of the instance that is to be recovered, of whatever size, as
        `_known_resources` does; how that came by it is for its next start.
        """
        found = await stored_resources(self.ctx, (), None)
        if found is not None:
            self.state.imagine(ranks_of(found).last() + 1)
        return found, last_method(entries) or "kvs", None

    def _given_by(self, config: Config) -> tuple[ResourceObject, bytes | None] | None:
        """Return the R that a configuration gives, None if it gives none, and its text if it is in
        a file; raises OSError with the key that is wrong.
        """
        table = config.resource
        try:
            if table.config:
                hosts = list(Hostlist(self.ctx.attrs.get("config.hostlist") or ""))
                return configured_resources(table.config, hosts, self.ctx.size), None
            return None if table.path is None else resources_in(table.path, self.ctx.size)
        except ValueError as exc:
            wrong = OSError(errno.EINVAL, str(exc))
            raise self.ctx.setting_error(("resource", "config"), wrong) from None
        except OSError as exc:
            raise self.ctx.setting_error(("resource", "path"), exc) from None

    # Excluded ranks

    def _exclude_at_start(self, found: ResourceObject | None) -> None:
        """Exclude what the module's argument or the configuration says; hosts that no one knows yet
        are looked up when the brokers have reported.
        """
        text = self._excluded_text(self.ctx.config)
        hosts = list(Hostlist(self.ctx.attrs.get("config.hostlist") or ""))
        self.state.names = hosts_of(found) if found else dict(enumerate(hosts))
        if found is None and not hosts and not is_idset(text):
            self._late_exclusion = text
        else:
            self.state.exclude = self._exclusion(text)

    def _excluded_text(self, config: Config) -> str:
        return self._options.exclude or config.resource.exclude or ""

    def configure(self, config: Config) -> None:
        """Exclude the ranks that the configuration names now; the rest of ``[resource]`` counts
        from the next start on, which it must not fail.
        """
        if self.ctx.rank == 0 and config.resource != self.ctx.config.resource:
            self._given_by(config)
        text = self._excluded_text(config)
        if self.ctx.rank > 0 or text == self._excluded_text(self.ctx.config):
            return
        if self.state.resources is None and not is_idset(text):
            raise OSError(errno.EAGAIN, "hosts to exclude are not known before all have reported")
        ranks = self._exclusion(text, "exclusion idset is out of range")
        self._late_exclusion = ""
        self._exclude(ranks)

    def _exclusion(self, text: str, out_of_range: str | None = None) -> IDset:
        """Return the ranks to exclude; raises OSError(EINVAL), with ``out_of_range`` for a rank
        that is not there, which says where the configuration has the text unless an argument of
        the module has it.
        """
        try:
            return self.state.exclusion(text)
        except OSError as failure:
            exc = failure
            if out_of_range is not None and is_idset(text):
                exc = OSError(errno.EINVAL, out_of_range)
            if self._options.exclude:
                raise exc from None
            raise self.ctx.setting_error(("resource", "exclude"), exc) from None

    def _exclude(self, ranks: IDset) -> None:
        """Exclude ``ranks`` and no others, and say so to the log and the scheduler."""
        added, removed = self.state.replace_excluded(ranks)
        for name, changed in (("exclude", added), ("unexclude", removed)):
            if len(changed):
                self._log.post(name, {"idset": changed.encode()}, self.ctx.now())
        self._tell_scheduler()

    def _exclude_late(self) -> None:
        """Exclude hosts now that all are known; if that is a mistake the instance does not run, as
        if it had been found at the start.
        """
        text, self._late_exclusion = self._late_exclusion, ""
        if not text:
            return
        try:
            self._exclude(self._exclusion(text))
        except OSError as exc:
            self.ctx.log.crit(f"fatal error: {exc.strerror}")
            self.ctx.handle.send("state-machine.shutdown", {"exit_code": 1}, nodeid=0)

    # Inventory that reached rank 0

    def _collect(self, reports: list[Inventory], leaving: IDset) -> None:
        self.state.unload(leaving)
        for item in reports:
            self.state.report(item)
            if self.state.too_late(item):
                self._draining.late(item.rank)
            elif self._given is not None and self._verifies:
                self._draining.verify(self._given, item)
        self._members_changed()
        self._settle()

    def _settle(self) -> None:
        """Make R of what was found once nobody is waited for."""
        if not self.state.complete:
            return
        self._documents.answer_all()
        if self.state.resources is None:
            count = len({item.xml for item in self.state.inventory.values()})
            self.ctx.log.debug(f"xml {len(self.state.inventory)} ranks in {count} objects")
            self._define(resource_set(self.state.inventory.values()), "dynamic-discovery")

    @property
    def _verifies(self) -> bool:
        return self._options.verify and not self.ctx.config.resource.noverify

    def _define(self, resources: ResourceObject, method: str, text: bytes | None = None) -> None:
        self.state.define(resources)
        self._log.post("resource-define", {"method": method}, self.ctx.now())
        stored = json.dumps(resources) if text is None else text
        self.ctx.spawn(self._log.put("resource.R", stored), "resource-R")
        self._exclude_late()
        if self._acquired is not None:
            self._acquired.respond(self.state.acquire())

    async def _follow_expiration(self) -> None:
        """Have the resources expire when the job that is this instance does."""
        async for when in expirations(self.ctx):
            if self.state.expire(when):
                self._log.post("resource-update", {"expiration": when}, self.ctx.now())
                await self._log.put("resource.R", json.dumps(self.state.resources))
                if self._acquired is not None and not self._muted:
                    self._acquired.respond({"expiration": when})

    # Membership

    @event("overlay.online")
    def on_online(self, ev: Message) -> None:
        """Ranks came: give them to the scheduler."""
        if self.ctx.rank == 0:
            self.state.add_brokers(IDset(ev.json()["idset"]))
            self._members_changed()

    @event("overlay.offline")
    def on_offline(self, ev: Message) -> None:
        """Ranks were lost: take them from the scheduler."""
        if self.ctx.rank == 0:
            gone = IDset(ev.json()["idset"])
            self.state.lose_brokers(gone)
            self._discovery.lose(gone)
            self._members_changed()

    def _members_changed(self) -> None:
        """Say to the log and to the scheduler who came and who went."""
        came, went = self.state.update_online()
        for name, word, ranks in (("online", "up", came), ("offline", "down", went)):
            if len(ranks):
                self.ctx.log.debug(f"monitor-batch: {word} {ranks}")
                self._log.post(name, {"idset": ranks.encode()}, self.ctx.now())
        if len(came):
            self._wait_up.changed()
        self._tell_scheduler()

    # The scheduler

    @request("acquire", streaming=True)
    def acquire(self, req: Request) -> NoReply:
        """Stream the resources and every change of availability to the one scheduler (RFC 28)."""
        require_leader(self.ctx)
        if self._acquired is not None:
            raise OSError(errno.EBUSY, "resources are already acquired")
        self._acquired, self._muted = req, False
        if self.state.resources is not None:
            req.respond(self.state.acquire())
        return NO_REPLY

    @request("acquire-cancel")
    def acquire_cancel(self, req: Request) -> NoReply:
        """End the acquisition named by ``matchtag``."""
        held = self._acquired
        if (
            held is not None
            and held.sender == req.sender
            and held.matchtag == req.get("matchtag", int)
        ):
            self._acquired = None
            held.end()
        return NO_REPLY

    @request("acquire-mute")
    def acquire_mute(self, req: Request) -> None:
        """Tell the scheduler that holds resources of no change any more, as when all is about to
        end; the next one to acquire them is told again.
        """
        require_leader(self.ctx)
        self._muted = True

    def on_disconnect(self, sender: str) -> None:
        """The scheduler went away: another may acquire."""
        if self._acquired is not None and self._acquired.sender == sender:
            self._acquired = None
        self._documents.forget(sender)
        self._wait_up.forget(sender)
        self._journal.forget(sender)

    def _tell_scheduler(self) -> None:
        if self._acquired is not None and self.state.resources is not None and not self._muted:
            changes = self.state.take_changes()
            if changes:
                self._acquired.respond(changes)

    # Administrators and users

    @request("status", allow="guest")
    async def status(self, req: Request) -> Mapping[str, object]:
        """Return R and the drained, online, offline and excluded ranks."""
        if self.ctx.rank != 0:
            return await self.ctx.handle.rpc("resource.status", req.payload or None, nodeid=0)
        return self.state.status()

    @request("reload")
    async def reload(self, req: Request) -> None:
        """Replace R by the one in the file ``path``, or with ``xml`` by what the files ``RANK.xml``
        of that directory describe; refused (EBUSY) while a scheduler holds resources, and, without
        ``force``, for ranks that the instance does not have.
        """
        require_leader(self.ctx)
        path, xml = req.get("path", str), req.get("xml", bool, False)
        force = req.get("force", bool, False)
        if xml:
            documents = await asyncio.to_thread(documents_in, path)
            resources = await asyncio.to_thread(described_resources, documents)
        else:
            resources, _ = resources_in(path, None)
        if not force and ranks_of(resources).last() >= self.ctx.size:
            raise OSError(errno.EINVAL, "R contains ranks that are not part of this instance")
        self._require_free()
        if xml:
            self._documents.replace(documents)
        self._define(resources, "reload")

    def _require_free(self) -> None:
        if self._acquired is not None:
            raise OSError(errno.EBUSY, "resources are busy (unload scheduler?)")

    def facts(self) -> dict[str, object]:
        """Ranks by condition and whether a scheduler holds the resources."""
        state = self.state
        return {
            "online": len(state.online),
            "drained": len(state.drained),
            "excluded": len(state.exclude),
            "acquired": self._acquired is not None,
        }
