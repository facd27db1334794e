"""What ranks have and whether they have the module, on its way up the tree to rank 0.

Each rank joins what its children tell within a turn of its loop, and passes it on. The word that a
module is unloaded goes the same way, so that it does not overtake the report it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from typing import TYPE_CHECKING

from broker.service import Request, request
from broker.services.resource.state import Inventory
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.services.resource.documents import Documents
    from flux.wire.message import Message

RETRY_SECONDS = 0.05


class Reports:
    """The part of the resource module that gathers; on rank 0 ``collect`` gets the inventories and
    the ranks that have left.
    """

    def __init__(
        self,
        ctx: Context,
        documents: Documents,
        collect: Callable[[list[Inventory], IDset], None],
    ) -> None:
        self._ctx = ctx
        self._documents = documents
        self._collect = collect
        self._reports: list[Inventory] = []
        self._leaving = IDset()
        self._flush_due = False

    @request("topo-reduce")
    def topo_reduce(self, req: Request) -> None:
        """Take the inventories of a child and of the ranks below it; ``leaving`` is an idset of
        those whose module has been unloaded.
        """
        reports = [Inventory.from_json(value) for value in req.get("reports", list)]
        xml = req.get("xml", dict)
        leaving = self._ranks_in(req.get("leaving", str, ""))
        for item in reports:
            if not 0 <= item.rank < self._ctx.size or (
                item.xml not in xml and not self._documents.knows(item.xml)
            ):
                raise OSError(errno.EINVAL, f"inventory of rank {item.rank} is not valid")
        self.take(reports, xml, leaving)

    def _ranks_in(self, text: str) -> IDset:
        try:
            ranks = IDset(text)
        except ValueError:
            raise OSError(errno.EPROTO, "malformed idset") from None
        if len(ranks) and ranks.last() >= self._ctx.size:
            raise OSError(errno.EINVAL, f"ranks {ranks} are out of range")
        return ranks

    def take(
        self, reports: list[Inventory], xml: Mapping[str, str], leaving: IDset | None = None
    ) -> None:
        """Gather what is known of ranks until this turn ends; of what is said of a rank within it,
        the last counts.

        A message says of a rank that it left or what it has, or, if it came back within a turn,
        both.
        """
        if leaving is not None:
            self._reports = [item for item in self._reports if not leaving.test(item.rank)]
            self._leaving.add(leaving)
        self._reports += reports
        self._documents.add(xml)
        if not self._flush_due:
            self._flush_due = True
            self._ctx.call_soon(self._flush)

    def leave(self) -> None:
        """This rank's module ends: say so with the last message, which nobody need answer."""
        self.take([], {}, IDset(self._ctx.rank))
        with contextlib.suppress(OSError):  # nobody above is there to be told
            self._ctx.handle.post(
                "resource.topo-reduce", self._gathered(), _ignore_answer, upstream=True
            )

    def _gathered(self) -> dict[str, object]:
        reports, leaving = self._reports, self._leaving
        self._reports, self._leaving = [], IDset()
        payload: dict[str, object] = {
            "reports": [item.to_json() for item in reports],
            "xml": self._documents.of(reports),
        }
        return payload | ({"leaving": leaving.encode()} if len(leaving) else {})

    def _flush(self) -> None:
        self._flush_due = False
        if self._ctx.rank == 0:
            reports, leaving = self._reports, self._leaving
            self._reports, self._leaving = [], IDset()
            self._collect(reports, leaving)
        elif self._reports or len(self._leaving):
            self._ctx.spawn(self._forward(self._gathered()), "resource-report")

    async def _forward(self, payload: dict[str, object]) -> None:
        while True:
            try:
                await self._ctx.handle.rpc("resource.topo-reduce", payload, upstream=True)
                return
            except OSError as exc:
                if exc.errno not in (errno.ENOSYS, errno.EHOSTUNREACH):
                    raise
            await asyncio.sleep(RETRY_SECONDS)


def _ignore_answer(answer: Message) -> None:
    """Do nothing."""
