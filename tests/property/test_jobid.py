"""Every spelling of a job id leads back to the id (RFC 19)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flux.job.JobID import ENCODINGS, JobID


@given(st.integers(0, 2**64 - 1), st.sampled_from(ENCODINGS))
def test_round_trip(value: int, encoding: str) -> None:
    assert JobID(JobID(value).encode(encoding)) == value


@given(st.text(max_size=20))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        made = JobID(text)
    except ValueError:
        return
    assert 0 <= made < 2**64
