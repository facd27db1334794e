"""Work beside the screen."""

from __future__ import annotations

import gc

from textual.app import App

from tui.background import in_background


async def test_work_that_is_ended_before_it_begins_leaves_nothing_behind() -> None:
    begun = []

    async def work(number: int) -> None:
        begun.append(number)

    app: App[None] = App()
    async with app.run_test() as pilot:
        in_background(app, work, 1).cancel()
        kept = in_background(app, work, 2)
        await kept.wait()
        await pilot.pause()
    gc.collect()  # a coroutine that nobody waited for would be told here, which fails a test
    assert begun == [2]
