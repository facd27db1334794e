"""The table of a job's processes, as 0.88 writes and reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.proctable import (
    Process,
    decode,
    decode_names,
    decode_numbers,
    encode,
    encode_names,
    encode_numbers,
)

TOLD = {
    "hosts": [["vm", [[-1, -5]]]],
    "executables": [["sleep", [[-1, -5]]]],
    "ids": [[0, 5]],
    "pids": [25759, [2, 1], -4, 2, 3],
    "ranks": [[0, -2], [1, -2]],
}
"""What a shell of 0.88 answered of six tasks on two nodes, and what `flux job hostpids` said."""
PIDS = [25759, 25761, 25762, 25758, 25760, 25763]


def test_a_table_of_0_88() -> None:
    found = [Process(task, pid, "vm", "sleep", task // 3) for task, pid in enumerate(PIDS)]
    assert decode(TOLD) == found
    assert encode(found) == TOLD
    assert encode(reversed(found)) == TOLD


def test_names_with_numbers_at_their_end() -> None:
    assert decode_names([["node", [[7, 1], 3]], ["login", [-1]]]) == [
        "node7",
        "node8",
        "node11",
        "login",
    ]


def test_a_job_without_processes() -> None:
    assert decode(encode([])) == []


@given(st.lists(st.integers(-3, 1 << 40) | st.integers(0, 3)))
def test_numbers_are_read_as_they_were_written(numbers: list[int]) -> None:
    assert decode_numbers(encode_numbers(numbers)) == numbers


@given(st.lists(st.sampled_from(["a", "b", "b7", ""])))
def test_names_are_read_as_they_were_written(names: list[str]) -> None:
    assert decode_names(encode_names(names)) == names


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**TOLD, "ids": [[0, 4]]},
        {**TOLD, "pids": {"0": 1}},
        {**TOLD, "pids": ["1"]},
        {**TOLD, "pids": [[1, 2, 3]]},
        {**TOLD, "pids": [True]},
        {**TOLD, "ranks": [[0, 1 << 60]]},
        {**TOLD, "hosts": "vm"},
        {**TOLD, "hosts": [["vm"]]},
        {**TOLD, "hosts": [[7, [1]]]},
    ],
)
def test_malformed_tables(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode(wrong)
