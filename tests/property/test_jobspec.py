"""Whatever JSON comes as a jobspec, it is accepted or refused with ValueError or TypeError."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flux.job.Jobspec import JobspecV1, validate_jobspec

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats(allow_nan=False)
    | st.sampled_from(["slot", "core", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "count",
                    "with",
                    "label",
                    "command",
                    "slot",
                    "per_slot",
                    "min",
                    "system",
                    "duration",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SECTIONS = ["version", "resources", "tasks", "attributes"]


VALID = json.loads(JobspecV1.from_command(["true"]).dumps())
NAMES = st.sampled_from([*SECTIONS, "self", "x"])


@given(
    st.dictionaries(NAMES, values)
    | values
    | st.builds(lambda name, value: {**VALID, name: value}, NAMES, values)
    | st.just(VALID)
)
def test_any_json(data: Any) -> None:
    try:
        validate_jobspec(json.dumps(data))
    except (ValueError, TypeError):
        return
    assert set(SECTIONS) <= set(data)


@given(st.lists(st.sampled_from(SECTIONS), max_size=3), values)
def test_one_section_replaced(names: list[str], value: Any) -> None:
    data = json.loads(JobspecV1.from_command(["true"]).dumps())
    for name in names:
        data[name] = value
    try:
        sensible = validate_jobspec(data)
    except (ValueError, TypeError) as error:
        sensible = bool(str(error))
    assert sensible, "neither accepted nor refused in words"


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2))
def test_counts_add_up(tasks: int, nodes: int, cores: int, gpus: int) -> None:
    if nodes > tasks:
        tasks, nodes = nodes, tasks
    made = JobspecV1.from_command(["x"], tasks, cores, gpus or None, nodes)
    counts = made.resource_counts()
    assert validate_jobspec(made.dumps())
    assert counts["node"] == nodes
    assert counts["slot"] >= tasks
    assert counts["slot"] - tasks < nodes
    assert (counts["core"], counts.get("gpu", 0)) == (counts["slot"] * cores, counts["slot"] * gpus)
