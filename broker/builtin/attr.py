"""``attr.*``: the broker's attributes."""

from __future__ import annotations

import errno
from typing import Any

from broker.service import Request, Service, request


class AttrService(Service):
    """Answers attribute requests from the broker's own table."""

    name = "attr"

    @request("get", allow="guest")
    def get(self, req: Request) -> dict[str, Any]:
        """Return a value and its flags; ENOENT when it has none."""
        name = req.get("name", str)
        value = self.ctx.attrs.get(name)
        if value is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        return {"value": value, "flags": self.ctx.attrs.flags(name)}

    @request("set")
    def set(self, req: Request) -> None:
        """Change or add an attribute."""
        self.ctx.attrs.set(req.get("name", str), req.get("value", str))

    @request("rm")
    def remove(self, req: Request) -> None:
        """Delete an attribute."""
        self.ctx.attrs.remove(req.get("name", str))

    @request("list", allow="guest")
    def list(self, req: Request) -> dict[str, Any]:
        """Return the names of all attributes."""
        return {"names": list(self.ctx.attrs)}
