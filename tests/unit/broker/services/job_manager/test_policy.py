"""What the configuration makes of a submission."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from broker.configuration import from_tables
from broker.jobtap.plugin import Rejected
from broker.services.job_manager.policy import JobPolicy

from .cluster import jobspec

QUEUES = {"debug": {"requires": ["ssd"], "policy": {"limits": {"duration": "30m"}}}, "batch": {}}


def policy(**tables: Any) -> JobPolicy:
    return JobPolicy(from_tables(tables))


def system(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = spec["attributes"]["system"]
    return found


def limits(**values: Any) -> dict[str, Any]:
    return {"limits": values}


def refusal(rules: JobPolicy, queue: str, spec: dict[str, Any], userid: int = 0) -> str:
    with pytest.raises(Rejected, match=r".") as failure:
        rules.apply(queue, spec, userid)
    return str(failure.value)


def test_without_configuration_nothing_changes() -> None:
    rules, spec = policy(), jobspec()
    assert rules.choose(spec) == ""
    assert not rules.apply("", spec, 0)
    assert spec == jobspec()


def test_the_queue_of_a_job() -> None:
    rules = policy(queues=QUEUES)
    assert rules.choose(jobspec(queue="batch")) == "batch"
    with pytest.raises(PermissionError, match=r"no queue specified$"):
        rules.choose(jobspec())
    with pytest.raises(PermissionError, match=r"Invalid queue 'x' specified$"):
        rules.choose(jobspec(queue="x"))
    with pytest.raises(Rejected, match="must be the name of a queue"):
        rules.choose(jobspec(queue=7))
    default = {"jobspec": {"defaults": {"system": {"queue": "batch"}}}}
    rules = policy(queues=QUEUES, policy=default)
    spec = jobspec()
    assert rules.choose(spec) == "batch"
    assert rules.apply("batch", spec, 0)
    assert system(spec)["queue"] == "batch"


def test_the_constraint_of_a_queue_is_added() -> None:
    rules, spec = policy(queues=QUEUES), jobspec(queue="debug", duration=60)
    assert rules.apply("debug", spec, 0)
    assert system(spec)["constraints"] == {"properties": ["ssd"]}
    spec = jobspec(queue="debug", duration=60, constraints={"ranks": ["0"]})
    rules.apply("debug", spec, 0)
    assert system(spec)["constraints"] == {"and": [{"ranks": ["0"]}, {"properties": ["ssd"]}]}
    spec = jobspec(queue="debug", duration=60, constraints={"nosuch": []})
    assert "unknown constraint operator 'nosuch'" in refusal(rules, "debug", spec)


def test_default_duration() -> None:
    defaults = {"jobspec": {"defaults": {"system": {"duration": "1h"}}}}
    rules, spec = policy(policy=defaults), jobspec(duration=0)
    assert rules.apply("", spec, 0)
    assert system(spec)["duration"] == 3600.0
    spec = jobspec(duration=5)
    assert not rules.apply("", spec, 0)
    assert system(spec)["duration"] == 5
    own = {"queues": {"q": {"policy": {"jobspec": {"defaults": {"system": {"duration": "2m"}}}}}}}
    spec = jobspec(queue="q")
    policy(policy=defaults, **own).apply("q", spec, 0)
    assert system(spec)["duration"] == 120.0


@pytest.mark.parametrize(("duration", "said"), [(1801, "30.02m"), (0, "unlimited"), (-1, "unlim")])
def test_time_limit(duration: float, said: str) -> None:
    rules = policy(queues=QUEUES)
    text = refusal(rules, "debug", jobspec(queue="debug", duration=duration))
    assert text.startswith(f"requested duration ({said}")
    assert text.endswith("exceeds policy limit of 30m for queue debug")
    rules.apply("debug", jobspec(queue="debug", duration=1800), 0)


def test_a_queue_may_lift_a_limit() -> None:
    sizes = {"max": {"nnodes": 2, "ncores": 4}}
    general = limits(duration="1m", **{"job-size": sizes})
    lifted = limits(duration="0", **{"job-size": {"max": {"nnodes": -1}}})
    rules = policy(policy=general, queues={"a": {}, "b": {"policy": lifted}})
    assert "exceeds policy limit of 1m for queue a" in refusal(rules, "a", jobspec(queue="a"))
    spec = jobspec(queue="b", nodes=3, slots=1)
    assert not rules.apply("b", spec, 0)
    text = refusal(rules, "b", jobspec(queue="b", nodes=3, slots=2))
    assert text == "requested ncores (6) exceeds policy limit of 4 for queue b"


def test_sizes() -> None:
    sizes = {"min": {"nnodes": 2, "ngpus": 1}, "max": {"nnodes": 2, "ncores": 4}}
    rules = policy(policy=limits(**{"job-size": sizes}))
    spec = jobspec(nodes=3)
    assert refusal(rules, "", spec) == "requested nnodes (3) exceeds policy limit of 2"
    assert refusal(rules, "", jobspec()) == "requested nnodes (0) is under policy limit of 2"
    assert refusal(rules, "", jobspec(nodes=2)) == "requested ngpus (0) is under policy limit of 1"
    spec = jobspec(nodes=2)
    spec["resources"][0]["with"][0]["with"].append({"type": "gpu", "count": 1})
    assert not rules.apply("", spec, 0)


def test_access() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    rules = policy(queues={"q": {"policy": {"access": {"allow-user": [me]}}}})
    assert not rules.apply("q", jobspec(queue="q"), os.getuid())
    other = refusal(rules, "q", jobspec(queue="q"), 3123456789)
    assert other == "access to queue q is restricted: user 3123456789 may not submit to it"
    rules = policy(policy={"access": {"allow-group": ["nosuchgroup"]}})
    assert "access to this instance is restricted" in refusal(rules, "", jobspec(), os.getuid())
