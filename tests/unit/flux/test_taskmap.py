"""Task maps: the test vectors of RFC 34, what is refused, and cyclic maps of uneven nodes."""

from __future__ import annotations

import errno
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux import taskmap

VECTORS = [
    ("0", [[0, 1, 1, 1]]),
    ("0;1", [[0, 2, 1, 1]]),
    ("0-1", [[0, 1, 2, 1]]),
    ("0-1;2-3", [[0, 2, 2, 1]]),
    ("0,2;1,3", [[0, 2, 1, 2]]),
    ("1;0", [[1, 1, 1, 1], [0, 1, 1, 1]]),
    ("0-3;4-7;8-11;12-15", [[0, 4, 4, 1]]),
    ("0,4,8,12;1,5,9,13;2,6,10,14;3,7,11,15", [[0, 4, 1, 4]]),
    ("0-1,8-9;2-3,10-11;4-5,12-13;6-7,14-15", [[0, 4, 2, 2]]),
    ("0-1;2-3;4-5;6-7;8-11;12-15", [[0, 4, 2, 1], [4, 2, 4, 1]]),
    ("0,6;1,7;2,8;3,9;4,10,12,14;5,11,13,15", [[0, 6, 1, 2], [4, 2, 1, 2]]),
    (
        "14-15;12-13;10-11;8-9;4-7;0-3",
        [[5, 1, 4, 1], [4, 1, 4, 1], [3, 1, 2, 1], [2, 1, 2, 1], [1, 1, 2, 1], [0, 1, 2, 1]],
    ),
    (
        "0-1;2-3;4-5;6-7;8-9;12-13;10-11;14-15",
        [[0, 5, 2, 1], [6, 1, 2, 1], [5, 1, 2, 1], [7, 1, 2, 1]],
    ),
    ("12-15;8-11;4-7;0-3", [[3, 1, 4, 1], [2, 1, 4, 1], [1, 1, 4, 1], [0, 1, 4, 1]]),
]


@pytest.mark.parametrize(("raw", "blocks"), VECTORS, ids=[raw for raw, _ in VECTORS])
def test_vectors(raw: str, blocks: list[list[int]]) -> None:
    nodes = taskmap.decode(raw)
    assert [list(block) for block in taskmap.encode(nodes)] == blocks
    assert taskmap.decode(json.dumps(blocks)) == nodes
    assert taskmap.decode(json.dumps({"version": 1, "map": blocks})) == nodes
    assert taskmap.raw(nodes) == raw


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty taskmap"),
        ("x", "error parsing range 'x'"),
        ("0-1,2-", "error parsing range '2-'"),
        ("0;0", "duplicate taskid specified: 0"),
        ("1;2", "missing taskids: 0"),
        ("0;3;5", "missing taskids: 1-2,4"),
        ("0-9999999999", "error parsing range '0-9999999999'"),
        ("0-9999999", "too many tasks"),
        ("0;9999999999", "error parsing range '9999999999'"),
        ("[]", "empty taskmap"),
        ("[[0,1,1]]", "invalid entry [0,1,1]"),
        ("[[0,1,1,0]]", "invalid entry [0,1,1,0]"),
        ("[[-1,1,1,1]]", "invalid entry [-1,1,1,1]"),
        ("[[0,1,1,true]]", "invalid entry [0,1,1,true]"),
        ("[[0,1000000,1000000,1]]", "too many tasks"),
        ("[[99999999999,1,1,1]]", "too many tasks"),
        ("[0", "invalid JSON: [0"),
        ('{"version":2,"map":[[0,1,1,1]]}', "version of the taskmap is not 1"),
        ('{"version":1}', "invalid entry null"),
        ("{}", "version of the taskmap is not 1"),
    ],
)
def test_what_is_no_map_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OSError, match=re.escape(reason)) as refused:
        taskmap.decode(text)
    assert refused.value.args == (errno.EINVAL, reason)


def test_cyclic_maps_give_each_node_its_number() -> None:
    assert taskmap.cyclic_map([2, 2, 4]) == [[0, 3], [1, 4], [2, 5, 6, 7]]
    assert taskmap.cyclic_map([3, 1], 2) == [[0, 1, 3], [2]]
    assert taskmap.cyclic_map([0, 2]) == [[], [0, 1]]
    with pytest.raises(OSError, match="invalid stride 0"):
        taskmap.cyclic_map([1], 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any), st.integers(1, 4))
def test_any_map_comes_back(counts: list[int], stride: int) -> None:
    for nodes in (taskmap.block_map(counts), taskmap.cyclic_map(counts, stride)):
        assert [len(tasks) for tasks in nodes] == counts
        back = taskmap.decode(json.dumps(taskmap.encode(nodes)))
        # Nodes without tasks at the end are not in the blocks.
        assert back + [[]] * (len(nodes) - len(back)) == nodes
