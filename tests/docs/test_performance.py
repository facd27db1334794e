"""The page of figures is the table of a run and the notes on it, which `bench.run_all` writes
again: what is added to one of them alone would be lost.
"""

from __future__ import annotations

from bench.run_all import NOTES, PAGE


def test_the_page_ends_with_the_notes() -> None:
    assert PAGE.read_text().endswith("\n" + NOTES.read_text())
