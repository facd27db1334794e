"""The table of fields of docs/slurm-job-submit.md is the one that maps them."""

from __future__ import annotations

from broker.slurm.job_submit.fields import FIELDS
from docs import job_submit_fields


def test_the_table_is_up_to_date() -> None:
    text = job_submit_fields.PAGE.read_text("utf-8")
    assert job_submit_fields.page(text) == text, "run `make docs`"
    assert all(f"| `{name}` |" in text for name in FIELDS)


def test_the_comparison_can_fail() -> None:
    text = job_submit_fields.PAGE.read_text("utf-8").replace("| `wckey` |", "| `other` |")
    assert job_submit_fields.page(text) != text
