"""Who may come in, decided without a socket."""

from __future__ import annotations

import itertools

import pytest

from tui.serve.door import (
    ROOMS,
    Admission,
    Allowance,
    Door,
    Refused,
    is_loopback,
    is_own_page,
    new_secret,
)


def door() -> Door:
    numbers = itertools.count()
    return Door(lambda: f"secret-{next(numbers)}")


def entered(subject: Door, now: float = 0.0) -> Admission:
    entry = subject.enter(subject.token, now)
    assert isinstance(entry, Admission)
    return entry


def test_a_link_works_once_and_another_takes_its_place() -> None:
    subject = door()
    first = subject.token
    entry = entered(subject)
    assert subject.token != first
    assert isinstance(subject.enter(first, 0.0), Refused)
    assert len({first, subject.token, entry.room, entry.key}) == 4


def test_a_room_takes_its_own_key_only() -> None:
    subject = door()
    one, other = entered(subject), entered(subject)
    assert subject.admits(one.room, one.key)
    assert not subject.admits(one.room, other.key)
    assert not subject.admits(one.room, "")
    assert not subject.admits("nowhere", "")
    assert not subject.admits(one.room, "\udcff")


def test_the_oldest_room_is_forgotten() -> None:
    subject = door()
    entries = [entered(subject) for _ in range(ROOMS + 1)]
    admitted = [subject.admits(entry.room, entry.key) for entry in entries]
    assert admitted == [False] + [True] * ROOMS


def test_wrong_tokens_have_to_wait_and_the_right_one_never() -> None:
    subject = door()
    answers = [subject.enter("wrong", 0.0) for _ in range(12)]
    assert answers[:10] == [Refused(0.0)] * 10
    assert answers[10] == answers[11] == Refused(1.0)
    assert subject.enter("wrong", 1.0) == Refused(0.0)
    entered(subject, 1.0)


def test_a_rate_counts_no_time_that_goes_back() -> None:
    rate = Allowance(1, 10.0)
    assert rate.take(100.0) == 0.0
    assert rate.take(105.0) == 5.0
    assert rate.take(50.0) == 5.0
    assert rate.take(55.0) == 0.0


@pytest.mark.parametrize("host", ["127.0.0.1:80", "localhost", "localhost:1", "[::1]:8000"])
def test_names_of_this_machine_are_believed(host: str) -> None:
    assert is_loopback(host)
    assert is_own_page(f"http://{host}", host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "evil@localhost",
        "localhost/x",
        "localhost:nine",
        "localhost:99999",
        "127.0.0.2",
        "[",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not is_loopback(host)
    assert not is_own_page(f"http://{host}", host)


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "https://localhost:1", "http://localhost:2"]
)
def test_a_page_from_elsewhere_is_no_page_of_ours(origin: str) -> None:
    assert not is_own_page(origin, "localhost:1")


def test_secrets_differ_and_go_into_a_path() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert len(one) >= 43
    assert one.replace("-", "").replace("_", "").isalnum()
