"""What attaching shows, fed with recorded events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.job.event import EventLogEvent
from flux.job.follow import EXEC, MAIN, OUTPUT
from fluxctl.attach_view import (
    STDERR,
    STDOUT,
    AttachOptions,
    AttachPty,
    AttachView,
    Continue,
    ForwardStdin,
    Print,
    Refuse,
    WatchExec,
    WatchOutput,
)

if TYPE_CHECKING:
    from random import Random


def event(name: str, at: float = 100.0, **context: Any) -> EventLogEvent:
    return EventLogEvent(
        {"timestamp": at, "name": name, **({"context": context} if context else {})}
    )


SHELL_INIT: dict[str, Any] = {"leader-rank": 0, "size": 1, "service": "0-shell-306838503424"}


def test_follows_a_job_as_recorded() -> None:
    view = AttachView(AttachOptions(show_events=True, show_exec=True))
    shown = view.job_event(event("submit", 100.0, userid=0, urgency=16, flags=0))
    assert shown == [
        Print(STDERR, b'0.000s: job.submit {"userid":0,"urgency":16,"flags":0}\n'),
        WatchExec(),
    ]
    assert view.job_event(event("depend", 100.012)) == [Print(STDERR, b"0.012s: job.depend\n")]
    assert view.exec_event(event("init", 100.017)) == []
    assert view.job_event(event("start", 100.021)) == [
        Print(STDERR, b"0.021s: job.start\n"),
        Print(STDERR, b"0.017s: exec.init\n"),
    ]
    actions = view.exec_event(event("shell.init", 100.033, **SHELL_INIT))
    assert actions[1:] == [WatchOutput(), ForwardStdin("0-shell-306838503424", 0)]
    assert view.job_event(event("finish", 100.041, status=0)) == []
    assert view.exec_event(event("done", 100.04)) == []
    assert view.exec_ended() == []
    last = event("data", 100.039, stream="stdout", rank="0", data="last\n")
    assert view.output_event(last) == [Print(STDOUT, b"last\n")]
    assert view.ended(OUTPUT) == [
        Print(STDERR, b"0.040s: exec.done\n"),
        Print(STDERR, b'0.041s: job.finish {"status":0}\n'),
    ]
    assert view.job_event(event("clean", 100.044)) == [Print(STDERR, b"0.044s: job.clean\n")]
    assert (view.exit_code, view.verdict) == (0, None)


def lines(actions: list[Any]) -> list[str]:
    """Return what is printed, without times."""
    shown = [action for action in actions if isinstance(action, Print)]
    return [item.data.decode().split(": ")[-1].split()[0] for item in shown]


EVENTS = [
    (MAIN, event("start", 100.1)),
    (EXEC, event("init", 100.2)),
    (EXEC, event("shell.init", 100.3, **SHELL_INIT)),
    (EXEC, event("shell.start", 100.4)),
    (OUTPUT, event("data", 100.5, stream="stdout", rank="0", data="out\n")),
    (EXEC, event("complete", 100.6, status=0)),
    (EXEC, event("done", 100.7)),
    (MAIN, event("finish", 100.8, status=0)),
    (MAIN, event("clean", 100.9)),
]
IN_TIME = ["job.start", "exec.init", "exec.shell.init", "exec.shell.start", "out"]
IN_TIME += ["exec.complete", "exec.done", "job.finish", "job.clean"]


def test_a_job_that_has_ended_shows_in_the_order_of_time() -> None:
    view = AttachView(AttachOptions(show_events=True, show_exec=True))
    actions = []
    for path in (MAIN, EXEC, OUTPUT):  # each is there as a whole when it is opened
        actions += [
            done for name, item in EVENTS if name == path for done in view.event(path, item)
        ]
        actions += view.ended(path)
    assert lines(actions) == IN_TIME
    assert view.over() == []


@given(st.randoms(use_true_random=False))
def test_events_of_the_end_wait_for_what_came_before(random: Random) -> None:
    view = AttachView(AttachOptions(show_events=True, show_exec=True))
    queues = {path: [item for name, item in EVENTS if name == path] for path, _ in EVENTS}
    known, actions = [MAIN], []
    while known:
        path = random.choice(known)
        if queues[path]:
            fresh = view.event(path, queues[path].pop(0))
        else:
            known.remove(path)
            fresh = view.ended(path)
        known += [EXEC] * fresh.count(WatchExec()) + [OUTPUT] * fresh.count(WatchOutput())
        actions += fresh
    assert sorted(lines(actions)) == sorted(IN_TIME)
    assert lines(actions)[-4:] == IN_TIME[-4:]


def test_the_end_of_a_job_whose_output_is_not_shown_is_not_held_back() -> None:
    view = AttachView(AttachOptions(show_events=True))
    view.job_event(event("start"))
    assert lines(view.job_event(event("finish", status=0))) == []
    assert lines(view.ended(EXEC)) == ["job.finish"]  # no shell ever began
    never = AttachView(AttachOptions(show_events=True))
    assert lines(never.job_event(event("submit")) + never.job_event(event("clean"))) == [
        "job.submit",
        "job.clean",
    ]
    lost = AttachView(AttachOptions(show_events=True))
    lost.job_event(event("start"))
    lost.job_event(event("finish", status=0))
    assert lines(lost.over()) == ["job.finish"]


@pytest.mark.parametrize(
    ("wanted", "context", "told"),
    [
        ("0-1", {"task-count": 1}, "0-1 to 0"),
        ("1-2", {"taskmap": {"version": 1, "map": [[0, 2, 1, 1]]}}, "1-2 to 1"),
        ("5", {"task-count": 1}, "5 to "),
        ("0-1", {"task-count": 2}, None),
        ("all", {"task-count": 2}, None),
        ("0-1", {"taskmap": "?"}, None),
        ("0-1", {}, None),
    ],
)
def test_input_for_tasks_that_are_not_there(
    wanted: str, context: dict[str, Any], told: str | None
) -> None:
    view = AttachView(AttachOptions(stdin_tasks=wanted))
    view.job_event(event("start"))
    said = f"flux-job: warning: adjusting --stdin-ranks from {told}\n".encode()
    expected = [] if told is None else [Print(STDERR, said)]
    assert view.exec_event(event("shell.start", **context)) == expected


def test_stopped_tasks_are_continued_once_all_have_started() -> None:
    view = AttachView(AttachOptions(debug=True), attached=50.0)
    view.job_event(event("start"))
    assert Continue() not in view.exec_event(event("shell.init", **SHELL_INIT))
    assert view.exec_event(event("shell.start")) == [Continue()]
    plain = AttachView(AttachOptions())
    plain.job_event(event("start"))
    assert plain.exec_event(event("shell.start")) == []


def test_a_job_that_has_ended_cannot_be_debugged() -> None:
    late = AttachView(AttachOptions(debug=True), attached=200.0)
    late.job_event(event("start"))
    actions = late.job_event(event("finish", 100.0, status=0))
    assert Refuse("cannot debug job that has finished running") in actions
    assert late.exec_event(event("shell.start")) == []
    own = AttachView(AttachOptions(debug=True, own=True))
    assert own.job_event(event("finish", 100.0, status=0)) == [WatchExec()]


def test_exit_codes() -> None:
    for status, code, verdict in (
        (256 * 3, 3, "task(s) exited with exit code 3"),
        (36608, 143, "task(s) exited with exit code 143"),
        (9, 137, "job shell Killed"),
    ):
        view = AttachView(AttachOptions())
        view.job_event(event("finish", status=status))
        assert (view.exit_code, view.verdict) == (code, verdict)


def test_the_end_in_todays_words() -> None:
    for status, verdict in (
        (256 * 3, "task(s) exited with exit code 3"),
        (256 * 128, "task(s) exited with exit code 128"),
        (256 * 142, "task(s) Alarm clock"),
        (256 * 200, "task(s) Unknown signal 72"),
        (9, "job shell Killed"),
    ):
        view = AttachView(AttachOptions(name="f1"))
        view.job_event(event("finish", status=status))
        assert view.verdict == verdict
    cancel = event("exception", 100.0, type="cancel", severity=0, note="why")
    line = Print(STDERR, b"0.000s: job.exception f1 type=cancel severity=0 why\n")
    assert AttachView(AttachOptions(name="f1")).job_event(cancel)[0] == line


def copied(text: str, at: float = 100.2) -> EventLogEvent:
    return event("log", at, component="flux-shell", stream="stderr", rank="0", data=f"{text}\n")


def test_errors_of_the_shell_are_told_once() -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("submit"))
    view.job_event(event("start"))
    assert view.exec_event(copied("flux-shell: ERROR: output: x")) == []
    assert view.exec_event(copied("Could not change dir to /x: no. Going to /tmp instead")) == []
    assert view.exec_event(copied("flux-shell: FATAL: no output yet")) == []
    printed = Print(STDERR, b"0.200s: flux-shell[0]: stderr: printed\n")
    assert view.exec_event(copied("printed")) == [printed]
    view.exec_event(event("shell.init", **SHELL_INIT))
    told = event("log", rank=0, level=3, message="x", component="output")
    assert len(view.output_event(told)) == 1
    text = "Could not change dir to /x: no. Going to /tmp instead"
    assert len(view.output_event(event("log", rank=0, level=3, message=text))) == 1
    assert view.exec_ended() == []
    assert view.ended(OUTPUT) == [
        Print(STDERR, b"0.200s: flux-shell[0]: stderr: flux-shell: FATAL: no output yet\n")
    ]
    assert view.over() == []


def test_an_error_of_two_shells_is_told_twice() -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("start"))
    for _ in range(2):
        assert view.exec_event(copied("flux-shell: FATAL: x")) == []
    view.exec_event(event("shell.init", **SHELL_INIT))
    assert len(view.output_event(event("log", rank=0, level=0, message="x"))) == 1
    view.exec_ended()
    assert len(view.ended(OUTPUT)) == 1


def test_exception_before_the_job_ran() -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("submit"))
    shown = view.job_event(
        event("exception", 100.244, type="dependency", severity=0, note="can never be satisfied")
    )
    assert shown == [
        Print(STDERR, b"0.244s: job.exception type=dependency severity=0 can never be satisfied\n")
    ]
    assert view.exec_ended() == []
    assert (view.exit_code, view.verdict) == (1, None)


def test_minor_exception_does_not_fail() -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("exception", type="foo", severity=7, note=""))
    assert view.exit_code == 0


def test_output() -> None:
    plain, label = AttachView(AttachOptions()), AttachView(AttachOptions(label=True))
    data = event("data", stream="stdout", rank="1", data="a\nb\n")
    assert plain.output_event(data) == [Print(STDOUT, b"a\nb\n")]
    assert label.output_event(data) == [Print(STDOUT, b"1: a\n1: b\n")]
    both = event("data", stream="stderr", rank="[0-1]", data="x\n")
    assert label.output_event(both) == [Print(STDERR, b"0: x\n1: x\n")]
    binary = event("data", stream="stdout", rank="0", encoding="base64", data="//4=")
    assert plain.output_event(binary) == [Print(STDOUT, b"\xff\xfe")]
    assert plain.output_event(event("data", stream="stdout", rank="0", eof=True)) == []
    assert plain.output_event(event("header", version=1)) == []


def test_talk_of_the_shell() -> None:
    view = AttachView(AttachOptions(copies=True))
    view.job_event(event("submit", 100.0))
    view.job_event(event("start", 100.0))
    message = "task 0: start failed: x: No such file or directory"
    assert view.output_event(event("log", 100.036, rank=0, level=0, message=message)) == [
        Print(STDERR, f"0.036s: flux-shell[0]: FATAL: {message}\n".encode())
    ]
    assert view.output_event(event("log", 100.1, rank=0, level=5, component="t", message="hi")) == [
        Print(STDERR, b"0.100s: flux-shell[0]: t: hi\n")
    ]
    told = event(
        "log",
        100.2,
        component="flux-shell",
        stream="stderr",
        rank="0",
        data="flux-shell: FATAL: x\n",
    )
    assert view.exec_event(told) == [
        Print(STDERR, b"0.200s: flux-shell[0]: stderr: flux-shell: FATAL: x\n")
    ]
    assert view.output_event(event("redirect", stream="stdout", rank="0", path="out.txt")) == [
        Print(STDERR, b"0: stdout redirected to out.txt\n")
    ]


def test_a_shell_that_failed_early_is_still_heard() -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("submit"))
    view.exec_event(event("init"))
    assert view.exec_ended() == [WatchOutput()]


def test_pty_and_read_only() -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("start"))
    init = event("shell.init", **SHELL_INIT, pty="terminus.0")
    attach = AttachPty("0-shell-306838503424.terminus.0", 0)
    assert view.exec_event(init) == [attach]
    assert view.terminal_absent() == [WatchOutput()]
    reader = AttachView(AttachOptions(read_only=True))
    reader.job_event(event("start"))
    assert reader.exec_event(init) == [Refuse("Cannot connect to pty in readonly mode")]
    late = AttachView(AttachOptions(read_only=True))
    late.job_event(event("start"))
    late.job_event(event("finish", status=0))
    assert late.exec_event(init) == [WatchOutput()]


def said(rank: str, text: str) -> EventLogEvent:
    return event("data", stream="stdout", rank=rank, data=text)


@pytest.mark.parametrize(
    ("attached", "shown"),
    [
        (True, b"bd"),
        (False, b"abcd"),
    ],
)
def test_what_is_on_the_terminal_is_not_shown_twice(attached: bool, shown: bytes) -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("start"))
    view.exec_event(event("shell.init", **SHELL_INIT, pty="terminus.0", capture=1))
    assert view.output_event(said("0", "a")) == []
    assert view.output_event(said("1", "b")) == []
    actions = view.terminal_attached() if attached else view.terminal_absent()
    actions += view.output_event(said("0", "c")) + view.output_event(said("1", "d"))
    assert b"".join(action.data for action in actions if isinstance(action, Print)) == shown


def test_what_is_captured_can_be_read_only() -> None:
    reader = AttachView(AttachOptions(read_only=True))
    reader.job_event(event("start"))
    init = event("shell.init", **SHELL_INIT, pty="terminus.0", capture=1)
    assert reader.exec_event(init) == [WatchOutput()]


def test_output_that_cannot_be_read_is_told() -> None:
    view = AttachView(AttachOptions())
    view.job_event(event("start"))
    told = Print(STDERR, b"flux-job: malformed I/O data: not base64\n")
    assert view.output_event(
        event("data", stream="stdout", rank="0", encoding="base64", data="%")
    ) == [told]
    assert view.exec_event(
        event("log", stream="stderr", rank="0", encoding="base64", data="%")
    ) == [told]
    nowhere = Print(STDERR, b"flux-job: malformed I/O data: no stream or rank\n")
    assert view.output_event(event("data", data="x")) == [nowhere]


GONE = OSError(38, "No service matching 0-shell-1.stdin is registered")
REFUSED = [Refuse("stdin not accepted by job")]


def test_input_for_a_job_that_had_ended_before_is_an_error() -> None:
    view = AttachView(AttachOptions(), attached=150.0)
    assert view.input_refused(GONE) == []
    assert view.job_event(event("finish", 149.0, status=0))[:1] == REFUSED
    view = AttachView(AttachOptions(), attached=150.0)
    view.job_event(event("finish", 149.0, status=0))
    assert view.input_refused(GONE) == REFUSED


def test_input_that_a_job_had_no_time_for_is_none() -> None:
    view = AttachView(AttachOptions(), attached=150.0)
    assert view.input_refused(GONE) == []
    assert not [a for a in view.job_event(event("finish", 151.0, status=0)) if a in REFUSED]
    assert view.input_refused(GONE) == []


def test_input_that_a_shell_says_no_to_is_an_error_at_once() -> None:
    view = AttachView(AttachOptions())
    assert view.input_refused(OSError(38, "stdin not accepted by job")) == REFUSED
