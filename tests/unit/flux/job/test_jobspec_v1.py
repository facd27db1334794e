"""The hand-written validator agrees with the JSON schema of RFC 25 and with its text, and is what
every entrance uses.
"""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flux.job.Jobspec import validate_jobspec
from flux.job.jobspec_v1 import InvalidJobspec, validate

DATA = pathlib.Path(__file__).parent / "data_v1"
SCHEMA = json.loads((DATA / "schema.json").read_text())
SCHEMA["definitions"]["node_vertex"]["properties"]["exclusive"] = {
    "type": "boolean"
}  # as in the RFC's text
CHECKER = jsonschema.Draft7Validator(SCHEMA)


def is_valid(jobspec: Any) -> bool:
    try:
        validate(jobspec)
    except InvalidJobspec:
        return False
    return True


def is_valid_for_programs(jobspec: Any) -> bool:
    try:
        return validate_jobspec(jobspec, 1)
    except (ValueError, TypeError):
        return False


def floats(value: Any) -> bool:
    """Whether there are counts or versions such as 1.0, which a schema takes for integers."""
    if isinstance(value, dict):
        named = any(isinstance(value.get(key), float) for key in ("version", "count", "total"))
        return named or isinstance(value.get("per_slot"), float) or any(map(floats, value.values()))
    return isinstance(value, list) and any(map(floats, value))


def has_what_the_text_asks_for(jobspec: Any) -> bool:
    if len(jobspec["tasks"]) != 1 or isinstance(jobspec["tasks"][0]["command"], str):
        return False
    if any(floats(jobspec[key]) for key in ("resources", "tasks")) or floats(
        {"version": jobspec["version"]}
    ):
        return False
    system = (jobspec["attributes"] or {}).get("system")
    if not system or "duration" not in system:
        return False
    top = jobspec["resources"][0]
    slot = top["with"][0] if top["type"] == "node" else top
    kinds = [child["type"] for child in slot["with"]]
    return "core" in kinds and len(set(kinds)) == len(kinds)


VALID: dict[str, Any] = {
    "version": 1,
    "resources": [
        {
            "type": "node",
            "count": 2,
            "with": [
                {
                    "type": "slot",
                    "count": 1,
                    "label": "task",
                    "with": [{"type": "core", "count": 2}, {"type": "gpu", "count": 1}],
                }
            ],
        }
    ],
    "tasks": [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0, "cwd": "/", "environment": {}}, "user": {"a": 1}},
}


@pytest.mark.parametrize("path", sorted(DATA.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_of_the_rfc(path: pathlib.Path) -> None:
    example = yaml.safe_load(path.read_text())
    validate(example)
    assert example == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(
    ("jobspec", "text"),
    [
        ({}, "Missing key (attributes)"),
        (
            {"version": 1, "resources": [], "tasks": [], "attributes": {}},
            "attributes.system is a required key",
        ),
        (
            {"version": 1, "resources": [], "tasks": [], "attributes": {"system": {}}},
            "attributes.system.duration is a required key",
        ),
        ([], "jobspec must be an object"),
        ({**VALID, "version": 2}, "version must be 1"),
    ],
)
def test_texts(jobspec: Any, text: str) -> None:
    with pytest.raises(InvalidJobspec) as failure:
        validate(jobspec)
    assert str(failure.value) == text


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    out = [path] if path else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        out += places(inner, (*path, key))
    return out


PLACES = places(VALID)
KEYS = [
    "type",
    "count",
    "unit",
    "with",
    "label",
    "exclusive",
    "nosuch",
    "system",
    "total",
    "per_slot",
    "user",
    "duration",
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.sampled_from([0.5, 1.0, 2.0, -1.5]),
    st.sampled_from(["", "slot", "core", "gpu", "node", "x"]),
    st.just([]),
    st.just({}),
    st.just(["x"]),
    st.just([1]),
    st.just({"total": 3}),
    st.just({"type": "core", "count": 1}),
    st.just([{"type": "gpu", "count": 1}]),
)
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "delete", "add"]),
        st.sampled_from(PLACES),
        st.sampled_from(KEYS),
        VALUES,
    ),
    max_size=3,
)


def mutate(jobspec: Any, steps: list[tuple[str, tuple[Any, ...], str, Any]]) -> Any:
    for kind, path, key, value in steps:
        target = jobspec
        try:
            for part in path[:-1]:
                target = target[part]
            if kind == "set":
                target[path[-1]] = value
            elif kind == "delete":
                del target[path[-1]]
            else:
                target[path[-1]][key] = value
        except (KeyError, IndexError, TypeError):
            continue
    return jobspec


@settings(max_examples=500, deadline=None)
@given(MUTATIONS)
def test_agrees_with_the_schema(steps: list[tuple[str, tuple[Any, ...], str, Any]]) -> None:
    jobspec = mutate(copy.deepcopy(VALID), copy.deepcopy(steps))
    expected = CHECKER.is_valid(jobspec) and has_what_the_text_asks_for(jobspec)
    assert is_valid(jobspec) == expected, jobspec
    assert is_valid_for_programs(jobspec) == expected, jobspec


RANGE = {"min": 1, "max": 4, "operator": "+", "operand": 1}


@pytest.mark.parametrize("lacking", ["max", "operator", "operand"])
def test_a_range_of_counts_is_whole_or_only_a_minimum(lacking: str) -> None:
    def jobspec(count: dict[str, Any]) -> dict[str, Any]:
        slot = {**VALID["resources"][0]["with"][0], "count": count}
        return {**VALID, "version": 2, "resources": [slot]}

    assert validate_jobspec(jobspec(RANGE))
    assert validate_jobspec(jobspec({"min": 1}))
    part = {key: value for key, value in RANGE.items() if key != lacking}
    with pytest.raises(ValueError, match=f"a range of counts lacks {lacking}"):
        validate_jobspec(jobspec(part))
