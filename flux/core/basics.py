"""What every module answers (RFC 5, flux-module(1)), for modules that run with a blocking handle:
ping, stats, rusage, debug, shutdown.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from flux.wire import message as wire
from flux.wire.counters import MessageCounters
from flux.wire.errors import OWNER_ONLY, os_error
from flux.wire.message import ROLE_OWNER

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.interface import Sender

OPEN_TO_GUESTS: Final = frozenset({"ping", "rusage"})
"""Whoever may connect may ask these; counters and debug bits are the owner's, as in the broker's
own services (``broker.service``)."""


class ModuleBasics:
    """The answers of the module ``name``."""

    def __init__(
        self, name: str, hops: tuple[str, ...] = (), running: Callable[[], object] = bool
    ) -> None:
        """``hops`` end the route of a ping: the broker, and the module in it. ``running`` is called
        whenever the module begins to wait for messages.
        """
        self.name = name
        self.running = running
        self._hops = hops
        self.debug_flags = 0
        self.counters = MessageCounters()

    def answer(self, handle: Sender, msg: wire.Message) -> bool:
        """Answer a request for this module; returns False for one of which it knows nothing."""
        service, _, method = (msg.topic or "").rpartition(f"{self.name}.")
        if service:
            return False
        action = {
            "ping": self._ping,
            "stats.get": self._stats,
            "stats-get": self._stats,
            "stats.clear": self._clear,
            "stats-clear": self._clear,
            "rusage": self._rusage,
            "debug": self._debug,
            "config-reload": self._config_reload,
        }.get(method)
        if action is None:
            return False
        if not msg.noresponse:
            try:
                if method not in OPEN_TO_GUESTS and not msg.rolemask & ROLE_OWNER:
                    raise OSError(errno.EPERM, OWNER_ONLY)
                handle.send_wire(wire.response(msg, action(msg)))
            except OSError as exc:
                handle.send_wire(wire.response(msg, exc.strerror, errnum=exc.errno or errno.EPROTO))
        return True

    def received(self, messages: list[wire.Message]) -> None:
        """Count messages that have come."""
        for msg in messages:
            self.counters.rx[msg.type] += 1

    def debug_test(self, mask: int, *, clear: bool = False) -> bool:
        """Return whether debug flags of ``mask`` are set, and clear them if that is asked for."""
        found = self.debug_flags & mask
        if clear:
            self.debug_flags &= ~mask
        return bool(found)

    def _ping(self, msg: wire.Message) -> dict[str, object]:
        sender = {
            "route": "!".join([*reversed(msg.routes), *self._hops]),
            "userid": msg.userid,
            "rolemask": msg.rolemask,
        }
        return {**(msg.json() or {}), **sender}

    def _stats(self, msg: wire.Message) -> dict[str, int]:
        return self.counters.as_object()

    def _clear(self, msg: wire.Message) -> None:
        self.counters.clear()

    def _rusage(self, msg: wire.Message) -> dict[str, float]:
        import resource

        usage = resource.getrusage(resource.RUSAGE_THREAD)
        return {
            name.removeprefix("ru_"): getattr(usage, name)
            for name in dir(usage)
            if name.startswith("ru_")
        }

    def _config_reload(self, msg: wire.Message) -> None:
        """A module that has no use for the broker's configuration takes any."""

    def _debug(self, msg: wire.Message) -> dict[str, int]:
        body = msg.json() or {}
        operation, flags = body.get("op"), body.get("flags")
        if operation not in ("setbit", "clrbit", "set", "clr") or not isinstance(flags, int):
            raise os_error(errno.EPROTO)
        before = self.debug_flags
        self.debug_flags = {
            "setbit": before | flags,
            "clrbit": before & ~flags,
            "set": flags,
            "clr": 0,
        }[operation]
        return {"flags": self.debug_flags}
