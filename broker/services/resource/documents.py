"""The hwloc XML of every rank: as the ranks reported it, or as ``flux resource reload --xml`` read
it from files.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, Reply, Request, request
from broker.services.resource.draining import require_leader
from broker.services.resource.state import Inventory, resource_set
from flux.idset import IDset
from flux.resource.hwloc_xml import DescribedMachine, described_machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broker.context import Context
    from broker.services.resource.state import Resources
    from flux.job.types import ResourceObject

MAX_RANK = 1 << 20
MAX_DOCUMENT = 1 << 24
"""Bytes of a file that is read as hwloc XML; large nodes have half a megabyte."""


class Documents:
    """The part of the resource module that has the XML; equal documents are kept once."""

    def __init__(self, ctx: Context, state: Resources) -> None:
        self._ctx = ctx
        self._state = state
        self._by_digest: dict[str, str] = {}
        self._files: dict[int, str] | None = None
        self._waiting: list[Request] = []

    def knows(self, digest: str) -> bool:
        """Whether a rank had this document before."""
        return digest in self._by_digest

    def add(self, xml: Mapping[str, str]) -> None:
        """Take documents, by digest."""
        self._by_digest.update(xml)

    def of(self, reports: Iterable[Inventory]) -> dict[str, str]:
        """Return the documents that reports name, by digest."""
        return {digest: self._by_digest[digest] for digest in {item.xml for item in reports}}

    def replace(self, files: Mapping[int, str]) -> None:
        """Answer with these from now on, by rank, whatever the ranks say of themselves."""
        self._files = dict(files)
        self.answer_all()

    @request("get-xml", allow="guest")
    def get_xml(self, req: Request) -> Reply:
        """Return the hwloc XML of every rank, in rank order, once all have reported; null for one
        that is given up, or that has no file where files were loaded.
        """
        require_leader(self._ctx)
        if self._files is None and not self._state.complete:
            self._waiting.append(req)
            return NO_REPLY
        return self._answer()

    def answer_all(self) -> None:
        """All have reported: answer who waits for that."""
        waiting, self._waiting = self._waiting, []
        for req in waiting:
            req.respond(self._answer())

    def forget(self, sender: str) -> None:
        """``sender`` has gone and waits for nothing any more."""
        self._waiting = [req for req in self._waiting if req.sender != sender]

    def _answer(self) -> dict[str, object]:
        if self._files is not None:
            count = max(self._ctx.size, max(self._files) + 1)
            return {"xml": [self._files.get(rank) for rank in range(count)]}
        found = self._state.inventory
        ranks = range(self._ctx.size)
        return {
            "xml": [self._by_digest[found[rank].xml] if rank in found else None for rank in ranks]
        }


def documents_in(path: str) -> dict[int, str]:
    """Return the files ``RANK.xml`` of a directory, by rank; raises OSError if there is none or one
    cannot be read.
    """
    found: dict[int, str] = {}
    try:
        for file in Path(path).iterdir():
            match = re.fullmatch(r"([0-9]{1,7})\.xml", file.name, re.ASCII)
            if match and int(match[1]) <= MAX_RANK:
                found[int(match[1])] = _text_of(file)
    except ValueError:  # a null byte
        raise OSError(errno.EINVAL, "no directory has such a name") from None
    except OSError as exc:
        raise OSError(exc.errno, f"{exc.filename or path}: {exc.strerror}") from None
    if not found:
        raise OSError(errno.EINVAL, f"{path}: invalid directory: no XML input files found")
    return found


def _text_of(file: Path) -> str:
    with file.open("rb") as stream:
        data = stream.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise OSError(errno.EFBIG, f"more than {MAX_DOCUMENT} bytes", str(file))
    return data.decode("utf-8", "replace")


def described_resources(documents: Mapping[int, str]) -> ResourceObject:
    """Return the R of ranks that are as their hwloc XML says; raises OSError(EINVAL) with the rank
    whose document is wrong.
    """
    machines: dict[str, DescribedMachine] = {}
    for rank, text in documents.items():
        if text not in machines:
            machines[text] = _described(rank, text)
    return resource_set(_item(rank, machines[text]) for rank, text in documents.items())


def _described(rank: int, text: str) -> DescribedMachine:
    try:
        return described_machine(text)
    except OSError as exc:
        problem = f"error building R from hwloc XML: {rank}.xml: {exc.strerror}"
        raise OSError(errno.EINVAL, problem) from None


def _item(rank: int, machine: DescribedMachine) -> Inventory:
    cores, gpus = IDset(range(machine.cores)).encode(), IDset(range(machine.gpus)).encode()
    return Inventory(rank, machine.host or f"rank{rank}", cores, gpus, "")
