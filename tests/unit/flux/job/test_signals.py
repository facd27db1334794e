"""Signals by name, and SIG@TIME."""

from __future__ import annotations

import pytest

from flux.job.signals import parse_warning, signal_number


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("USR2@1m", (12, 60.0)),
        ("SIGTERM", (15, 60.0)),
        ("10@30", (10, 30.0)),
        ("@3m", (10, 180.0)),
        ("usr1@0.5s", (10, 0.5)),
    ],
)
def test_signals_with_times(text: str, asked: tuple[int, float]) -> None:
    assert parse_warning(text) == asked


@pytest.mark.parametrize("text", ["NOSUCH", "0@1s", "99", "USR1@", "USR1@soon", "USR1@-1"])
def test_what_is_no_signal_with_a_time(text: str) -> None:
    with pytest.raises(ValueError, match="invalid"):
        parse_warning(text)


def test_names_and_numbers() -> None:
    assert [signal_number(name) for name in ("TERM", "sigterm", "15")] == [15, 15, 15]
