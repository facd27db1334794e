"""Slurm's ways of writing, and Flux's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.slurm.job_submit.minutes import minutes_of
from broker.slurm.job_submit.updates import changed_updates, with_updates
from broker.slurm.job_submit.words import (
    constraint_of,
    dependencies_of,
    dependency_text,
    features_text,
    gpus_in,
    hosts_text,
    output_text,
    template_of,
)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1-02:30:00", 1590),
        ("90", 90),
        ("bad", -2),
        ("UNLIMITED", -1),
        ("1:30", 2),
        ("00:00:10", 1),
        ("2-3", 51 * 60),
        ("2-3:04", 51 * 60 + 4),
        ("10:00:00", 600),
    ],
)
def test_minutes(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gpu", (1, True)),
        ("gpu:2", (2, True)),
        ("gres:gpu:2", (2, True)),
        ("gres/gpu=3", (3, True)),
        ("gpu:v100:2", (2, False)),
        ("gres/gpu:v100=2", (2, False)),
        ("gpu:v100", (1, False)),
        ("gpu:1,shard:2", (1, False)),
        ("shard:2", (0, False)),
        (None, (0, True)),
    ],
)
def test_gpus(text: str | None, found: tuple[int, bool]) -> None:
    assert gpus_in(text) == found


WORDS = st.text("abcdefgh", min_size=1, max_size=6)


@given(st.lists(WORDS, min_size=1, max_size=4, unique=True), st.sampled_from("&|"))
def test_features_come_back(words: list[str], joint: str) -> None:
    text = joint.join(words)
    assert features_text(constraint_of(text, None, None)) == text


@given(st.sampled_from([None, "n1", "n[1-3]"]), st.sampled_from([None, "m1", "m[1-3]"]))
def test_hosts_come_back(hosts: str | None, excluded: str | None) -> None:
    constraint = constraint_of("a&b", hosts, excluded)
    assert hosts_text(constraint) == hosts
    assert hosts_text(constraint, excluded=True) == excluded
    assert features_text(constraint) == "a&b"


def test_nested_features() -> None:
    assert features_text(constraint_of("a&(b|c)", None, None)) == "a&(b|c)"


def test_dependencies_come_back() -> None:
    text = "afterok:1,afterok:2,afterany:3,singleton"
    assert dependency_text(dependencies_of("afterok:1:2,afterany:3,singleton")) == text
    assert dependencies_of(None) == []
    assert dependency_text([{"scheme": "mine", "value": "x"}]) == "mine:x"


def test_names_of_files() -> None:
    assert template_of("o.%j.%t") == "o.{{id}}.{{taskid}}"
    assert output_text("o.{{id}}.{{taskid}}") == "o.%j.%t"


def test_updates_as_a_part_of_a_jobspec() -> None:
    updates = {"attributes.system.duration": 60.0, "attributes.system.job.name": "n"}
    spec = with_updates(updates)
    assert spec == {"attributes": {"system": {"duration": 60.0, "job": {"name": "n"}}}}
    assert changed_updates(updates, spec) == updates
    spec["attributes"]["system"]["duration"] = 120.0
    spec["attributes"]["system"]["constraints"] = {"properties": ["a"]}
    assert changed_updates(updates, spec) == {
        "attributes.system.duration": 120.0,
        "attributes.system.job.name": "n",
        "attributes.system.constraints": {"properties": ["a"]},
    }


def test_an_update_of_a_whole_table_stays_one() -> None:
    updates = {
        "attributes.system.constraints": {"properties": ["a"]},
        "attributes.user.x": {"y": 1},
    }
    assert changed_updates(updates, with_updates(updates)) == updates
