"""``module.*``: modules as clients of today's flux-core ask for them. ``broker.lsmod`` and its like
are 0.29's names for the same.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, NoReply, Reply, Request, Service, request
from broker.tracing import Tracer

if TYPE_CHECKING:
    from broker.context import Context
    from broker.modhost import ModuleHost
    from broker.tracing import Way
    from flux.wire.message import Message


class ModuleService(Service):
    """Lists, loads, removes and traces the modules of this broker."""

    name = "module"

    def __init__(self, ctx: Context, modules: ModuleHost) -> None:
        super().__init__(ctx)
        self._modules = modules
        self._tracer = Tracer(ctx.now, self._rest)

    @request("list")
    def list(self, req: Request) -> Reply:
        """List the loaded modules: the name, file, services and state of each, and for how many
        seconds it has been idle.
        """
        return {"mods": self._modules.list_today()}

    @request("load")
    async def load(self, req: Request) -> None:
        """Load the module ``path``, a name or a file, with ``args``; a file's is called ``name`` if
        that is given. ``exec`` (a process of its own) is refused.
        """
        args = [str(arg) for arg in req.get("args", list, [])]
        if req.get("exec", bool, False):
            raise OSError(errno.ENOTSUP, "modules are not run as processes of their own here")
        path, name = req.get("path", str), req.get("name", str, None)
        try:
            await self._modules.load(path, args, name)
        except OSError as exc:
            if exc.errno == errno.ENOENT and "/" not in path:
                raise OSError(errno.ENOENT, "module not found in search path") from None
            raise

    @request("remove")
    async def remove(self, req: Request) -> None:
        """Unload the module ``name``; ``cancel``, for one that does not end, needs nothing more."""
        name, _ = req.get("name", str), req.get("cancel", bool, False)
        await self._modules.remove(name)

    @request("trace", streaming=True)
    def trace(self, req: Request) -> NoReply:
        """Stream the messages that the modules ``names`` get and send, of the types in ``typemask``
        and with a topic like ``topic_glob``, with their payload if ``full`` is true.
        """
        self._tracer.add(req)
        self._modules.trace(self._saw)
        return NO_REPLY

    @request("trace-cancel")
    def trace_cancel(self, req: Request) -> NoReply:
        """End the sender's trace with match tag ``matchtag``."""
        self._tracer.cancel(req)
        return NO_REPLY

    def _saw(self, name: str, way: Way, msg: Message) -> None:
        self._tracer.saw(way, msg, name)

    def _rest(self) -> None:
        self._modules.trace(None)

    def on_disconnect(self, sender: str) -> None:
        """A client went away, its trace with it."""
        self._tracer.forget(sender)

    async def stop(self) -> None:
        """End the traces."""
        self._tracer.end()
