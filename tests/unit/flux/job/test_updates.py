"""What updates of the eventlog make of a jobspec and an R."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flux.job.updates import (
    DURATION,
    check_key,
    current_jobspec,
    current_resources,
    expiration_after,
    full_key,
    has_member,
    member,
    updated_jobspec,
    updated_resources,
)

JOBSPEC: dict[str, Any] = {
    "version": 1,
    "resources": [{"type": "slot"}],
    "attributes": {"system": {"duration": 60.0, "environment": {"A": "1"}}, "user": {"x": 1}},
}
R: dict[str, Any] = {"version": 1, "execution": {"starttime": 100.0, "expiration": 160.0}}


def update(*name: str, **context: Any) -> dict[str, Any]:
    return {"timestamp": 1.0, "name": (*name, "jobspec-update")[0], "context": context}


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("duration", "attributes.system.duration"),
        ("name", "attributes.system.job.name"),
        ("attributes.user.x", "attributes.user.x"),
        ("tasks.x", "tasks.x"),
        ("resources.y", "resources.y"),
        ("resources", "attributes.system.resources"),
        (".resources", "attributes.system..resources"),
        ("", "attributes.system."),
    ],
)
def test_a_word_stands_for_a_member_of_the_jobspec(word: str, key: str) -> None:
    assert full_key(word) == key


@pytest.mark.parametrize(
    "key", ["tasks", "duration", "attributes.", "attributes..x", "attributes.x." + "y." * 70 + "z"]
)
def test_only_attributes_can_be_set(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|attributes"):
        check_key(key)
    with pytest.raises(ValueError, match=r"key|attributes"):
        updated_jobspec(JOBSPEC, {key: 1})


def test_an_update_copies_what_it_changes_and_shares_the_rest() -> None:
    before = copy.deepcopy(JOBSPEC)
    after = updated_jobspec(JOBSPEC, {DURATION: 5, "attributes.system.job.name": "n"})
    assert before == JOBSPEC
    assert member(after, DURATION) == 5
    assert member(after, "attributes.system.job") == {"name": "n"}
    assert after["resources"] is JOBSPEC["resources"]
    assert member(after, "attributes.system.environment") is member(
        JOBSPEC, "attributes.system.environment"
    )


def test_no_key_leads_through_a_value() -> None:
    with pytest.raises(ValueError, match="duration is no object"):
        updated_jobspec(JOBSPEC, {"attributes.system.duration.x": 1})


def test_null_is_a_value() -> None:
    after = updated_jobspec(JOBSPEC, {"attributes.user.x": None})
    assert has_member(after, "attributes.user.x")
    assert not has_member(after, "attributes.user.y")
    assert not has_member(after, "attributes.user.x.y")
    assert member(after, "attributes.user.x") is None


def test_the_eventlog_tells_what_holds_now() -> None:
    entries = [
        update(**{DURATION: 5}),
        update("urgency", urgency=1),
        update(**{"attributes.system.duration.x": 1, "tasks": 1}),
        update(**{DURATION: 7, "attributes.user.y": [1]}),
        update("resource-update", expiration=7.5),
    ]
    found = current_jobspec(JOBSPEC, entries)
    assert "tasks" not in found
    assert (member(found, DURATION), member(found, "attributes.user")) == (7, {"x": 1, "y": [1]})
    assert current_resources(R, entries)["execution"] == {"starttime": 100.0, "expiration": 7.5}
    assert R["execution"]["expiration"] == 160.0


@pytest.mark.parametrize("context", [None, [], "x", 5])
def test_an_update_that_is_none_changes_nothing(context: object) -> None:
    for name in ("jobspec-update", "resource-update"):
        entries = [{"timestamp": 1.0, "name": name, "context": context}]
        assert current_jobspec(JOBSPEC, entries) == JOBSPEC
        assert current_resources(R, entries) == R


def test_what_was_not_updated_is_the_same_object() -> None:
    assert current_jobspec(JOBSPEC, [update("submit")]) is JOBSPEC
    assert current_resources(R, [update(**{DURATION: 1})]) is R


def test_a_resource_update_without_an_expiration_changes_nothing() -> None:
    assert updated_resources(R, {"other": 1}) == R
    assert updated_resources(R, {"expiration": "soon"}) == R


@pytest.mark.parametrize(
    ("resources", "seconds", "expiration"),
    [
        (R, 50.0, 150.0),
        (R, 0, 0.0),
        ({"execution": {"starttime": 0.0}}, 50, 1050.0),
        ({}, 50, 1050.0),
        (None, 50, 1050.0),
    ],
)
def test_a_time_limit_counts_from_the_time_that_the_resources_hold_from(
    resources: object, seconds: float, expiration: float
) -> None:
    assert expiration_after(resources, seconds, 1000.0) == expiration


KEYS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(
    lambda parts: "attributes." + ".".join(parts)
)
UPDATES = st.lists(st.dictionaries(KEYS, st.integers(0, 9), min_size=1, max_size=3), max_size=6)


@example([{"attributes.a.b": 0}, {"attributes.a": 1, "attributes.b": 1}])
@given(UPDATES)
def test_updates_may_be_applied_again_to_what_they_have_made(updates: list[dict[str, int]]) -> None:
    """So a reader may be given the jobspec of today and all updates until then."""
    entries = [update(**context) for context in updates]
    once = current_jobspec({"attributes": {}}, entries)
    assert current_jobspec(once, entries) == once
