"""The barrier module: ``barrier.enter`` is answered when as many processes entered as the barrier
is for."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, Reply, Request, Service, event, request
from broker.services.barrier.state import BarrierTable, Report

if TYPE_CHECKING:
    from broker.context import Context
    from flux.wire.message import Message

MAX_NAME = 1024
MAX_PROCESSES = 0x7FFFFFFF


class BarrierService(Service):
    """Barriers among any number of clients on any ranks (flux_barrier).

    ``barrier.enter`` {name, nprocs, count, internal}: ``internal`` marks a rank's report to its
    parent, which carries the user in ``userid``. Everybody is released by the event
    ``barrier.exit`` {name, errnum}.
    """

    name = "barrier"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._table = BarrierTable()
        self._waiting: dict[str, list[Request]] = {}
        self._touched: set[str] = set()
        self._flush_due = False

    @request("enter", allow="guest")
    def enter(self, req: Request) -> Reply:
        """Enter a barrier, or (``internal``) report how many entered below a child."""
        name, nprocs = req.get("name", str), req.get("nprocs", int)
        if req.payload.get("internal"):
            self._enter_internal(req, name, nprocs)
            return None
        if len(name) > MAX_NAME:
            raise OSError(errno.ENAMETOOLONG, f"a barrier's name has at most {MAX_NAME} characters")
        if nprocs > MAX_PROCESSES:
            raise OSError(errno.EINVAL, f"a barrier is for at most {MAX_PROCESSES} processes")
        created = self._table.enter(name, nprocs, req.userid, req.sender)
        self._created(name, nprocs, created and req.is_owner)
        self._waiting.setdefault(name, []).append(req)
        self._touch(name)
        return NO_REPLY

    def _enter_internal(self, req: Request, name: str, nprocs: int) -> None:
        if not req.is_owner:
            raise OSError(errno.EPERM, "only a broker may report for other processes")
        report = Report(name, req.get("count", int), nprocs, req.get("userid", int, req.userid))
        self._created(name, nprocs, self._table.add(report) and report.userid == self.ctx.owner)
        self._touch(name)

    def _created(self, name: str, nprocs: int, created: bool) -> None:
        if created:
            self.ctx.log.debug(f"create {name} {nprocs}")

    def _touch(self, name: str) -> None:
        self._touched.add(name)
        if not self._flush_due:
            self._flush_due = True
            self.ctx.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        touched, self._touched = self._touched, set()
        if self.ctx.rank == 0:
            for name in self._table.complete(touched):
                self._publish_exit(name, 0)
            return
        for report in self._table.take_reports():
            self._report(report)

    def _report(self, report: Report) -> None:
        payload = {
            "name": report.name,
            "count": report.count,
            "nprocs": report.nprocs,
            "userid": report.userid,
            "internal": True,
        }

        def answered(msg: Message) -> None:
            if msg.errnum and report.name in self._table:
                self._publish_exit(report.name, msg.errnum)

        self.ctx.handle.post("barrier.enter", payload, answered, upstream=True)

    def _publish_exit(self, name: str, errnum: int) -> None:
        self.ctx.spawn(
            self.ctx.handle.publish("barrier.exit", {"name": name, "errnum": errnum}),
            "barrier-exit",
        )

    @event("barrier.exit")
    def on_exit(self, ev: Message) -> None:
        """Release everybody who waits in the barrier."""
        body = ev.json()
        name, errnum = body["name"], body.get("errnum", 0)
        nprocs = self._table.end(name)
        if nprocs is not None:
            self.ctx.log.debug(f"destroy {name} {nprocs}")
        for req in self._waiting.pop(name, ()):
            if errnum:
                req.error(errnum, None)
            else:
                req.respond(None)

    def on_disconnect(self, sender: str) -> None:
        """A client that leaves inside a barrier ends it for the others with ECONNABORTED."""
        for name in self._table.entered_by(sender):
            self._publish_exit(name, errno.ECONNABORTED)

    def facts(self) -> dict[str, object]:
        """How many barriers and clients wait here."""
        return {
            "barriers": len(self._table),
            "waiting": sum(len(reqs) for reqs in self._waiting.values()),
        }
