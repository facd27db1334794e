"""Random jobs against random limits of queues: one is taken if, and only if, what it asks for is
within those of its queue, or the general ones where its queue has none.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from broker.configuration import from_tables
from broker.jobtap.plugin import Rejected
from broker.services.job_manager.policy import JobPolicy
from tests.unit.broker.services.job_manager.cluster import jobspec

UNLIMITED = -1
_SIZE = st.one_of(st.integers(0, 12), st.just(UNLIMITED))
_SIZES = st.fixed_dictionaries({}, optional={"nnodes": _SIZE, "ncores": _SIZE})
_SECONDS = st.integers(1, 50)


@st.composite
def _policies(draw: st.DrawFn) -> dict[str, Any]:
    """Return a ``[policy]`` table."""
    made: dict[str, Any] = {"limits": {}, "jobspec": {"defaults": {"system": {}}}}
    if draw(st.booleans()):
        made["limits"]["job-size"] = {"min": draw(_SIZES), "max": draw(_SIZES)}
    if draw(st.booleans()):
        made["limits"]["duration"] = f"{draw(_SECONDS)}s"
    if draw(st.booleans()):
        made["jobspec"]["defaults"]["system"]["duration"] = f"{draw(_SECONDS)}s"
    return made


_JOBS = st.fixed_dictionaries(
    {
        "slots": st.integers(1, 4),
        "nodes": st.integers(0, 4),
        "cores": st.integers(1, 4),
        "duration": st.one_of(st.just(0), _SECONDS),
        "queue": st.sampled_from(["debug", "batch"]),
    }
)


def _member(table: Any, *path: str) -> Any:
    for key in path:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    return None if table == {} else table


def _first(own: Any, general: Any, *path: str) -> Any:
    found = _member(own, *path)
    return _member(general, *path) if found is None else found


def _seconds(text: str | None) -> int:
    return int(text.removesuffix("s")) if text is not None else 0


def _is_within(job: dict[str, Any], own: Any, general: Any) -> bool:
    """Whether a job is within the limits, said once more in the words of the manual."""
    counts = {"ncores": max(job["nodes"], 1) * job["slots"] * job["cores"], "nnodes": job["nodes"]}
    for kind, count in counts.items():
        least = _first(own, general, "limits", "job-size", "min", kind)
        most = _first(own, general, "limits", "job-size", "max", kind)
        if least not in (None, UNLIMITED) and count < least:
            return False
        if most not in (None, UNLIMITED) and count > most:
            return False
    longest = _seconds(_first(own, general, "limits", "duration"))
    default = _seconds(_first(own, general, "jobspec", "defaults", "system", "duration"))
    duration = job["duration"] or default
    return not longest or 0 < duration <= longest


def _sensible(policy: Any, general: Any) -> bool:
    """Whether no minimum is above its maximum and no default above its limit: a configuration may
    not have that.
    """
    for kind in ("nnodes", "ncores"):
        least = _first(policy, general, "limits", "job-size", "min", kind)
        most = _first(policy, general, "limits", "job-size", "max", kind)
        if None not in (least, most) and UNLIMITED not in (least, most) and least > most:
            return False
    longest = _seconds(_first(policy, general, "limits", "duration"))
    default = _seconds(_first(policy, general, "jobspec", "defaults", "system", "duration"))
    return not longest or default <= longest


@given(_policies(), _policies(), _policies(), st.lists(_JOBS, min_size=1, max_size=12))
def test_jobs_are_taken_if_they_are_within_the_limits(
    general: dict[str, Any], debug: dict[str, Any], batch: dict[str, Any], jobs: list[Any]
) -> None:
    own = {"debug": debug, "batch": batch}
    try:
        config = from_tables(
            {"policy": general, "queues": {name: {"policy": own[name]} for name in own}}
        )
    except OSError:
        assert not all(_sensible(table, general) for table in (general, debug, batch))
        return
    rules = JobPolicy(config)
    for job in jobs:
        asked = jobspec(**job)
        spec = deepcopy(asked)
        assert rules.choose(spec) == job["queue"]
        try:
            changed = rules.apply(job["queue"], spec, 0)
        except Rejected:
            assert not _is_within(job, own[job["queue"]], general)
            continue
        assert _is_within(job, own[job["queue"]], general)
        rules.check_limits(job["queue"], spec)  # what was taken in goes on being within them
        assert changed == (spec != asked)
        default = _seconds(
            _first(own[job["queue"]], general, "jobspec", "defaults", "system", "duration")
        )
        assert spec["attributes"]["system"]["duration"] == (job["duration"] or default)
