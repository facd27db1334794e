"""Visits: how many, how long, and who sees what."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.system.watching import PATIENCE
from tui.serve import visits as module
from tui.serve.visits import ABSENCE, RESET, Ending, Full, ServeTerms, Visit, Visits, bounded

ECHO = "stty raw -echo; echo ready; exec cat"


class Page:
    """A page that shows what it is sent, until it is gone."""

    def __init__(self) -> None:
        self.shown = b""
        self.ending: Ending | None = None
        self.gone = False
        self.changed = asyncio.Event()

    async def send(self, data: bytes) -> None:
        if self.gone:
            raise ConnectionResetError
        self.shown += data
        self.changed.set()

    async def close(self, ending: Ending) -> None:
        self.ending = ending
        self.changed.set()

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            while text not in self.shown:
                self.changed.clear()
                await self.changed.wait()

    async def until_closed(self) -> Ending:
        async with asyncio.timeout(PATIENCE):
            while self.ending is None:
                self.changed.clear()
                await self.changed.wait()
        return self.ending


def serving(
    script: str = ECHO, sessions: int = 2, idle: float = 1000.0
) -> tuple[Visits, list[str]]:
    told: list[str] = []
    terms = ServeTerms(["sh", "-c", script], {"PATH": os.environ["PATH"]}, sessions, idle)
    return Visits(terms, told.append), told


async def shown(visits: Visits) -> tuple[Visit, Page]:
    visit, page = await visits.begin((80, 24)), Page()
    await visit.attach(page, again=False)
    await page.until(b"ready")
    return visit, page


async def test_each_visit_has_a_dashboard_of_its_own() -> None:
    visits, told = serving()
    (one, first), (other, second) = await shown(visits), await shown(visits)
    await one.type("for one", 1.0)
    await first.until(b"for one")
    assert second.shown.strip() == b"ready"
    assert visits.find(one.name) is one
    with pytest.raises(Full):
        await visits.begin((80, 24))
    await visits.end(other)
    assert await second.until_closed() is Ending.OVER
    await shown(visits)
    await visits.end_all()
    assert await first.until_closed() is Ending.STOPPED
    assert visits.find(one.name) is None
    assert told[0] == "visit 1 begins, 1 of 2"
    assert sorted(told[-2:]) == ["visit 1 has ended", "visit 3 has ended"]


async def test_they_begin_no_faster_than_is_sane() -> None:
    visits, _ = serving("exit", sessions=50)
    for _ in range(10):
        await visits.begin((80, 24))
    with pytest.raises(Full):
        await visits.begin((80, 24))
    await visits.end_all()


async def test_whoever_comes_back_has_everything_drawn_anew() -> None:
    visits, _ = serving()
    visit, page = await shown(visits)
    page.gone = True
    await visit.type("unseen", 1.0)
    async with asyncio.timeout(PATIENCE):
        while visit.line is not None:
            await asyncio.sleep(0.01)
    back = Page()
    await visit.attach(back, again=True)
    await back.until(module.REDRAW)
    assert back.shown.startswith(RESET)
    assert b"unseen" not in back.shown
    await visits.end_all()


async def test_a_second_page_takes_a_visit_from_the_first() -> None:
    visits, _ = serving()
    visit, page = await shown(visits)
    other = Page()
    await visit.attach(other, again=True)
    assert page.ending is Ending.TAKEN
    visit.detach(page, 5.0)
    assert visit.line is other
    await visits.end_all()


async def test_a_visit_is_due_when_it_is_idle_or_left() -> None:
    visits, _ = serving()
    visit, page = await shown(visits)
    start = visit.used
    assert not visit.is_due(start + 100, 100)
    assert visit.is_due(start + 101, 100)
    assert visit.ending is Ending.IDLE
    visit.ending = Ending.OVER
    await visit.type("x", start + 50)
    assert not visit.is_due(start + 101, 100)
    visit.detach(page, start + 60)
    assert not visit.is_due(start + 60 + ABSENCE, 1000)
    assert visit.is_due(start + 61 + ABSENCE, 1000)
    await visits.end_all()


async def test_idle_visits_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.01)
    visits, _ = serving(idle=0.05)
    _, page = await shown(visits)
    watching = asyncio.create_task(visits.watch())
    assert await page.until_closed() is Ending.IDLE
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_what_cannot_be_started_takes_no_place() -> None:
    told: list[str] = []
    visits = Visits(ServeTerms(["/no/such/program"], {}, 1, 1.0), told.append)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            await visits.begin((80, 24))
    assert told == ["/no/such/program: No such file or directory"] * 2


def test_sizes_are_bounded() -> None:
    assert bounded(-5, 10**12) == (1, 500)
    assert bounded(10**9, 0) == (1000, 1)
    assert bounded(80, 24) == (80, 24)
