"""``attr.*``: the broker's attributes."""

from __future__ import annotations

import errno
from typing import Final

from broker.attribute_table import AT_START, FACTS, NEVER_LISTED
from broker.attributes import IMMUTABLE, READONLY
from broker.service import Answer, Reply, Request, Service, request
from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.wire.errors import os_error

HOSTLIST: Final = "hostlist"
MAX_NAME = 1024
MAX_VALUE = 1 << 20
MAX_ATTRIBUTES = 10_000


class AttrService(Service):
    """Answers attribute requests from the broker's own table."""

    name = "attr"

    @request("get", allow="guest")
    def get(self, req: Request) -> Answer:
        """Return a value and its flags; ENOENT when it has none."""
        name = req.get("name", str)
        value = self.ctx.attrs.get(name)
        if value is None and name == HOSTLIST:
            return self._hosts()
        if value is None:
            raise os_error(errno.ENOENT)
        return {"value": value, "flags": self.ctx.attrs.flags(name)}

    async def _hosts(self) -> Reply:
        """Return the hosts of all ranks, which rank 0 knows once the brokers have reported; raises
        OSError(ENOENT) before that, or if the resources are not those of every rank.
        """
        try:
            status = await self.ctx.handle.rpc("resource.status", nodeid=0)
            execution = status["R"]["execution"]
            ranks = sum(len(IDset(str(entry["rank"]))) for entry in execution["R_lite"])
            hosts = Hostlist(list(execution["nodelist"]))
        except (OSError, ValueError, LookupError, TypeError):
            raise os_error(errno.ENOENT) from None
        if not ranks == len(hosts) == self.ctx.size:
            raise os_error(errno.ENOENT)
        return {"value": hosts.encode(), "flags": IMMUTABLE}

    @request("set")
    def set(self, req: Request) -> None:
        """Change or add an attribute {name, value} whose change counts."""
        name, value = req.get("name", str), req.get("value", str)
        if (
            not 0 < len(name) <= MAX_NAME
            or not name.isprintable()
            or len(value) > MAX_VALUE
            or "\0" in value
        ):
            raise OSError(
                errno.EINVAL,
                f"attributes have printable names of up to {MAX_NAME} characters,"
                f" {MAX_VALUE} in the value",
            )
        if name not in self.ctx.attrs and len(self.ctx.attrs) >= MAX_ATTRIBUTES:
            raise OSError(errno.ENOSPC, f"there are {MAX_ATTRIBUTES} attributes already")
        self._check_changeable(name)
        self.ctx.attrs.set(name, value)

    @request("rm")
    def remove(self, req: Request) -> None:
        """Delete an attribute."""
        name = req.get("name", str)
        self._check_changeable(name)
        self.ctx.attrs.remove(name)

    def _check_changeable(self, name: str) -> None:
        """Raise OSError(EPERM) for an attribute whose change would be believed and mean nothing."""
        attrs = self.ctx.attrs
        if name in attrs and attrs.flags(name) & (IMMUTABLE | READONLY):
            return  # the table of attributes refuses it, in the words of flux-core
        if name in FACTS:
            raise OSError(errno.EPERM, f"{name} states a fact, it may not be set")
        if name in AT_START:
            raise OSError(errno.EPERM, f"{name} is read at the start, it may not be set now")
        if name == "content.backing-path" and attrs.get("content.backing-module"):
            raise OSError(errno.EPERM, f"{name} may not be set while there is a backing store")

    @request("list", allow="guest")
    def list(self, req: Request) -> Reply:
        """Return the names of all attributes, but for those that 0.29 does not have."""
        return {"names": [name for name in self.ctx.attrs if name not in NEVER_LISTED]}
