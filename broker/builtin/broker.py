"""``broker.*``: modules, ping and statistics; ``service.*``: names that clients serve."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, NoReply, Reply, Request, Service, request
from flux.terminal_text import terminal_line
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from broker.modhost import ModuleHost
    from broker.router import Endpoint, Router

MAX_NAME = 256
MAX_VARIABLE = 128 * 1024 - 1
"""Bytes of a variable, ``NAME=VALUE``, with which Linux still starts a program."""
MAX_SERVICES = 10_000
MAX_GUEST_SERVICES = 100
_NAME = re.compile(rf"[^\s.\x00-\x1f\x7f-\x9f\ud800-\udfff]{{1,{MAX_NAME}}}")


def _variable(name: str, text: object) -> bytes | None:
    """Return a variable as a program gets it, None if it cannot be one."""
    if not isinstance(text, str) or not name or "=" in name:
        return None
    try:
        found = os.fsencode(f"{name}={text}")
    except UnicodeEncodeError:
        return None
    return None if b"\0" in found else found


class BrokerService(Service):
    """The broker as a service."""

    name = "broker"

    def __init__(
        self, ctx: Context, modules: ModuleHost, router: Router, finish: Callable[[], None]
    ) -> None:
        """``finish`` ends the broker at once."""
        super().__init__(ctx)
        self.modules = modules
        self.router = router
        self._end_now = finish

    @request("lsmod")
    def lsmod(self, req: Request) -> Reply:
        """List the loaded modules."""
        return {"mods": self.modules.list()}

    @request("insmod")
    async def insmod(self, req: Request) -> None:
        """Load a module."""
        args = req.payload.get("args", [])
        if not isinstance(args, list):
            raise os_error(errno.EPROTO)
        await self.modules.load(req.get("path", str), [str(arg) for arg in args])

    @request("getenv")
    def getenv(self, req: Request) -> Reply:
        """Return those of the variables ``names`` that the broker's environment has, as ``env``."""
        names = [name for name in req.get("names", list) if isinstance(name, str)]
        return {"env": {name: os.environ[name] for name in names if name in os.environ}}

    @request("setenv")
    def setenv(self, req: Request) -> None:
        """Set the variables of ``env`` in the broker's environment, null to unset one: the initial
        program and rc3 have them.
        """
        env = req.get("env", dict)
        for name, value in env.items():
            shown = terminal_line(name[:MAX_NAME])
            variable = _variable(name, "" if value is None else value)
            if variable is None:
                raise OSError(errno.EINVAL, f"the variable {shown!r} cannot be set to that")
            if len(variable) > MAX_VARIABLE:
                raise OSError(errno.E2BIG, f"the value of the variable {shown!r} is too long")
        for name, value in env.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    @request("check-module")
    async def check_module(self, req: Request) -> None:
        """Look whether ``insmod`` with the same ``path`` and ``args`` would be refused if the
        module were not loaded.
        """
        args = req.get("args", list, [])
        await self.modules.check(req.get("path", str), [str(arg) for arg in args])

    @request("restore-module")
    async def restore_module(self, req: Request) -> None:
        """Load the module ``name`` as it was when it was last unloaded."""
        await self.modules.restore(req.get("name", str))

    @request("rmmod")
    async def rmmod(self, req: Request) -> None:
        """Unload a module."""
        await self.modules.remove(req.get("name", str))

    @request("panic")
    def panic(self, req: Request) -> NoReply:
        """End this broker at once, with exit code 1 and ``reason`` on its standard error. There is
        no response.
        """
        reason, _ = req.get("reason", str), req.get("flags", int, 0)
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"PANIC: {terminal_line(reason)}\n")
            sys.stderr.flush()
        self._end_now()
        return NO_REPLY

    def facts(self) -> Mapping[str, object]:
        """Return the router's counts."""
        return {"event-sequence": self.router.sequence, "endpoints": self.router.endpoint_count}


class NameService(Service):
    """Lets a client serve a name: requests for it are routed to that connection until it ends."""

    name = "service"

    def __init__(self, ctx: Context, router: Router) -> None:
        super().__init__(ctx)
        self.router = router
        self._counts: dict[str, int] = {}

    def _client(self, req: Request) -> Endpoint:
        endpoint = self.router.endpoint(req.message.routes[0]) if req.message.routes else None
        if endpoint is None:
            raise os_error(errno.EPROTO)
        return endpoint

    @request("add", allow="guest")
    def add(self, req: Request) -> None:
        """Register a name; a guest's names begin with its user id and a dash."""
        name = req.get("service", str)
        if not req.is_owner and not name.startswith(f"{req.userid}-"):
            raise os_error(errno.EPERM)
        if not _NAME.fullmatch(name):
            raise OSError(
                errno.EINVAL,
                f"service names have 1 to {MAX_NAME} printable characters, no spaces or dots",
            )
        client = self._client(req)
        count = self._counts.get(client.id, 0)
        if count >= (MAX_SERVICES if req.is_owner else MAX_GUEST_SERVICES):
            raise OSError(errno.ENOSPC, f"one client serves at most {count} names")
        self.router.add_service(name, client)
        self._counts[client.id] = count + 1

    @request("remove", allow="guest")
    def remove(self, req: Request) -> None:
        """Serve a name no longer."""
        client = self._client(req)
        self.router.remove_service(req.get("service", str), client)
        self._counts[client.id] = max(0, self._counts.get(client.id, 0) - 1)

    @request("disconnect", allow="guest")
    def disconnect(self, req: Request) -> NoReply:
        """The router forgets a connection's names itself."""
        self._counts.pop(req.sender, None)
        return NO_REPLY
