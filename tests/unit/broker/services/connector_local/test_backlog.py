"""What waits for a client: order, sizes, bytes counted once a user, nothing left over."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from broker.attributes import Attributes
from broker.services.connector_local.backlog import CHUNK, Backlog
from broker.services.connector_local.limits import GUEST, OWNER, Share, guest_limits, owner_limits


def drain(backlog: Backlog) -> bytes:
    """Take everything, in pieces as they come."""
    pieces = []
    while backlog:
        piece = bytes(backlog.take())
        assert 0 < len(piece) <= CHUNK
        pieces.append(piece)
    return b"".join(pieces)


def test_pieces_are_the_messages_in_order() -> None:
    numbers = random.Random(5)
    share = Share(1, OWNER)
    backlog = Backlog(share)
    frames = []
    for number in range(60):
        frame = bytes([number]) * numbers.choice((1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK))
        backlog.push(frame, number % 2 == 0)
        frames.append(frame)
    sent = b"".join(frames)
    assert backlog.size == len(sent) == share.events + share.answers
    assert drain(backlog) == sent
    assert (backlog.size, backlog.events, backlog.answers, share.events, share.answers) == (
        0,
        0,
        0,
        0,
        0,
    )


def test_an_empty_backlog_gives_nothing() -> None:
    assert bytes(Backlog(Share(1, OWNER)).take()) == b""


def test_shared_bytes_count_once_a_user() -> None:
    share = Share(1, OWNER)
    backlogs = [Backlog(share) for _ in range(8)]
    frames = [b"a" * 1000, b"b" * 1000]
    for frame in frames:
        for backlog in backlogs:
            backlog.push(frame, True)
    assert share.events == 2000
    assert [backlog.size for backlog in backlogs] == [2000] * 8
    for backlog in backlogs[1:]:
        backlog.clear()
    assert share.events == 2000
    assert drain(backlogs[0]) == b"".join(frames)
    assert share.events == 0


def test_what_is_being_sent_is_not_behind_but_counts_for_the_user() -> None:
    share = Share(1, OWNER)
    backlog = Backlog(share)
    backlog.push(b"x" * (10 * CHUNK), False)
    backlog.take()
    assert (backlog.behind, share.answers) == (0, 10 * CHUNK)
    backlog.clear()
    assert (backlog.size, share.answers) == (0, 0)


def test_the_largest_message_alone_is_never_too_much() -> None:
    share = Share(1, replace(GUEST, user_events=100, user_answers=100))
    share.hold(b"x" * 5000, False)
    share.hold(b"y" * 100, False)
    assert not share.too_much
    share.hold(b"z", False)
    assert share.too_much


def test_bounds_can_be_set_by_attributes() -> None:
    attrs = Attributes()
    for name, value in {"access.owner-backlog": "1048576", "access.guest-connections": "3"}.items():
        attrs.define(name, value)
    assert owner_limits(attrs).backlog == 1 << 20
    assert (guest_limits(attrs).connections, guest_limits(attrs).backlog) == (3, GUEST.backlog)
    assert attrs.get("access.guest-backlog") == str(GUEST.backlog)


@pytest.mark.parametrize("value", ["", "0", "-1", "1e6", "4M", "9" * 30, "\u0661"])
def test_bad_bounds_are_refused(value: str) -> None:
    attrs = Attributes()
    attrs.define("access.guest-backlog", value)
    with pytest.raises(OSError, match=r"access\.guest-backlog: invalid value"):
        guest_limits(attrs)
