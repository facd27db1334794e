"""How far a neighbour is behind, counted at both ends of a link."""

from __future__ import annotations

from broker.overlay import arrears
from broker.overlay.arrears import Arrears, MiB


def both() -> tuple[Arrears, Arrears]:
    return Arrears(0.0), Arrears(0.0)


def test_what_was_taken_is_no_longer_owed() -> None:
    ours, theirs = both()
    for _ in range(100):
        ours.sent(10_000)
        assert not theirs.received(10_000)
    assert ours.behind == 1_000_000
    ours.acknowledged(theirs.word(), 1.0)
    assert ours.behind < 1024


def test_word_is_sent_in_time() -> None:
    ours, theirs = both()
    told = 0
    for _ in range(1000):
        assert not ours.sent(MiB)
        if theirs.received(MiB):
            told += 1
            ours.acknowledged(theirs.word(), 1.0)
        assert ours.behind <= arrears.WORD
    assert told == 1000 * MiB // arrears.WORD


def test_time_in_which_it_could_not_be_heard_is_not_counted() -> None:
    ours, _ = both()
    for _ in range(70):
        ours.sent(MiB)
    assert not ours.hopeless(1.0)
    ours.excuse(10.0)
    assert not ours.hopeless(arrears.PATIENCE + 9.9)
    assert ours.hopeless(arrears.PATIENCE + 10.1)


def test_a_neighbour_that_takes_nothing_is_given_up_after_a_while() -> None:
    ours, theirs = both()
    for _ in range(70):
        assert not ours.sent(MiB)
    assert not ours.hopeless(arrears.PATIENCE)
    assert ours.hopeless(arrears.PATIENCE + 0.1)
    theirs.received(MiB)
    ours.acknowledged(theirs.word(), 10.0)
    assert not ours.hopeless(10.0 + arrears.PATIENCE)
    assert ours.hopeless(10.1 + arrears.PATIENCE)


def test_a_neighbour_that_owes_little_may_take_its_time() -> None:
    ours = Arrears(0.0)
    for _ in range(60):
        ours.sent(MiB)
    assert not ours.hopeless(1e6)
    for _ in range(10):
        ours.sent(MiB)
    assert not ours.hopeless(1e6)
    assert ours.hopeless(1e6 + arrears.PATIENCE + 1)


def test_no_neighbour_may_owe_more_than_the_limit() -> None:
    ours = Arrears(0.0)
    assert not any(ours.sent(MiB) for _ in range(512))
    assert any(ours.sent(MiB) for _ in range(3))


def test_one_message_of_any_size_is_sent() -> None:
    ours, theirs = both()
    assert not ours.sent(1000 * MiB)
    assert not ours.hopeless(1e6)
    theirs.received(1000 * MiB)
    ours.acknowledged(theirs.word(), 1e6)
    assert ours.behind == 0


def test_counts_wrap() -> None:
    ours, theirs = both()
    for _ in range(5000):
        ours.sent(1 << 30)
        theirs.received(1 << 30)
        ours.acknowledged(theirs.word(), 0.0)
    assert ours.behind == 0
    ours.sent(5000)
    assert ours.behind == 5000


def test_a_neighbour_that_claims_more_than_there_was_is_not_believed() -> None:
    ours = Arrears(0.0)
    ours.sent(MiB)
    ours.acknowledged(1 << 20, 0.0)
    assert ours.behind == MiB
