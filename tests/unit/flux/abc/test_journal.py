"""Consumers of journals, against a handle that streams answers."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from flux.abc import JournalConsumerBase, JournalEventBase
from flux.job import JournalConsumer, JournalEvent
from flux.job.journal import SENTINEL_EVENT
from flux.resource import ResourceJournalConsumer
from flux.testing.scripted import ScriptedFlux
from flux.wire.message import response

if TYPE_CHECKING:
    from flux.wire.message import Message

JOBS = "job-manager.events-journal"


class JournalFlux(ScriptedFlux):
    """Answers a journal with ``answers``, and ends it then if ``ends``."""

    def __init__(self, *answers: Any, ends: bool = True) -> None:
        super().__init__()
        self.answers = answers
        self.ends = ends
        self.open: dict[int, Message] = {}

    def send_wire(self, msg: Message) -> None:
        """Stream the answers, or end a stream."""
        self.sent.append((msg.topic or "", msg.json()))
        if msg.topic is not None and msg.topic.endswith("-cancel"):
            asked = self.open.pop(msg.json()["matchtag"])
            self._pending[asked.matchtag].fulfill(response(asked, "", errnum=errno.ENODATA))
            return
        self.open[msg.matchtag] = msg
        self.nodeid = msg.aux1
        for answer in self.answers:
            self._pending[msg.matchtag].fulfill(response(msg, answer))
        if self.ends:
            self._pending[msg.matchtag].fulfill(response(msg, "", errnum=errno.ENODATA))


def entry(name: str, when: float, **context: Any) -> dict[str, Any]:
    return {"timestamp": when, "name": name, "context": context}


def names(consumer: Any) -> list[str]:
    return ["-" if event.is_empty() else event.name for event in consumer]


TODAYS = (
    {"id": 2, "events": [entry("submit", 2.0), entry("clean", 4.0)], "jobspec": {"a": 1}},
    {"id": 1, "events": [entry("begin", 1.0)], "R": {"version": 1}},
    {"id": -1, "events": []},
    {"id": 1, "events": [entry("late", 3.0)]},
)


def test_the_past_comes_in_the_order_of_its_times_and_then_what_is_new() -> None:
    events = list(JournalConsumer(JournalFlux(*TODAYS)).start())
    assert [(event.jobid, event.name) for event in events] == [
        (1, "begin"),
        (2, "submit"),
        (2, "clean"),
        (1, "late"),
    ]
    assert (events[0].R, events[0].jobspec) == ({"version": 1}, None)
    assert (events[1].R, events[1].jobspec) == (None, {"a": 1})


def test_an_empty_event_stands_after_the_past_on_demand() -> None:
    consumer = JournalConsumer(JournalFlux(*TODAYS), include_sentinel=True).start()
    events = list(consumer)
    assert [event.is_empty() for event in events] == [False, False, False, True, False]
    assert events[3] == SENTINEL_EVENT == consumer.SENTINEL_EVENT
    assert str(events[3]) == "-1: End of historical data stream"
    with pytest.raises(KeyError):
        _ = events[3].name
    assert consumer.poll() is None, "the end stays the end"


def test_the_journal_here_marks_the_last_of_the_past() -> None:
    here = (
        {"events": [], "active": True},
        {"events": [{"id": 1, "eventlog_seq": 3, "entry": entry("b", 2.0)}]},
        {"events": [{"id": 2, "eventlog_seq": 0, "entry": entry("a", 1.0)}], "replayed": True},
    )
    events = list(JournalConsumer(JournalFlux(*here), include_sentinel=True).start())
    assert [(event.get("name"), event.seq) for event in events] == [("a", 0), ("b", 3), (None, -1)]


def test_a_broker_that_marks_no_end_is_not_waited_for() -> None:
    flux = JournalFlux({"events": [{"id": 1, "entry": entry("a", 1.0)}]}, ends=False)
    event = JournalConsumer(flux, include_sentinel=True).start().poll(0.0)
    assert event is not None
    assert event.name == "a"


def test_without_the_past_nothing_is_held_back_and_nothing_marks_it() -> None:
    flux = JournalFlux(*TODAYS)
    assert names(JournalConsumer(flux, full=False, include_sentinel=True).start()) == [
        *("submit", "clean", "begin", "late")
    ]
    assert flux.sent == [(JOBS, {"full": False, "records": True})]


def test_what_was_seen_is_left_out() -> None:
    assert names(JournalConsumer(JournalFlux(*TODAYS), since=2.0).start()) == ["clean", "late"]


def test_a_consumer_can_begin_anew() -> None:
    flux = JournalFlux(*TODAYS, ends=False)
    consumer = JournalConsumer(flux).start()
    first = consumer.poll()
    again = consumer.start().poll()
    assert first == again
    assert [topic for topic, _ in flux.sent] == [JOBS, f"{JOBS}-cancel", JOBS]
    consumer.stop()
    assert names(consumer) == ["submit", "clean", "late"]


def test_callbacks_may_come_before_or_after_the_start() -> None:
    for late in (False, True):
        flux = JournalFlux(*TODAYS)
        consumer = JournalConsumer(flux)
        found: list[str | None] = []

        def arrived(event: JournalEvent | None, word: str, to: list[str | None] = found) -> None:
            to.append(word + event.name if event else None)

        if late:
            consumer.start()
            assert consumer.poll() is not None
        assert consumer.set_callback(arrived, "x") is consumer
        if not late:
            consumer.start()
        flux.reactor.run()
        assert found == ["xbegin", "xsubmit", "xclean", "xlate", None][late:]
        flux.close()


def test_misuse_and_nonsense() -> None:
    nonsense: Any = 3
    with pytest.raises(RuntimeError, match="has not been started"):
        JournalConsumer(JournalFlux()).poll()
    with pytest.raises(TypeError):
        JournalConsumer(JournalFlux()).set_callback(nonsense)
    for nonsense in ({}, [], {"events": 3}, {"events": [3]}, {"id": 1, "events": [{"name": 3}]}):
        for kind in (JournalConsumer, ResourceJournalConsumer):
            with pytest.raises(OSError, match="malformed") as caught:
                kind(JournalFlux(nonsense)).start().poll()
            assert caught.value.errno == errno.EPROTO
    with pytest.raises(ValueError, match="no timestamp or name"):
        JournalEventBase({"timestamp": 1.0})


def test_resources_come_with_the_event_that_defines_them() -> None:
    flux = JournalFlux(
        {"events": [entry("restart", 1.0), entry("resource-define", 2.0)], "R": {"version": 1}},
        {"events": []},
        {"events": [entry("drain", 3.0, idset="0")]},
    )
    events = list(ResourceJournalConsumer(flux, include_sentinel=True).start())
    assert [event.R for event in events] == [None, {"version": 1}, None, None]
    assert str(events[2]).endswith(" End of historical data stream")
    assert str(events[3]) == '3.00000 drain {"idset":"0"}'
    assert flux.sent == [("resource.journal", {})]
    assert flux.nodeid == 0, "the leader is asked"


class Letters(JournalConsumerBase[JournalEventBase]):
    """A journal of a program's own."""

    def process_response(self, resp: dict[str, Any]) -> dict[str, Any]:
        """Return what goes before each name."""
        return {"prefix": resp.get("prefix", "")}

    def create_event(self, entry: dict[str, Any], **kwargs: object) -> JournalEventBase:
        """Return an event with the prefix."""
        return JournalEventBase({**entry, "name": f"{kwargs['prefix']}{entry['name']}"})


def test_programs_have_journals_of_their_own() -> None:
    flux = JournalFlux(
        {"events": [entry("b", 2.0), entry("a", 1.0)], "prefix": "x"}, {"events": []}, ends=False
    )
    with Letters(flux, "letters.journal", "letters.quiet-cancel", include_sentinel=True) as letters:
        events = [letters.poll() for _ in range(3)]
        assert [event and event.get("name") for event in events] == ["xa", "xb", None]
    assert flux.sent[1][0] == "letters.quiet-cancel"
