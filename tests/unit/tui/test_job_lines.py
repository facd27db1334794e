"""Lines of the job table are as wide as the table, whatever is in them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from tui.model import sample
from tui.model.columns import COLUMNS, fit
from tui.model.dashboard import Dashboard
from tui.widgets.cells import shortened
from tui.widgets.job_lines import GUTTER, LinePainter
from tui.widgets.palette import ASCII, UNICODE, Glyphs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.model.column import Column

NAMES = ["plain", "世界" * 9, "a\u0301e", "x" * 99, "", "\x1b[31m", "half世"]


@pytest.fixture
def dashboard() -> Dashboard:
    found = Dashboard(time.time)
    jobs = sample.jobs(40, time.time())
    for job, name in zip(jobs, NAMES, strict=False):
        job["name"] = name
        job["state"], job["t_run"], job["expiration"] = 16, time.time() - 5, time.time() + 50
        job.pop("result", None)
        job["annotations"] = {"user": {"uri": "ssh://a/b"}}
    found.replace(jobs)
    found.settle()
    found.marks.add(jobs[1]["id"])
    found.watching.watched.add(jobs[1]["id"])
    return found


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[:4]], ids=["all", "few"])
def test_every_line_has_the_width_of_the_table(
    dashboard: Dashboard, glyphs: Glyphs, columns: Sequence[Column]
) -> None:
    paint = LinePainter(dashboard, glyphs)
    lines = [dashboard.lines.at(index) for index in range(len(dashboard.lines))]
    for width in range(20, 220, 3):
        paint.width, paint.fitted = width, fit(columns, width - GUTTER)
        for line in lines:
            drawn = paint.line(line, at_cursor=line is lines[2])
            told = [sum(cell_len(segment.text) for segment in drawn), drawn.cell_length]
            assert told == [width, width], drawn.text


def test_a_name_that_has_less_room_than_its_signs_does_not_widen_the_line(
    dashboard: Dashboard,
) -> None:
    paint = LinePainter(dashboard, UNICODE)
    by_name = {column.name: column for column in COLUMNS}
    paint.width, paint.fitted = 30, [(by_name["name"], 3), (by_name["id"], 10)]
    for index in range(len(dashboard.lines)):
        drawn = paint.line(dashboard.lines.at(index), at_cursor=False)
        assert sum(cell_len(segment.text) for segment in drawn) == 30


def test_what_is_cut_says_so() -> None:
    pieces = [("12 R", "red"), (" 1,700 S", "blue")]
    assert shortened(pieces, 12, "…") == pieces
    assert shortened(pieces, 11, "…") == [("12 R", "red"), (" 1,700…", "blue")]
    assert shortened(pieces, 6, "…") == [("12 R", "red"), ("…", "blue")]
    assert shortened(pieces, 3, "…") == [("12…", "red")]
    assert shortened(pieces, 0, "…") == [("…", "red")]
