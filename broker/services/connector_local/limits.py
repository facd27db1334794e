"""How much of the broker's memory the clients of this machine may take, per connection and per
user, with every number in one place.

Three things pile up without the broker's doing: messages that a client does not read, messages it
has sent half of, and requests that wait for their answer. Each has a bound for the connection and
one for all connections of a user. The bytes of a message that waits in several queues of a user
count once, because they exist once.
"""

from __future__ import annotations

from msgspec import Struct, field

from broker.attributes import Attributes, bounded

MiB = 1 << 20

STALL = 10.0
"""Seconds after which a client is cut that has too many answers waiting and takes none."""

HALF_STALL = 60.0
"""Seconds after which a client is cut that has stopped within a message of more than a MiB."""

CHECK_PERIOD = 1.0
"""Seconds between two looks at clients that stand still."""

MAX_QUEUED = 5000
"""Messages that wait to be routed, beyond which nothing more is taken from clients that have sent
many."""

CUT_LINES = 10
"""Lines about refused and cut clients of a user in `LOG_PERIOD` seconds; more are counted."""

LOG_PERIOD = 10.0

MAX_USERS = 1000
"""Users whose log lines are counted apart."""


class Limits(Struct, frozen=True):
    """The bounds of one class of users; sizes in bytes.

    ``backlog`` bounds what waits for a client behind the message that is being sent: events and
    requests beyond it cut the client, answers beyond it only stop the reading of further requests.
    ``user_events`` and ``user_answers`` bound the same for a user, ``message`` one received
    message, ``half`` all of a user's half-received ones, ``names`` the services used and the topics
    subscribed to on a connection, ``pending`` its requests without an answer, ``user_pending``
    their bytes for a user. None is no bound.
    """

    backlog: int
    user_events: int
    user_answers: int
    message: int
    half: int
    connections: int | None
    names: int | None
    pending: int | None
    user_pending: int | None


OWNER = Limits(32 * MiB, 64 * MiB, 1024 * MiB, 1024 * MiB, 1024 * MiB, None, None, None, None)
GUEST = Limits(4 * MiB, 8 * MiB, 64 * MiB, 16 * MiB, 32 * MiB, 64, 1000, 1000, 32 * MiB)

GUEST_SHARE = 4
"""All guests together may have a ``1/GUEST_SHARE`` part of the broker's file descriptors, so that
the owner always gets in."""


def owner_limits(attrs: Attributes) -> Limits:
    """Return the owner's bounds with ``access.owner-backlog`` applied; raises OSError(EINVAL) for a
    bad value.
    """
    backlog = bounded(attrs, "access.owner-backlog", OWNER.backlog, 1 << 16, 1 << 40)
    return _scaled(OWNER, backlog)


def guest_limits(attrs: Attributes) -> Limits:
    """Return a guest's bounds with ``access.guest-*`` applied; raises OSError(EINVAL) for a bad
    value.
    """
    backlog = bounded(attrs, "access.guest-backlog", GUEST.backlog, 1 << 16, 1 << 40)
    connections = bounded(attrs, "access.guest-connections", GUEST.connections or 0, 1, 1 << 20)
    return _scaled(GUEST, backlog, connections)


def _scaled(limits: Limits, backlog: int, connections: int | None = None) -> Limits:
    return Limits(
        backlog,
        max(2 * backlog, MiB),
        max(limits.user_answers, 2 * backlog),
        limits.message,
        limits.half,
        connections,
        limits.names,
        limits.pending,
        limits.user_pending,
    )


class Share(Struct):
    """What the connections of one user hold at the moment."""

    userid: int
    limits: Limits
    connections: int = 0
    events: int = 0
    answers: int = 0
    half: int = 0
    pending: int = 0
    _largest_event: int = 0
    _largest_answer: int = 0
    _shared: dict[int, int] = field(default_factory=dict)

    def hold(self, frame: bytes, pushed: bool) -> None:
        """Count a message that begins to wait; one that waits in several queues counts once."""
        size = len(frame)
        if not pushed:
            self.answers += size
            if size > self._largest_answer or self.answers == size:
                self._largest_answer = size
            return
        key = id(frame)  # the queues keep the object alive, and with it its identity
        copies = self._shared.get(key, 0)
        self._shared[key] = copies + 1
        if not copies:
            self.events += size
            if size > self._largest_event or self.events == size:
                self._largest_event = size

    def release(self, frame: bytes, pushed: bool) -> None:
        """Undo one `hold`."""
        if not pushed:
            self.answers -= len(frame)
            return
        key = id(frame)
        copies = self._shared[key] - 1
        if copies:
            self._shared[key] = copies
        else:
            del self._shared[key]
            self.events -= len(frame)

    @property
    def too_much(self) -> bool:
        """Whether more waits for this user than may.

        The largest message does not count: one may be larger than all that may wait, and has to
        reach a client that reads.
        """
        return (
            self.events - self._largest_event > self.limits.user_events
            or self.answers - self._largest_answer > self.limits.user_answers
        )
