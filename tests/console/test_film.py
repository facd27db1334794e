"""The picture that people see first: filmed, and playing where pictures are shown."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from tests.console.chromium import MISSING, PROGRAM, chromium, until
from tests.console.tmux import MISSING as NO_TMUX
from tests.console.tmux import PROGRAM as TMUX
from tests.system.watching import PATIENCE
from tui.pictures.film import Appearance, Frame, Scene, Stretch, draw
from tui.pictures.stage import Stage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(PROGRAM is None, reason=MISSING)
async def test_it_plays_as_an_image(tmp_path: Path) -> None:
    def frame(ink: str) -> Frame:
        return Frame(((Stretch(0, 20, " " * 20, Appearance(ink, ink)),),), 0.4)

    picture = draw([frame("#ff0000"), frame("#00ff00")], (20, 1), Scene("plays"))
    (tmp_path / "film.svg").write_text(picture)
    (tmp_path / "page.html").write_text("<body><img src='film.svg' width='300'></body>")
    async with chromium() as browser:
        page = await browser.new_page(size=(320, 120))
        await page.go(f"file://{tmp_path}/page.html")
        seen: set[bytes] = set()
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 2:  # both frames
                seen.add(await page.picture())
        await until(lambda: page.requests)
        assert {url.partition(":")[0] for url in page.requests} == {"file"}


@pytest.mark.skipif(TMUX is None, reason=NO_TMUX)
def test_a_shell_is_filmed(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "TERM": "tmux-256color", "PS1": "$ ", "LANG": "C.UTF-8"}
    stage = Stage(tmp_path, (40, 5), environment)
    try:
        stage.until("$")
        stage.film()
        stage.write("printf '\\033[31mred\\033[0m\\n'; echo over''all", pause=0.0)
        stage.until("overall")
        stage.rest(0.5)
        frames = stage.cut()
    finally:
        stage.close()
    texts = ["\n".join("".join(p.text for p in line) for line in f.lines) for f in frames]
    assert any(re.search("^red$", text, re.MULTILINE) for text in texts)
    assert all(frame.seconds > 0 for frame in frames)
    assert len({part.look for frame in frames for line in frame.lines for part in line}) >= 3
