"""Which jobs ``flux pgrep`` means."""

from __future__ import annotations

import pytest

from flux.job.grep import parse_pattern


def test_names() -> None:
    pattern = parse_pattern(["^fo+$"])
    assert [pattern.matches(1, name) for name in ("foo", "foo2", "Foo")] == [True, False, False]
    assert parse_pattern(["name:oo"]).matches(1, "foo")


def test_ranges() -> None:
    pattern = parse_pattern(["2..4", "10..12", "x"])
    assert [pattern.matches(number, "x") for number in (1, 2, 5, 12)] == [False, True, False, True]
    assert not pattern.matches(2, "y")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["a", "b"], "Only one pattern can be provided"),
        (["["], "unterminated character set at position 0"),
    ],
)
def test_refusals(words: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match="^" + reason):
        parse_pattern(words)
