"""Connections of those who have not signed in."""

from __future__ import annotations

import asyncio

from tui.serve.strangers import Strangers


class Line(asyncio.Transport):
    """A connection that notes its end."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()

    def abort(self) -> None:
        self.ended.set()


async def test_the_first_goes_when_there_are_too_many() -> None:
    strangers = Strangers(most=2, seconds=3600)
    one, two, three, four = lines = [Line() for _ in range(4)]
    for line in lines[:3]:
        strangers.arrive(line)
    assert [line.ended.is_set() for line in lines] == [True, False, False, False]
    strangers.admit(two)
    strangers.arrive(four)
    assert [line.ended.is_set() for line in lines] == [True, False, False, False]
    assert len(strangers) == 2
    for line in (one, two, three, four):
        strangers.admit(line)
    assert len(strangers) == 0


async def test_no_stranger_stays_for_long() -> None:
    strangers = Strangers(most=2, seconds=0.01)
    stranger, known = Line(), Line()
    strangers.arrive(stranger)
    strangers.arrive(known)
    strangers.admit(known)
    await asyncio.wait_for(stranger.ended.wait(), 60)
    assert not known.ended.is_set()
    assert len(strangers) == 0
