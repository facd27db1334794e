"""Who may come in: links that work once, rooms that only their visitor knows, addresses that are
believed.

The link is ``http://127.0.0.1:PORT/#TOKEN``. A browser keeps what follows ``#`` to itself: it is in
no request line, no log and no ``Referer``. The page at ``/`` posts it, and gets a cookie for a path
of its own, the *room*, in exchange. Cookies know hosts and paths but no ports, so a server of
another user on this machine would be sent one for ``/``; it cannot ask for one of a path that it
cannot guess. A link that was used is worth nothing any more, and a new one takes its place.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

ROOMS: Final = 64
"""Visitors that are known at once; the one who came first is forgotten when more come."""
_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def new_secret() -> str:
    """Return 256 random bits, as text that a URL takes as it is."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Admission:
    """What a visitor is given for a link: the name of the room, and the key for its cookie."""

    room: str
    key: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The door stays shut; trying again is pointless for ``seconds``."""

    seconds: float


class Allowance:
    """At most ``burst`` things at once, and one more each ``period`` seconds."""

    def __init__(self, burst: int, period: float) -> None:
        self._burst = burst
        self._period = period
        self._left = float(burst)
        self._counted = 0.0

    def take(self, now: float) -> float:
        """Take one; returns 0, or the seconds until there is one to take."""
        gained = max(now - self._counted, 0.0) / self._period
        self._left = min(self._left + gained, self._burst)
        self._counted = now
        if self._left < 1.0:
            return (1.0 - self._left) * self._period
        self._left -= 1.0
        return 0.0


class Door:
    """The link that has not been used yet, and the keys of those who used one."""

    def __init__(self, make_secret: Callable[[], str] = new_secret) -> None:
        self._make_secret = make_secret
        self.token = make_secret()
        self._keys: dict[str, str] = {}
        self._attempts = Allowance(10, 1.0)

    def enter(self, token: str, now: float) -> Admission | Refused:
        """Exchange the token of the link, which is used up by that.

        Wrong ones are counted, and told to wait; the right one is taken at any time, or whoever
        tries many could keep its owner out.
        """
        if not _same(token, self.token):
            return Refused(self._attempts.take(now))
        self.token = self._make_secret()
        entry = Admission(self._make_secret(), self._make_secret())
        self._keys[entry.room] = entry.key
        while len(self._keys) > ROOMS:
            del self._keys[next(iter(self._keys))]
        return entry

    def admits(self, room: str, key: str) -> bool:
        """Whether ``key`` is the one of that room."""
        return _same(key, self._keys.get(room, "")) and room in self._keys


def _same(given: str, right: str) -> bool:
    # Takes as long for any wrong text; bytes, since it refuses text that is not ASCII.
    return compare_digest(given.encode("utf-8", "replace"), right.encode())


def is_loopback(host: str) -> bool:
    """Whether a ``Host`` header names this machine's loopback, at whatever port: ``ssh -L`` may use
    another at its end.

    A page of a hostile site whose name has come to mean 127.0.0.1 bears that site's name there.
    """
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for one that is no number
    except ValueError:
        return False
    return parts.hostname in _HOSTS and "@" not in host and not parts.path


def is_own_page(origin: str, host: str) -> bool:
    """Whether a request comes from a page of this server: browsers let no page say another
    ``Origin`` than its own, port included.
    """
    return is_loopback(host) and origin == f"http://{host}"
