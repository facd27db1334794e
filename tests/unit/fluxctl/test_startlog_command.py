"""Lines of ``flux startlog``, as 0.88 prints them."""

from __future__ import annotations

import pytest

from flux.startlog import Run
from flux.time_text import time_text
from fluxctl.commands.startlog import lasted, line_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *(
            (0, "0s"),
            (-3, "0s"),
            (0.00001, "0.01ms"),
            (0.05, "50ms"),
            (0.2, "0.2s"),
            (1.26, "1.3s"),
        ),
        *((5, "5s"), (59.96, "60s"), (60, "1m"), (61.3, "1m"), (3599, "60m"), (3661.4, "1h")),
        *((86399, "24h"), (86400, "1d"), (1e6, "12d"), (1e8, "1.2e+03d")),
    ],
)
def test_durations_have_two_digits(seconds: float, text: str) -> None:
    assert lasted(seconds) == text


def test_lines() -> None:
    first, second = (time_text(seconds, "%Y-%m-%d %H:%M") for seconds in (0, 90))
    assert line_of(Run(0, "0.88.0", 90), 100) == f"{first} - {second} (1.5m)"
    assert line_of(Run(0, "0.88.0", None, True), 100) == f"{first} - crashed"
    assert line_of(Run(90, "0.88.0"), 100) == f"{second} - running (10s)"
