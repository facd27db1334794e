"""``broker.*``: modules and the broker's own ping and statistics; ``service.*``: names that clients serve."""

from __future__ import annotations

import errno
from typing import Any

from broker.context import Context
from broker.modhost import ModuleHost
from broker.router import Endpoint, Router
from broker.service import NO_REPLY, Request, Service, request


class BrokerService(Service):
    """The broker as a service."""

    name = "broker"

    def __init__(self, ctx: Context, modules: ModuleHost, router: Router) -> None:
        super().__init__(ctx)
        self.modules = modules
        self.router = router

    @request("lsmod", allow="guest")
    def lsmod(self, req: Request) -> dict[str, Any]:
        """List the loaded modules."""
        return {"mods": self.modules.list()}

    @request("insmod")
    async def insmod(self, req: Request) -> None:
        """Load a module."""
        args = req.payload.get("args", [])
        if not isinstance(args, list):
            raise OSError(errno.EPROTO, "Protocol error")
        await self.modules.load(req.get("path", str), [str(arg) for arg in args])

    @request("rmmod")
    async def rmmod(self, req: Request) -> None:
        """Unload a module."""
        await self.modules.remove(req.get("name", str))

    def stats(self) -> dict[str, Any]:
        """Return the router's counts."""
        return {"event-sequence": self.router.sequence, "endpoints": self.router.endpoint_count}


class NameService(Service):
    """Lets a client serve a name: requests for it are routed to that connection until it ends."""

    name = "service"

    def __init__(self, ctx: Context, router: Router) -> None:
        super().__init__(ctx)
        self.router = router

    def _client(self, req: Request) -> Endpoint:
        endpoint = self.router.endpoint(req.message.routes[0]) if req.message.routes else None
        if endpoint is None:
            raise OSError(errno.EPROTO, "Protocol error")
        return endpoint

    @request("add", allow="guest")
    def add(self, req: Request) -> None:
        """Register a name; a guest's names begin with its user id and a dash."""
        name = req.get("service", str)
        if not req.is_owner and not name.startswith(f"{req.userid}-"):
            raise OSError(errno.EPERM, "Operation not permitted")
        self.router.add_service(name, self._client(req))

    @request("remove", allow="guest")
    def remove(self, req: Request) -> None:
        """Take a name back."""
        self.router.remove_service(req.get("service", str), self._client(req))

    @request("disconnect", allow="guest")
    def disconnect(self, req: Request) -> object:
        """The router forgets a connection's names itself."""
        return NO_REPLY
