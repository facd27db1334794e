"""The query language: its grammar, its tests of jobs, its mistakes, its completion."""

from __future__ import annotations

import os
import pwd
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux import constants
from flux.job.info import JobInfo
from flux.job.list import VALID_ATTRS
from flux.job.query.completion import complete
from flux.job.query.fields import FIELDS, NAMES
from flux.job.query.jobinfo import ATTRIBUTES, JobInfoReader, attributes
from flux.job.query.match import depends_on_time, predicate
from flux.job.query.syntax import (
    DEPTH_MAX,
    Either,
    Every,
    Negation,
    Node,
    QueryError,
    Term,
    Word,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ME = pwd.getpwuid(os.getuid()).pw_name
NOW = 1000.0
RUNNING, FAILED, HELD, CANCELED = 11, 12, 13, 14

JOBS = [
    JobInfo(
        {
            "id": RUNNING,
            "userid": os.getuid(),
            "state": constants.FLUX_JOB_STATE_RUN,
            "name": "train.py",
            "queue": "gpu",
            "ntasks": 4,
            "nnodes": 2,
            "ncores": 8,
            "ranks": "[0-1]",
            "nodelist": "n[0-1]",
            "t_submit": 100.0,
            "t_run": 200.0,
            "expiration": 2000.0,
            "duration": 1800.0,
            "priority": 16,
            "urgency": 16,
            "bank": "physics",
        }
    ),
    JobInfo(
        {
            "id": FAILED,
            "userid": 4242421,
            "state": constants.FLUX_JOB_STATE_INACTIVE,
            "result": constants.FLUX_JOB_RESULT_FAILED,
            "name": "my job",
            "ntasks": 1,
            "t_submit": 10.0,
            "t_run": 20.0,
            "t_cleanup": 50.0,
            "t_inactive": 50.0,
            "waitstatus": 256,
            "urgency": 16,
        }
    ),
    JobInfo(
        {
            "id": HELD,
            "userid": os.getuid(),
            "state": constants.FLUX_JOB_STATE_SCHED,
            "name": 'a "quoted" (name)',
            "ntasks": 1,
            "t_submit": 900.0,
            "priority": 0,
            "urgency": 0,
        }
    ),
    JobInfo(
        {
            "id": CANCELED,
            "userid": os.getuid(),
            "state": constants.FLUX_JOB_STATE_INACTIVE,
            "result": constants.FLUX_JOB_RESULT_CANCELED,
            "name": "Late",
            "exception_type": "cancel",
            "exception_note": "no more of it",
            "t_submit": 5.0,
            "t_inactive": 6.0,
            "urgency": 16,
        }
    ),
]


def found(text: str, *, typing: bool = False) -> set[int]:
    test = predicate(parse(text), JobInfoReader(NOW), typing=typing)
    return {int(job.id) for job in JOBS if test is None or test(job)}


EVERYONE = {RUNNING, FAILED, HELD, CANCELED}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", EVERYONE),
        ("state:running", {RUNNING}),
        ("state:pending,failed", {FAILED, HELD}),
        ("state:PD", {HELD}),
        ("s:ca", {CANCELED}),
        ("state:canc", {CANCELED}),
        ("-state:inactive", {RUNNING, HELD}),
        ("state!=inactive", {RUNNING, HELD}),
        ("state:done -state:F", {CANCELED}),
        ("name:late", {CANCELED}),
        ("name:*JOB", {FAILED}),
        ('name:"my job"', {FAILED}),
        ('name:"a \\"quoted\\" (name)"', {HELD}),
        ("name:train*,late", {RUNNING, CANCELED}),
        ('name~"^(my|la)"', {FAILED, CANCELED}),
        ("name~.py$", {RUNNING}),
        (f"user:{ME}", {RUNNING, HELD, CANCELED}),
        ("user:4242421", {FAILED}),
        ("queue:gpu", {RUNNING}),
        ("bank:phys*", {RUNNING}),
        ("node:*0-1*", {RUNNING}),
        ("node:n1", {RUNNING}),
        ("node:n?", {RUNNING}),
        ("node:n2", set()),
        ("node:n[1-3]", {RUNNING}),
        ("node:x,n[1-3]", {RUNNING}),
        ("node:n?,x[10-15]", {RUNNING}),
        ("node:n[2-15],x*", set()),
        ("ranks:*1*", {RUNNING}),
        ("ranks:[0,5]", {RUNNING}),
        ('node:"n1"', set()),
        ("ranks:1", {RUNNING}),
        ("ranks:1-7,9", {RUNNING}),
        ("ranks:2-9", set()),
        ("t>1m", {RUNNING}),
        ("t<=30s", {FAILED}),
        ("t:30", {FAILED}),
        ("t:10..40", {FAILED}),
        ("wait>=100", {RUNNING, HELD}),
        ("age<2m", {HELD}),
        ("left>10m", {RUNNING}),
        ("limit:30m", {RUNNING}),
        ("ntasks:1", {FAILED, HELD}),
        ("ntasks:2..", {RUNNING}),
        ("ntasks:1,4", {RUNNING, FAILED, HELD}),
        ("ntasks<9", {RUNNING, FAILED, HELD}),
        ("ntasks!=1", {RUNNING, CANCELED}),
        ("urgency:0", {HELD}),
        ("urgency<=0", {HELD}),
        ("exit:1", {FAILED}),
        ("exit<0", {CANCELED}),
        ("waitstatus:256", {FAILED}),
        ("exception:cancel", {CANCELED}),
        ("info:*no*more*", {CANCELED}),
        ("why:*held*", {HELD}),
        ("id:11,0x0c", {RUNNING, FAILED}),
        ("id:0000.0000.0000.000b", {RUNNING}),
        ("id:f", EVERYONE),
        ("trnpy", {RUNNING}),
        ("late", {CANCELED}),
        ("lATe", set()),
        ("state:running OR name:late", {RUNNING, CANCELED}),
        ("state:running | late", {RUNNING, CANCELED}),
        ("ntasks:1 (state:failed OR urgency:0)", {FAILED, HELD}),
        ("ntasks:1 AND NOT urgency:0", {FAILED}),
        ("-(state:inactive OR urgency:0)", {RUNNING}),
        ("!late & !train", {FAILED, HELD}),
        ("--late", {CANCELED}),
    ],
)
def test_jobs_are_found(text: str, ids: set[int]) -> None:
    assert found(text) == ids


@pytest.mark.parametrize(
    ("text", "sentence", "marked", "replacement"),
    [
        ("name:x sate:run", "no field sate; did you mean state?", "sate", "state"),
        ("zzz:1", "no field zzz; there are state, id", "zzz", None),
        ("state:done,runing", "no state runing; did you mean running?", "runing", "running"),
        ("state:zzz", "no state zzz; there are depend", "zzz", None),
        ("t>5x", "5x is not a duration: write 30s, 5m, 1.5h or 2d", "5x", None),
        ("t:1..x", "x is not a duration", "1..x", None),
        ("ntasks>many", "many is not a number", "many", None),
        ("name>5", "name is not a number: write name:5", ">", ":"),
        ("ntasks~5", "ntasks is no text: use : < >", "~", ":"),
        ("ranks:zz", "zz is no set of ranks: write 3, 0-5 or 1,4", "zz", None),
        ("late ranks:5-2", "5-2 is no set of ranks", "5-2", None),
        ("node:n[1-", "n[1- is no list of hosts: write n1, n[1-3] or n*", "n[1-", None),
        ("node:n1,n]", "n] is no list of hosts", "n1,n]", None),
        ("node:n[0-999999]", "n[0-999999] is no list of hosts", "n[0-999999]", None),
        ("id:ƒ!!", "ƒ!! is no job id", "ƒ!!", None),
        ("id:12,x", "x is no job id", "x", None),
        ("(late", "this parenthesis is not closed", "(", None),
        ("late)", "there is no parenthesis that this one closes", ")", None),
        ("late OR", "OR needs something after it", "OR", None),
        ("OR late", "OR needs something before it", "OR", None),
        ("late AND", "AND needs something after it", "AND", None),
        ("AND late", "AND needs something before it", "AND", None),
        ("late AND AND late", "AND needs something before it", "AND", None),
        ("NOT", "there is nothing to negate", "NOT", None),
        ("(late OR)", "OR needs something after it", "OR", None),
        ("state:", "state: needs a value", "", None),
        ('name~"a(b"', "no regular expression: missing ), unterminated subpattern", "(", None),
    ],
)
def test_mistakes_are_told_with_their_place(
    text: str, sentence: str, marked: str, replacement: str | None
) -> None:
    with pytest.raises(QueryError) as caught:
        found(text)
    error = caught.value
    assert str(error).startswith(sentence)
    assert text[error.start : error.end] == marked
    assert error.replacement == replacement
    assert error.caret() == " " * error.start + "^" * max(len(marked), 1)


def test_levels_are_bounded() -> None:
    assert found("(" * DEPTH_MAX + "late" + ")" * DEPTH_MAX) == {CANCELED}
    for text in ("(" * 100_000, "-" * 100_000 + "late", "NOT " * 100_000):
        with pytest.raises(QueryError, match=r"levels|nothing to negate"):
            parse(text)


@pytest.mark.parametrize("text", ["state:", "name:", "t>", "-", "late state:", "user: OR late"])
def test_what_is_being_typed_hides_nothing(text: str) -> None:
    assert found(text, typing=True) == ({CANCELED} if text == "late state:" else EVERYONE)


def test_a_field_that_a_front_end_lacks_is_told() -> None:
    class Nothing(JobInfoReader):
        def text(self, field: str) -> Callable[[JobInfo], str]:
            raise KeyError(field)

    with pytest.raises(QueryError, match="nothing is known of queue here"):
        predicate(parse("queue:x"), Nothing(NOW))


def test_every_field_can_be_read_and_job_list_can_tell_what_it_takes() -> None:
    values = {"state": "running", "id": "1"}
    for name in NAMES:
        value = values.get(NAMES[name], "1")
        assert found(f"{name}:{value}") <= EVERYONE
    for field in FIELDS:
        assert set(ATTRIBUTES.get(field, (field,))) <= set(VALID_ATTRS)


def test_attributes_are_those_of_the_fields_each_once() -> None:
    assert set(attributes(parse("t>1 -state:F (word OR t<5)"))) == {
        *("t_run", "t_cleanup", "state", "result", "name", "userid")
    }


def test_time_counts_only_for_durations() -> None:
    assert depends_on_time(parse("state:run OR age<1h"))
    assert not depends_on_time(parse("state:run ntasks>3 word"))


@pytest.mark.parametrize(
    ("text", "start", "choices"),
    [
        ("na", 0, ["name:"]),
        ("state:run", 6, ["run", "running"]),
        ("late -state:pend", 12, ["pending"]),
        ("state:failed,canc", 13, ["canceled", "cancelled"]),
        ("(queue:", 7, ['"b c"', "gpu"]),
        ("queue:g", 6, ["gpu"]),
        ("ntasks:", 7, []),
        ("nofield:x", 8, []),
    ],
)
def test_words_are_completed(text: str, start: int, choices: list[str]) -> None:
    def values(field: str) -> Iterable[str]:
        return {"queue": ["gpu", "b c", ""]}.get(field, [])

    done = complete(text, len(text), values)
    assert (done.start, done.end) == (start, len(text))
    assert sorted(done.choices) == sorted(choices)


def test_completion_offers_every_field_at_the_start_of_a_word() -> None:
    done = complete("late ", 5, lambda _: [])
    assert len(done.choices) == len(FIELDS)


@given(st.text(alphabet='abtn:=<>!~-()|& "\\,.*5OR NOTAND', max_size=40))
def test_any_text_is_a_query_or_a_mistake_inside_it(text: str) -> None:
    mistake = None
    try:
        tree = parse(text)
        predicate(tree, JobInfoReader(NOW), typing=True)
    except QueryError as exc:
        mistake = exc
    if mistake is not None:
        assert 0 <= mistake.start <= len(text)
        assert mistake.start < mistake.end <= len(text) + 1


def _written(tree: Node) -> str:
    match tree:
        case Term(field, op, value):
            return f"{field}{op}{value}"
        case Word(value):
            return value
        case Negation(part):
            return f"NOT ({_written(part)})"
        case Every(parts):
            return " ".join(f"({_written(part)})" for part in parts)
        case Either(parts):
            return " OR ".join(f"({_written(part)})" for part in parts)


def test_random_queries_mean_what_their_parts_mean() -> None:
    chance = random.Random(5)
    atoms = ["state:inactive", "ntasks:1", "late", "urgency:0", "name:t*", "t>1m"]

    def make(depth: int) -> tuple[str, set[int]]:
        kind = chance.randrange(4 if depth else 1)
        if kind == 0:
            text = chance.choice(atoms)
            return text, found(text)
        left, left_ids = make(depth - 1)
        if kind == 1:
            return f"-({left})", EVERYONE - left_ids
        right, right_ids = make(depth - 1)
        if kind == 2:
            return f"({left}) OR ({right})", left_ids | right_ids
        return f"({left}) {chance.choice(['', 'AND', '&'])} ({right})", left_ids & right_ids

    for _ in range(300):
        text, ids = make(4)
        assert found(text) == ids, text
        assert found(_written(parse(text))) == ids
