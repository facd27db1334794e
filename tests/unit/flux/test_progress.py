"""The progress bar: its text and the escape sequences around it, as recorded in an 80 by 24
terminal.
"""

from __future__ import annotations

import io

import pytest

from flux.progress import Bottombar, ProgressBar

START = "\x1b7\x1b[r\x1b8\x1bD\x1bM\x1b7\x1b[1;23r\x1b8"
BEFORE, AFTER = "\x1b7\x1b[24;1H\x1b[2K\x1b[?7l\x1b[0m", "\x1b[?7h\x1b8"


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


def test_progress_bar_is_drawn_as_recorded() -> None:
    bar = ProgressBar(
        total=3, before="PD:{pending} R:0 CD:0 F:0 ", after="{percent:5.1f}% 0:00:00", pending=0
    )
    bar.stream = stream = io.StringIO()
    bar.start()
    first = "PD:0 R:0 CD:0 F:0 │" + " " * 46 + "│  0.0% 0:00:00"
    assert stream.getvalue() == START + BEFORE + first + AFTER
    bar.update(pending=1)
    stream.truncate(stream.seek(0))
    bar.redraw()
    third = "PD:1 R:0 CD:0 F:0 │███████████████▍" + " " * 30 + "│ 33.3% 0:00:00"
    assert stream.getvalue() == BEFORE + third + AFTER
    bar.stop()
    assert stream.getvalue().endswith("\x1b7\x1b[24;1H\x1b[K\x1b[r\x1b8" + third + "\n")


def test_autostop() -> None:
    bar = ProgressBar(total=2, autostop=True)
    bar.stream = stream = io.StringIO()
    bar.start()
    bar.update()
    assert not stream.getvalue().endswith("\n")
    bar.update()
    assert stream.getvalue().endswith("│ 100.0%\n")


def test_styles() -> None:
    with pytest.raises(ValueError, match="unknown style nosuch"):
        ProgressBar(style="nosuch")
    for style in ProgressBar.bar_style:
        bar = ProgressBar(total=7, style=style)
        for _ in range(8):
            assert len(bar.bar(10)) == 10
            bar.update()


def test_bottombar_shows_its_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = Bottombar(lambda b, width: f"i={b.i}".rjust(width), i=0)
    bar.stream = stream = io.StringIO()
    bar.update(i=1)
    assert stream.getvalue() == ""
    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    bar.start()
    monkeypatch.setattr("time.monotonic", lambda: 103.5)
    bar.stop()
    assert "i=1\n" in stream.getvalue()
    assert bar.elapsed.dt.total_seconds() == 3
    assert not hasattr(bar, "nosuch")
