"""``connector-local``: programs of this machine connect to the broker through a Unix socket.

The socket is mode 0700 in a directory of mode 0700. A peer is who the kernel says (SO_PEERCRED);
a guest's messages carry the credentials the broker gives them, whatever they claim; those that the
owner's messages carry are kept, so that the owner can act as a guest. A guest answers only what it
was asked, and what a client can make the broker keep is bounded (`limits`). Bytes that are
not RFC 3 end that connection and nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import time
from collections import deque
from typing import TYPE_CHECKING

from broker.log_limit import LineLimit
from broker.places import bind_socket, remove_socket
from broker.service import Service
from broker.services.connector_local import limits
from broker.services.connector_local.client import Client
from broker.services.connector_local.limits import (
    CUT_LINES,
    GUEST_SHARE,
    LOG_PERIOD,
    MAX_USERS,
    Limits,
    Share,
    guest_limits,
    owner_limits,
)
from flux.connect import local_path
from flux.wire import framing
from flux.wire.message import EVENT, Message

if TYPE_CHECKING:
    from broker.configuration import Config
    from broker.context import Context
    from broker.router import Router
    from broker.services.connector_local.interface import ClientConnection


SOCKET_MODES = {False: 0o700, True: 0o777}
"""The socket's mode, by whether guests may connect; the owner's access is root's anyway."""


class ConnectorLocalService(Service):
    """Accepts local clients and makes each an endpoint of the router."""

    name = "connector-local"

    def __init__(self, ctx: Context, router: Router) -> None:
        super().__init__(ctx)
        self.router = router
        self.clients: set[ClientConnection] = set()
        self.accepted = 0
        self.refused = 0
        self.cut_count = 0
        self._lines: dict[int, LineLimit] = {}
        self._shares: dict[int, Share] = {}
        self._limits: tuple[Limits, Limits]
        self._last: tuple[Message, int, bytes] | None = None
        self._watching = False
        self._turns: deque[ClientConnection] = deque()
        self._turn_due = False
        self._server: asyncio.Server | None = None
        self._path = ""

    async def start(self, args: list[str]) -> None:
        self._limits = (owner_limits(self.ctx.attrs), guest_limits(self.ctx.attrs))
        self._path = local_path(self.ctx.attrs.get("local-uri"))
        listener = bind_socket(self._path, SOCKET_MODES[self._allow_guests])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Client(self), sock=listener)
        self.ctx.log.debug(f"allow-guest-user={str(self._allow_guests).lower()}")
        root = self.ctx.config.access.allow_root_owner
        self.ctx.log.debug(f"allow-root-owner={str(root).lower()}")

    @property
    def _allow_guests(self) -> bool:
        asked = self.ctx.attrs.get("access.allow-guest-user") in ("true", "1")
        return asked or self.ctx.config.access.allow_guest_user

    def is_owner(self, userid: int) -> bool:
        """Whether a user acts as the instance owner: root may be let in as that."""
        return userid == self.ctx.owner or (userid == 0 and self.ctx.config.access.allow_root_owner)

    def configure(self, config: Config) -> None:
        """Let others in or keep them out from now on; who is connected stays as it is."""
        before, self.ctx.config = self.ctx.config, config
        try:
            os.chmod(self._path, SOCKET_MODES[self._allow_guests])
        except OSError as exc:
            self.ctx.config = before
            raise OSError(exc.errno, f"{self._path}: {exc.strerror}") from None

    def stop_accepting(self) -> None:
        """Refuse new clients; those connected stay."""
        if self._server is not None:
            self._server.close()
            remove_socket(self._path)

    async def stop(self) -> None:
        self.stop_accepting()
        for client in tuple(self.clients):
            client.close()
        for lines in self._lines.values():
            lines.flush()

    # Who may connect

    def verdict(self, userid: int) -> int:
        """Return 0 to accept a user, else the error number to refuse with: EPERM, or EAGAIN for one
        connection too many.
        """
        if self.is_owner(userid):
            return 0
        if not self._allow_guests:
            return errno.EPERM
        share = self._shares.get(userid)
        most = self._limits[1].connections
        if most is not None and (share.connections if share is not None else 0) >= most:
            return errno.EAGAIN
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        guests = sum(
            share.connections for share in self._shares.values() if share.userid != self.ctx.owner
        )
        return errno.EAGAIN if guests >= descriptors // GUEST_SHARE else 0

    def refuse(self, userid: int, errnum: int) -> None:
        """Count and log a user who may not connect."""
        self.refused += 1
        reason = "it has too many connections" if errnum == errno.EAGAIN else os.strerror(errnum)
        self.complain(userid, f"connection of user {userid} refused: {reason}")

    def complain(self, userid: int, line: str) -> None:
        """Log what a user's client did wrong; each user has so many lines, so that none can hide
        what another does.
        """
        lines = self._lines.get(userid)
        if lines is None:
            if len(self._lines) >= MAX_USERS:
                self._lines.clear()
            lines = self._lines[userid] = LineLimit(
                CUT_LINES, LOG_PERIOD, time.monotonic, self.ctx.log.err
            )
        lines(line)

    # What the users hold

    def share(self, userid: int) -> Share:
        """Return what a user's connections hold."""
        share = self._shares.get(userid)
        if share is None:
            bounds = self._limits[0 if self.is_owner(userid) else 1]
            share = self._shares[userid] = Share(userid, bounds)
        return share

    def dropped(self, share: Share) -> None:
        """Forget a user whose last connection has ended."""
        if not share.connections:
            self._shares.pop(share.userid, None)

    def relieve(self, share: Share) -> None:
        """Cut those of a user's clients that are furthest behind until no more waits for the user
        than may.
        """
        while share.too_much:
            waiting = [
                client for client in self.clients if client.share is share and client.backlog
            ]
            worst = max(waiting, key=lambda client: client.backlog.size, default=None)
            if worst is None:
                return
            worst.cut("is furthest behind of its user's clients")

    def encoded(self, msg: Message) -> bytes:
        """Return a message's bytes; an event that goes to many clients is encoded once and its
        bytes are shared.
        """
        if msg.type != EVENT:
            return framing.pack(msg)
        last = self._last
        if last is not None and last[0] is msg and last[1] == msg.aux1:
            return last[2]
        if last is None:
            self.ctx.call_soon(self._forget_encoded)
        data = framing.pack(msg)
        self._last = (msg, msg.aux1, data)
        return data

    def _forget_encoded(self) -> None:
        self._last = None

    def wait_turn(self, client: ClientConnection) -> None:
        """A client has sent more than a slice: go on with it after the others."""
        self._turns.append(client)
        if not self._turn_due:
            self._turn_due = True
            self.ctx.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        """Take a slice from everyone in line, unless enough waits to be routed; who does not read
        answers comes back later.
        """
        self._turn_due = False
        for _ in range(len(self._turns)):
            if self.router.queued >= limits.MAX_QUEUED:
                break
            client = self._turns.popleft()
            if not client.is_behind and client.take_turn():
                self._turns.append(client)
        if self._turns and not self._turn_due:
            self._turn_due = True
            self.ctx.call_soon(self._next_turn)

    def watch(self) -> None:
        """Look after clients that stand still, from now on."""
        if not self._watching:
            self._watching = True
            self.ctx.call_later(limits.CHECK_PERIOD, self._check, self.ctx.loop_time())

    def _check(self, begun: float) -> None:
        now = self.ctx.loop_time()
        late = max(0.0, now - begun - limits.CHECK_PERIOD)
        for client in self.clients:
            client.excuse(late)
        again = [client.check(now) for client in tuple(self.clients)]
        self._watching = False
        if any(again):
            self.watch()

    # Answers

    def facts(self) -> dict[str, int]:
        """Return how many clients are connected, were accepted, refused and cut, and how many bytes
        wait for them.
        """
        return {
            "clients": len(self.clients),
            "accepted": self.accepted,
            "refused": self.refused,
            "cut": self.cut_count,
            "waiting": sum(share.events + share.answers for share in self._shares.values()),
            "received": sum(share.half for share in self._shares.values()),
        }

    def stats_clear(self) -> None:
        """Forget how many were accepted, refused and cut."""
        self.accepted = self.refused = self.cut_count = 0
