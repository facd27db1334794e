"""Submitting many jobs: bounded windows, refusals, waiting, output.

The broker is a script on a fake handle.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux.core.reactor import Reactor
from flux.wire import json
from flux.wire.message import RESPONSE, Message
from fluxctl.mini import following
from fluxctl.mini import submitter as module
from fluxctl.mini.jobspec import JobspecBuilder
from fluxctl.mini.options import MiniOptions
from fluxctl.mini.request import JobRequest
from fluxctl.mini.submission import JobToSubmit, Settings
from fluxctl.mini.submitter import Submitter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flux.core.handle import Flux

SUBMIT = "job-ingest.submit"
WATCH = "job-info.eventlog-watch"
JOURNAL = "job-manager.events-journal"


class FakeHandle:
    """Answers RPCs in the next turn of a real reactor."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.in_flight = self.most_in_flight = 0
        self.watched = self.most_watched = 0
        self.sent: list[tuple[str, Any]] = []
        self.refuse: Callable[[int], bool] = lambda number: False
        self.logs: dict[str, list[str]] = {
            "eventlog": [
                '{"timestamp":1,"name":"start"}',
                '{"timestamp":2,"name":"finish","context":{"status":0}}',
                '{"timestamp":3,"name":"clean"}',
            ],
            "guest.exec.eventlog": [
                '{"timestamp":1,"name":"shell.init","context":{"service":"s","leader-rank":0}}'
            ],
            "guest.output": [
                '{"timestamp":1,"name":"data",'
                '"context":{"stream":"stdout","rank":"0","data":"hi\\n"}}'
            ],
        }
        self.journal_error = errno.EPERM
        self.journal_ends_after = -1
        self.early = False
        self.ends_later = False
        self._journal: Any = None  # the RPC, which is none of this module's business
        self._pending: dict[int, Any] = {}
        self._tag = 0

    def new_matchtag(self, rpc: Any) -> int:
        self._tag += 1
        self._pending[self._tag] = rpc
        return self._tag

    def free_matchtag(self, tag: int) -> None:
        self._pending.pop(tag, None)

    def rpc(self, topic: str, payload: Any = None, nodeid: int = 0, flags: int = 0) -> Any:
        from flux.rpc import RPC

        return RPC(cast("Flux", self), topic, payload, nodeid, flags)

    def send_wire(self, msg: Message) -> None:
        payload = msg.json()
        self.sent.append((msg.topic or "", payload))
        rpc = self._pending.get(msg.aux2)
        if msg.topic == SUBMIT:
            number = sum(1 for topic, _ in self.sent if topic == SUBMIT)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            if self.early and self._journal is not None:
                self.reactor.call_soon(lambda: self._tell(number))
            self.reactor.call_soon(lambda: self._answer_submit(rpc, number))
            if not self.early and self._journal is not None:
                self.reactor.call_soon(lambda: self._tell(number))
        elif msg.topic == JOURNAL:
            if self.journal_error:
                self.reactor.call_soon(lambda: self._refuse(rpc, self.journal_error))
            else:
                self._journal = rpc
        elif msg.topic == WATCH:
            main = payload["path"] == "eventlog"
            self.watched += main
            self.most_watched = max(self.most_watched, self.watched)
            self.reactor.call_soon(lambda: self._answer_watch(rpc, payload["path"], main))

    def _refuse(self, rpc: Any, errnum: int) -> None:
        rpc.fulfill_error(errnum, "not for you")

    def _tell(self, number: int) -> None:
        """Tell the journal's reader of a job, and of somebody else's."""
        if self._journal is None:
            return
        lines = list(enumerate(self.logs["eventlog"]))
        if self.ends_later:
            self._say(number, lines[:1])
            if self.journal_ends_after < 0 or number < self.journal_ends_after:
                self.reactor.call_soon(lambda: self._say(number, lines[1:]))
        else:
            self._say(number, lines)
        if self.journal_ends_after == number and self._journal is not None:
            self._journal.fulfill_error(errno.ENOSYS, "job-manager is being unloaded")
            self._journal = None

    def _say(self, number: int, lines: list[tuple[int, str]]) -> None:
        if self._journal is None:
            return
        events = [
            {"id": jobid, "eventlog_seq": seq, "entry": json.loads(line)}
            for seq, line in lines
            for jobid in (number, 1_000_000 + number)
        ]
        self._journal.fulfill(Message(RESPONSE, payload=json.dumps({"events": events}) + b"\0"))

    def _answer_submit(self, rpc: Any, number: int) -> None:
        self.in_flight -= 1
        if self.refuse(number):
            rpc.fulfill_error(errno.EINVAL, "no such thing")
        else:
            rpc.fulfill(Message(RESPONSE, payload=b'{"id":%d}\0' % number))

    def _answer_watch(self, rpc: Any, path: str, main: bool) -> None:
        from flux.wire import json

        for line in self.logs[path]:
            rpc.fulfill(Message(RESPONSE, payload=json.dumps({"event": line + "\n"}) + b"\0"))
        self.watched -= main
        rpc.fulfill_error(errno.ENODATA)

    def reactor_run(self) -> int:
        return self.reactor.run()

    def reactor_stop(self) -> None:
        self.reactor.stop()


@pytest.fixture
def handle() -> Iterator[FakeHandle]:
    made = FakeHandle()
    yield made
    made.reactor.close()


def submitter(
    handle: FakeHandle, jobs: Iterator[JobToSubmit | None], settings: Settings
) -> Submitter:
    return Submitter(cast("Flux", handle), jobs, settings)


def jobs(count: int, **where: Any) -> Iterator[JobToSubmit | None]:
    builder = JobspecBuilder("/")
    for _ in range(count):
        yield JobToSubmit(JobRequest(builder.tasks(MiniOptions(env=["-*"]), ["true"])), **where)


def test_prints_ids_and_keeps_the_window(
    handle: FakeHandle, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUBMIT_WINDOW", 7)
    assert submitter(handle, jobs(50), Settings()).run() == 0
    assert len(capfd.readouterr().out.splitlines()) == 50
    assert handle.most_in_flight == 7


def test_payload(handle: FakeHandle) -> None:
    from flux.security import unwrap

    submitter(handle, jobs(1), Settings(quiet=True)).run()
    _, payload = handle.sent[0]
    assert (payload["urgency"], payload["flags"]) == (16, 0)
    assert b'"command":["true"]' in unwrap(payload["J"])[0]


def test_waits_in_a_bounded_window(handle: FakeHandle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "WATCH_WINDOW", 5)
    run = submitter(handle, jobs(40), Settings(wait=True, quiet=True))
    assert run.run() == 0
    assert (run.tally.complete, handle.most_watched <= 5) == (40, True)


def test_refused_jobs_are_reported_and_the_others_go_on(
    handle: FakeHandle, capfd: pytest.CaptureFixture[str]
) -> None:
    handle.refuse = lambda number: number == 2
    run = submitter(handle, jobs(3), Settings())
    assert run.run() == 1
    out, err = capfd.readouterr()
    assert err == "[Errno 22] no such thing\n"
    assert (len(out.splitlines()), run.tally.submitted) == (2, 2)


def test_exit_code_is_the_largest(handle: FakeHandle) -> None:
    handle.logs["eventlog"][1] = '{"timestamp":2,"name":"finish","context":{"status":512}}'
    assert submitter(handle, jobs(2), Settings(wait=True, quiet=True)).run() == 2


def test_watch_shows_output_and_lets_go_of_the_execution(
    handle: FakeHandle, capfd: pytest.CaptureFixture[str]
) -> None:
    run = submitter(handle, jobs(2), Settings(watch=True, quiet=True, label=True))
    assert run.run() == 0
    assert capfd.readouterr().out == "0: hi\n" * 2
    assert sum(1 for topic, _ in handle.sent if topic == f"{WATCH}-cancel") == 2


def test_exceptions_are_told(handle: FakeHandle, capfd: pytest.CaptureFixture[str]) -> None:
    handle.logs["eventlog"] = [
        '{"timestamp":2,"name":"exception",'
        '"context":{"type":"cancel","severity":0,"note":"because"}}'
    ]
    assert submitter(handle, jobs(1), Settings(wait=True, quiet=True)).run() == 1
    assert capfd.readouterr().err == "ƒ2: exception: type=cancel note=because\n"


def test_logs(handle: FakeHandle, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    submitter(handle, jobs(2, log=str(log)), Settings(watch=True)).run()
    assert sorted(log.read_text().splitlines()) == ["hi", "hi", "ƒ2", "ƒ3"]
    assert capfd.readouterr() == ("", "")


def test_nothing_to_do(handle: FakeHandle) -> None:
    assert submitter(handle, jobs(0), Settings(wait=True)).run() == 0


# Many jobs are followed by the journal


def watches(handle: FakeHandle, path: str = "eventlog") -> int:
    """Return how many watches of such an eventlog there were."""
    return sum(1 for topic, asked in handle.sent if topic == WATCH and asked["path"] == path)


@pytest.mark.parametrize("early", [False, True])
def test_many_jobs_are_followed_by_one_stream(handle: FakeHandle, early: bool) -> None:
    handle.journal_error, handle.early = 0, early
    handle.logs["eventlog"][1] = '{"timestamp":2,"name":"finish","context":{"status":768}}'
    run = submitter(handle, jobs(500), Settings(wait=True, quiet=True))
    assert run.run() == 3
    assert (run.tally.failed, run.tally.running) == (500, 0)
    asked = [payload for topic, payload in handle.sent if topic == JOURNAL]
    allowed = {"finish": 1, "exception": 1, "clean": 1}
    assert asked == [{"full": False, "allow": allowed, "together": True}]
    assert watches(handle) == following.FEW


def test_who_may_not_read_the_journal_watches_each_job(handle: FakeHandle) -> None:
    run = submitter(handle, jobs(100), Settings(wait=True, quiet=True))
    assert run.run() == 0
    assert (run.tally.complete, watches(handle)) == (100, 100)


def test_jobs_are_watched_when_the_journal_ends(handle: FakeHandle) -> None:
    handle.journal_error, handle.journal_ends_after = 0, 60
    handle.logs["eventlog"].pop()  # no end by the journal
    run = submitter(handle, jobs(100), Settings(wait=True, quiet=True))
    assert run.run() == 0
    assert (run.tally.complete, run.tally.running, watches(handle)) == (100, 0, 100)


def test_a_lost_connection_is_told(handle: FakeHandle) -> None:
    handle.journal_error = errno.ECONNRESET
    with pytest.raises(ConnectionResetError):
        submitter(handle, jobs(100), Settings(wait=True, quiet=True)).run()


def test_exceptions_are_told_once(handle: FakeHandle, capfd: pytest.CaptureFixture[str]) -> None:
    handle.journal_error = 0
    handle.logs["eventlog"] = [
        '{"timestamp":2,"name":"exception",'
        '"context":{"type":"cancel","severity":0,"note":"because"}}',
        '{"timestamp":3,"name":"clean"}',
    ]
    assert submitter(handle, jobs(60), Settings(wait=True, quiet=True)).run() == 1
    assert capfd.readouterr().err.count("exception: type=cancel note=because\n") == 60


@pytest.mark.parametrize("early", [False, True])
def test_only_the_output_of_many_jobs_is_watched(
    handle: FakeHandle, capfd: pytest.CaptureFixture[str], early: bool
) -> None:
    handle.journal_error, handle.early = 0, early
    run = submitter(handle, jobs(100), Settings(watch=True, quiet=True))
    assert run.run() == 0
    assert capfd.readouterr().out == "hi\n" * 100
    paths = [payload["path"] for topic, payload in handle.sent if topic == WATCH]
    by_journal = 100 - following.FEW
    assert paths.count("eventlog") == following.FEW
    assert paths.count("guest.exec.eventlog") == following.FEW
    assert paths.count("guest.output") == following.FEW + by_journal
    assert watches(handle) == following.FEW


def test_output_of_jobs_that_run_on_is_watched_meanwhile(
    handle: FakeHandle, capfd: pytest.CaptureFixture[str]
) -> None:
    handle.journal_error = 0
    handle.ends_later = True
    run = submitter(handle, jobs(60), Settings(watch=True, quiet=True))
    assert run.run() == 0
    assert capfd.readouterr().out == "hi\n" * 60
    assert (run.tally.complete, run.tally.running) == (60, 0)


def test_output_is_told_once_when_the_journal_ends(
    handle: FakeHandle, capfd: pytest.CaptureFixture[str]
) -> None:
    handle.journal_error, handle.journal_ends_after = 0, 60
    handle.ends_later = True
    run = submitter(handle, jobs(100), Settings(watch=True, quiet=True))
    assert run.run() == 0
    assert capfd.readouterr().out == "hi\n" * 100
    assert (run.tally.complete, run.tally.running) == (100, 0)


def test_a_job_that_never_started_has_no_output(handle: FakeHandle) -> None:
    handle.journal_error = 0
    handle.logs["eventlog"] = [
        '{"timestamp":2,"name":"exception","context":{"type":"cancel","severity":0,"note":"x"}}',
        '{"timestamp":3,"name":"clean"}',
    ]
    run = submitter(handle, jobs(60), Settings(watch=True, quiet=True))
    assert run.run() == 1
    paths = [payload["path"] for topic, payload in handle.sent if topic == WATCH]
    assert paths == ["eventlog"] * following.FEW


def test_who_wants_every_event_watches_each_job(handle: FakeHandle) -> None:
    handle.journal_error = 0
    assert submitter(handle, jobs(60), Settings(wait=True, verbose=2)).run() == 0
    assert (watches(handle), JOURNAL in dict(handle.sent)) == (60, False)


# An event that is waited for, instead of the end


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("journal_error", [0, errno.EPERM])
def test_an_event_is_waited_for(handle: FakeHandle, count: int, journal_error: int) -> None:
    handle.journal_error = journal_error
    handle.logs["eventlog"] = ['{"timestamp":1,"name":"start"}', '{"timestamp":2,"name":"later"}']
    run = submitter(handle, jobs(count), Settings(wait_event="start", quiet=True))
    assert run.run() == 0
    assert (run.tally.complete, run.tally.running) == (count, 0)


def test_an_event_that_never_comes_is_the_end(handle: FakeHandle) -> None:
    handle.logs["eventlog"][1] = '{"timestamp":2,"name":"finish","context":{"status":512}}'
    run = submitter(handle, jobs(2), Settings(wait_event="nosuch", quiet=True))
    assert (run.run(), run.tally.failed) == (2, 2)


def test_labels_may_name_the_job(handle: FakeHandle, capfd: pytest.CaptureFixture[str]) -> None:
    settings = Settings(watch=True, quiet=True, label=True, label_jobs=True)
    assert submitter(handle, jobs(1), settings).run() == 0
    assert capfd.readouterr().out == "ƒ2: 0: hi\n"
