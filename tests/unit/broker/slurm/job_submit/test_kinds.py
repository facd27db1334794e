"""Values that scripts assign are taken as slurmctld 22.05 takes them: what it made of each was
looked at from a script.
"""

from __future__ import annotations

import math

import pytest

from broker.slurm.constants import MEM_PER_CPU
from broker.slurm.job_submit import kinds
from broker.slurm.job_submit.kinds import WrongType

from .jobs import described, jobspec


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        (kinds.U8, [7, 5, 2, 253, 0]),
        (kinds.U16, [7, 5, 2, 65533, 0]),
        (kinds.U32, [7, 5, 2, 4294967293, 3567587328]),
        (kinds.U64, [7, 5, 2, (1 << 64) - 3, 10**12]),
        (kinds.S32, [7, 5, 2, -3, -727379968]),
        (kinds.TIME, [7, 5, 2, -3, 10**12]),
    ],
)
def test_numbers(kind: kinds.Kind, taken: list[int]) -> None:
    assert [kind.take(value) for value in ("7", 5, 2.7, -3, 1e12)] == taken


def test_what_is_no_number_of_that_width() -> None:
    for value in (math.nan, math.inf):
        assert kinds.U32.take(value) == 0
        assert kinds.U16.take(value) == 0
    assert kinds.U64.take(1e30) == (1 << 64) - 1
    assert kinds.U32.take("0x10") == 16


@pytest.mark.parametrize(
    ("value", "text"),
    [("txt", "txt"), (5, "5"), (2.7, "2.7"), (-3, "-3"), (1e12, "1000000000000"), ("", None)],
)
def test_texts(value: object, text: str | None) -> None:
    assert kinds.TEXT.take(value) == text


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (kinds.U32, "txt", "number expected, got string"),
        (kinds.U32, True, "number expected, got boolean"),
        (kinds.U32, None, "number expected, got nil"),
        (kinds.TEXT, True, "string expected, got boolean"),
        (kinds.TEXT, None, "string expected, got nil"),
    ],
)
def test_wrong_types(kind: kinds.Kind, value: object, said: str) -> None:
    with pytest.raises(WrongType, match=said):
        kind.take(value)


def test_memory_has_two_meanings() -> None:
    job = described(jobspec())
    job.set("min_mem_per_cpu", 100)
    assert job.get("pn_min_memory") == 100 | MEM_PER_CPU
    assert job.get("min_mem_per_node") is None
    job.set("min_mem_per_node", -3)
    assert job.get("min_mem_per_node") is None
