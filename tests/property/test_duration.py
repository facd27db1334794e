"""Flux standard durations (RFC 23)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.duration import fsd, parse_fsd


@given(st.floats(0.001, 1e6))
def test_four_digits_survive(seconds: float) -> None:
    assert parse_fsd(fsd(seconds)) == pytest.approx(seconds, rel=6e-4, abs=6e-4)


@given(st.text(max_size=10) | st.text("0123456789.+-emshd", max_size=6))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        value = parse_fsd(text)
    except ValueError:
        return
    assert value >= 0
