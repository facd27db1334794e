"""When a process counts as stopped, or hung."""

from __future__ import annotations

from broker.services.shell_host.sign_of_life import CHECK_PERIOD, HUNG_AFTER, SignOfLife

LOOKS = int(HUNG_AFTER / CHECK_PERIOD)


def asked() -> SignOfLife:
    life = SignOfLife()
    assert not life.asked
    life.ask()
    assert life.asked
    return life


def test_it_is_hung_after_so_many_looks() -> None:
    life = asked()
    assert [life.look(stopped=False) for _ in range(LOOKS)] == [
        *[""] * (LOOKS - 1),
        "has not answered for 10s",
    ]


def test_an_answer_begins_anew() -> None:
    life = asked()
    for _ in range(LOOKS - 1):
        life.look(stopped=False)
    life.answered()
    assert not life.asked
    life.ask()
    assert life.look(stopped=False) == ""


def test_it_may_go_on_later_than_the_one_who_looks() -> None:
    life = asked()
    assert [life.look(stopped=stopped) for stopped in (True, False, True, True)] == [
        *[""] * 3,
        "is stopped",
    ]
