"""Which jobs a constraint chooses: the answers that flux-core 0.88 was seen to give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_list.constraint import DEEPEST, choice_of
from broker.services.job_list.index import JobIndex

if TYPE_CHECKING:
    from broker.services.job_list.record import ListedJob

R = {
    "execution": {
        "R_lite": [{"rank": "0-1", "children": {"core": "0"}}],
        "expiration": 9.0,
        "nodelist": ["vm[0-1]"],
    }
}
HELD, RUNNING, CANCELED, FAILED, DONE = range(1, 6)


def entry(timestamp: float, name: str, **context: object) -> dict[str, object]:
    return {"timestamp": timestamp, "name": name, "context": context}


def jobspec(name: str, queue: str | None = None) -> dict[str, Any]:
    system = {"queue": queue, "job": {"name": name}}
    return {"attributes": {"system": system}, "resources": [], "tasks": []}


def example() -> JobIndex:
    """A held job, one that runs, and one of each result; the second and the fifth are of user 7."""
    jobs = JobIndex()

    def post(job: int, *entries: dict[str, object], **rest: Any) -> None:
        for one in entries:
            jobs.update(job, one, **rest)

    for job, name in enumerate(("wait", "run", "x", "x", "d"), HELD):
        submitted = entry(job, "submit", userid=7 if job in (RUNNING, DONE) else 0, urgency=16)
        post(job, submitted, jobspec=jobspec(name, "debug" if job == DONE else None))
        post(job, entry(job + 0.25, "depend"), entry(job + 0.25, "priority", priority=job))
        if job != HELD:
            post(job, entry(job + 0.5, "alloc"), resources=R if job == RUNNING else None)
    post(CANCELED, entry(10.0, "exception", type="cancel", severity=0, note=""))
    post(FAILED, entry(11.0, "finish", status=256))
    post(DONE, entry(12.0, "finish", status=0))
    for job in (CANCELED, FAILED, DONE):
        post(job, entry(10.0 + job, "clean"))
    return jobs


@pytest.fixture(scope="module", name="index")
def example_fixture() -> JobIndex:
    return example()


def chosen(index: JobIndex, constraint: object, since: float = 0.0) -> list[int]:
    return [job.id for job in index.choose(choice_of(constraint), since=since)]


EVERY = [HELD, RUNNING, DONE, FAILED, CANCELED]
ENDED = [DONE, FAILED, CANCELED]


@pytest.mark.parametrize(
    ("constraint", "jobs"),
    [
        ({}, EVERY),
        ({"and": []}, EVERY),
        ({"or": []}, EVERY),
        ({"not": []}, []),
        ({"states": ["running"]}, [RUNNING]),
        ({"states": [16]}, [RUNNING]),
        ({"states": ["RUN", "sched"]}, [HELD, RUNNING]),
        ({"states": ["pending"]}, [HELD]),
        ({"states": []}, []),
        ({"results": ["completed"]}, [DONE]),
        ({"results": [2, "CANCELED"]}, [FAILED, CANCELED]),
        ({"userid": [7]}, [RUNNING, DONE]),
        ({"userid": [4294967295]}, EVERY),
        ({"userid": [-1, 5]}, EVERY),
        ({"name": ["run", "x"]}, [RUNNING, FAILED, CANCELED]),
        ({"name": []}, []),
        ({"queue": ["debug"]}, [DONE]),
        ({"hostlist": ["vm[1-5]"]}, [RUNNING]),
        ({"hostlist": ["vm7"]}, []),
        ({"ranks": ["1-3", "9"]}, [RUNNING]),
        ({"ranks": ["2"]}, []),
        ({"t_submit": [">1", "<=4"]}, [RUNNING, FAILED, CANCELED]),
        ({"t_run": [">=0"]}, [RUNNING, *ENDED]),
        ({"t_inactive": ["<14"]}, [CANCELED]),
        ({"not": [{"states": ["running"]}]}, [HELD, *ENDED]),
        ({"not": [{"states": ["running"]}, {"name": ["x"]}]}, EVERY),
        ({"not": [{"results": ["failed"]}]}, [HELD, RUNNING, DONE, CANCELED]),
        ({"or": [{"name": ["x"]}, {"states": ["running"]}]}, [RUNNING, FAILED, CANCELED]),
        ({"and": [{"userid": [0]}, {"states": [62]}]}, [HELD]),
        ({"or": [{"results": ["failed"]}, {"not": [{"states": ["active"]}]}]}, ENDED),
    ],
    ids=str,
)
def test_chosen(index: JobIndex, constraint: object, jobs: list[int]) -> None:
    assert chosen(index, constraint) == jobs


@pytest.mark.parametrize(
    ("constraint", "text"),
    [
        (None, "constraint must be JSON object"),
        ([], "constraint must be JSON object"),
        ({"and": [1]}, "constraint must be JSON object"),
        ({"and": [], "or": []}, "constraint must only contain 1 element"),
        ({"foo": ["a"]}, "unknown constraint operator: foo"),
        ({"duration": [">0"]}, "unknown constraint operator: duration"),
        ({"states": "running"}, "operator states values not an array"),
        ({"and": {}}, "operator and values not an array"),
        ({"states": ["foo"]}, "invalid states value 'foo' specified"),
        ({"results": [True]}, "invalid results value 'True' specified"),
        ({"userid": ["0"]}, "userid value must be an integer"),
        ({"userid": [0, True]}, "userid value must be an integer"),
        ({"name": [1]}, "name value must be a string"),
        ({"ranks": [0]}, "ranks value must be a string"),
        ({"ranks": ["foo"]}, "ranks value 'foo': error parsing range 'foo'"),
        ({"hostlist": ["vm[0-"]}, "host value not in valid Hostlist format"),
        ({"t_submit": ["=1"]}, "timestamp comparison operator not specified"),
        ({"t_submit": [">x"]}, "invalid timestamp value '>x' specified"),
        ({"t_submit": [1]}, "t_submit value must be a string"),
    ],
    ids=str,
)
def test_what_is_no_constraint(constraint: object, text: str) -> None:
    with pytest.raises(ValueError, match="^" + text.replace("[", r"\[") + "$"):
        choice_of(constraint)


def test_depth_is_bounded() -> None:
    constraint: dict[str, Any] = {}
    for _ in range(DEEPEST):
        constraint = {"not": [constraint]}
    with pytest.raises(ValueError, match="nested too deep"):
        choice_of(constraint)


def test_since_leaves_out_what_ended_earlier(index: JobIndex) -> None:
    assert chosen(index, {}, since=14.0) == [HELD, RUNNING, DONE]
    assert chosen(index, {}, since=99.0) == [HELD, RUNNING]


LEAVES = st.sampled_from(
    [
        {"states": ["running"]},
        {"states": ["pending", "inactive"]},
        {"results": ["failed"]},
        {"userid": [7]},
        {"name": ["x"]},
        {"t_inactive": [">13"]},
    ]
)
CONSTRAINTS = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda joint, values: {joint: values},
        st.sampled_from(["and", "or", "not"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=8,
)


def holds(constraint: dict[str, Any], job: ListedJob) -> bool:
    """Whether a job meets a constraint, with every part looked at for itself."""
    ((name, values),) = constraint.items()
    if name in ("and", "or"):
        return (all if name == "and" else any)(holds(one, job) for one in values)
    if name == "not":
        return not all(holds(one, job) for one in values)
    choice = choice_of(constraint)
    return bool(job.state & choice.states) and choice.chooses(job)


@given(CONSTRAINTS)
def test_the_states_that_are_looked_through_leave_out_nothing(constraint: dict[str, Any]) -> None:
    index = example()
    jobs = [job for job in map(index.get, EVERY) if job is not None]
    assert chosen(index, constraint) == [job.id for job in jobs if holds(constraint, job)]
