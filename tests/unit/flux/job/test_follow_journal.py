"""Following many jobs by the job manager's journal: which events are whose, and what is lost."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from flux.job.follow_journal import JournalFollower, journal_request, records_of


def answer(*events: tuple[int, str]) -> dict[str, Any]:
    return {
        "events": [
            {"id": jobid, "eventlog_seq": 0, "entry": {"timestamp": 1.0, "name": name}}
            for jobid, name in events
        ]
    }


def heard(follower: JournalFollower, told: object) -> list[tuple[int, str]]:
    return [(jobid, event.name) for jobid, event in follower.take(told)]


def test_the_request_names_the_events() -> None:
    wanted = {"allow": {"finish": 1, "clean": 1}, "together": True}
    assert journal_request(["finish", "clean"]) == wanted


def test_events_of_followed_jobs_are_handed_on_until_the_end() -> None:
    follower = JournalFollower()
    assert follower.expect(7) == []
    assert heard(follower, answer((7, "finish"), (8, "finish"))) == [(7, "finish")]
    follower.end(7)
    assert heard(follower, answer((7, "clean"))) == []
    assert follower.lose() == []


def test_what_came_before_the_answer_to_the_submission_is_not_lost() -> None:
    follower = JournalFollower()
    assert heard(follower, answer((7, "start"), (7, "finish"))) == []
    early = follower.expect(7)
    assert early is not None
    assert [event.name for event in early] == ["start", "finish"]


def test_only_the_newest_unknown_jobs_are_kept_and_others_are_owned_up_to() -> None:
    follower = JournalFollower(early_max=2)
    assert heard(follower, answer((5, "a"), (6, "a"), (7, "a"), (8, "a"))) == []
    assert follower.expect(6) is None
    assert follower.expect(4) is None
    kept = follower.expect(7)
    assert kept is not None
    assert [event.name for event in kept] == ["a"]
    assert follower.expect(9) == []


def test_the_newer_form_names_the_job_once() -> None:
    follower = JournalFollower()
    follower.expect(7)
    told = {"id": 7, "events": [{"timestamp": 1.0, "name": "finish", "context": {"status": 0}}]}
    assert heard(follower, told) == [(7, "finish")]


def test_losing_the_stream_tells_whom_it_concerns() -> None:
    follower = JournalFollower()
    follower.expect(9)
    follower.expect(7)
    assert follower.lose() == [7, 9]
    assert follower.lose() == []


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"events": 3},
        {"events": [3]},
        {"events": [{"entry": {}}]},
        {"events": [{"id": "x", "entry": {"timestamp": 1, "name": "a"}}]},
        {"events": [{"id": 1, "entry": {"name": "a"}}]},
    ],
)
def test_nonsense_is_one_error(told: object) -> None:
    with pytest.raises(OSError, match="malformed") as caught:
        heard(JournalFollower(), told)
    assert caught.value.errno == errno.EPROTO


def test_records_are_told_in_one_form_whoever_told_them() -> None:
    submit = {"timestamp": 1.0, "name": "submit"}
    alloc = {"timestamp": 2.0, "name": "alloc"}
    start = {"timestamp": 3.0, "name": "start"}
    spec, resources = {"version": 1}, {"version": 1, "execution": {}}
    older = {
        "events": [
            {"id": 7, "entry": submit, "jobspec": spec},
            {"id": 7, "entry": alloc, "R": resources},
            {"id": 7, "entry": start},
        ]
    }
    assert records_of(older) == older["events"]
    assert (
        records_of({"id": 7, "events": [submit, alloc, start], "jobspec": spec, "R": resources})
        == older["events"]
    )
    assert records_of({"id": 7, "events": [submit]}) == [{"id": 7, "entry": submit}]
    assert records_of({"id": -1, "events": []}) == []
    with pytest.raises(OSError, match="malformed") as caught:
        records_of({"events": [submit]})
    assert caught.value.errno == errno.EPROTO
