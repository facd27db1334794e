"""``flux exec``: what it shows of its processes' ends and output."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import pytest

from flux.constants import FLUX_RPC_STREAMING
from flux.idset import IDset
from fluxctl.exec_requests import EXITED, FAILED, RUNNING, Requests
from fluxctl.exec_run import RemoteRun
from fluxctl.exec_targets import Targets

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.rpc import RPC


class ScriptedRpc:
    """A request to ``broker.rexec`` that is answered with a list of payloads."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self.answers = deque(answers)
        self.call: Callable[[], None]

    def then(self, callback: Callable[..., None], *args: object) -> None:
        self.call = lambda: callback(self, *args)

    def get(self) -> dict[str, Any]:
        answer = self.answers.popleft()
        if set(answer) == {"errno"}:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return answer

    def reset(self) -> None:
        pass

    def cancel(self) -> None:
        self.answers.clear()


def targets(ranks: str, missing: str = "", service: str = "rexec") -> Targets:
    return Targets(IDset(ranks), IDset(missing), service)


class Watcher:
    """A watcher of which nothing comes."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


class ScriptedHandle:
    """Stands in for the handle: one list of answers for each rank; ``{"signal": N}`` among them is
    a signal that comes at that moment.
    """

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.rpcs: list[ScriptedRpc] = []
        self.sent: list[tuple[str, object]] = []
        self.signal: Callable[..., None]

    def rpc(self, topic: str, payload: object, nodeid: int, flags: int = 0) -> ScriptedRpc | None:
        if topic != "broker.rexec":
            self.sent.append((topic, payload))
            return None
        self.rpcs.append(ScriptedRpc(self.answers[nodeid]))
        return self.rpcs[-1]

    def signal_watcher_create(self, _: int, callback: Callable[..., None]) -> Watcher:
        self.signal = callback
        return Watcher()

    def reactor_run(self) -> None:
        for rpc in self.rpcs:
            while rpc.answers:
                if (number := rpc.answers[0].get("signal")) is None:
                    rpc.call()
                else:
                    rpc.answers.popleft()
                    self.signal(self, Watcher(), number)

    def reactor_stop(self) -> None:
        pass


def run(*answers: list[dict[str, Any]], label: bool = False) -> int:
    """Run ``flux exec`` on as many ranks as there are lists of answers; returns its exit code."""
    handle = cast("Flux", ScriptedHandle(*answers))
    asked = targets(f"0-{len(answers) - 1}")
    session = RemoteRun(handle, ["prog"], asked, label_io=label, noinput=True)
    return session.run("/")


def output(data: str, **fields: str) -> dict[str, Any]:
    return {"type": "output", "io": {"stream": "stdout", "rank": "0", "data": data, **fields}}


def exited(status: int) -> list[dict[str, Any]]:
    return [{"type": "state", "state": EXITED, "status": status}, {"type": "complete"}]


@pytest.mark.parametrize(
    ("statuses", "code", "told"),
    [
        ([0, 0], 0, ""),
        ([0x100, 0, 0x300], 3, "0: Exit 1\n2: Exit 3\n"),
        ([9, 0x100, 9], 137, "[0,2]: Killed\n1: Exit 1\n"),
        ([15 | 0x80], 143, "0: Terminated\n"),
    ],
)
def test_the_exit_code_is_the_largest(
    statuses: list[int], code: int, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*(exited(status) for status in statuses)) == code
    assert capfd.readouterr().err == told


@pytest.mark.parametrize(("number", "code"), [(2, 127), (13, 126), (1, 126), (113, 68), (5, 1)])
def test_what_could_not_be_started_has_the_code_of_shells(
    number: int, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([{"type": "state", "state": FAILED, "errno": number}]) == code
    assert "rank 0: prog: " in capfd.readouterr().err


def test_output_is_shown_as_it_was_written(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    answers = [output("a\n"), output("/wA=", encoding="base64"), *exited(0)]
    assert run([{"type": "state", "state": RUNNING, "pid": 7}, *answers]) == 0
    assert capfdbinary.readouterr().out == b"a\n\xff\0"


def test_labels_stand_before_lines(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*exited(0)], [output("a\nb\rc\n"), *exited(0)], label=True) == 0
    assert capfd.readouterr().out == "1: a\n1: b\rc\n"


def test_malformed_output_is_told_and_the_rest_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([output("=", encoding="base64"), output("b\n"), *exited(0)]) == 1
    shown = capfd.readouterr()
    assert shown.out == "b\n"
    assert shown.err == "flux-exec: Error: rank 0: prog: malformed I/O data: not base64\n"


def test_a_signal_reaches_what_is_told_to_have_started_only_later() -> None:
    def started(pid: int) -> dict[str, Any]:
        return {"type": "state", "state": RUNNING, "pid": pid}

    handle = ScriptedHandle(
        [started(7), {"signal": 15}, *exited(15)], [started(8), *exited(15)], [*exited(0)]
    )
    session = RemoteRun(cast("Flux", handle), ["prog"], targets("0-2"), noinput=True)
    assert session.run("/") == 143
    assert [sent for sent in handle.sent if sent[0] == "broker.rexec.signal"] == [
        ("broker.rexec.signal", {"pid": 7, "signum": 15}),
        ("broker.rexec.signal", {"pid": 8, "signum": 15}),
    ]


def test_a_broker_that_knows_only_todays_requests_is_asked_in_that_form(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class TodaysHandle(ScriptedHandle):
        """Refuses ``broker.rexec``, and answers ``rexec.exec``."""

        def rpc(self, topic: str, payload: Any, nodeid: int, flags: int = 0) -> ScriptedRpc | None:
            if topic == "broker.rexec":
                self.rpcs.append(ScriptedRpc([{"errno": errno.ENOSYS}]))
            elif topic == "rexec.exec":
                assert payload["cmd"]["cmdline"] == ["prog"]
                assert (payload["flags"], flags) == (11, FLUX_RPC_STREAMING)
                self.rpcs.append(ScriptedRpc(self.answers[nodeid]))
            else:
                self.sent.append((topic, payload))
                return None
            return self.rpcs[-1]

    started = {"type": "started", "pid": 7}
    credit = {"type": "add-credit", "channels": {"stdin": 64}}
    finished = {"type": "finished", "status": 0x300}
    answers: list[dict[str, Any]] = [started, credit, {"signal": 15}, output("a\n"), finished]
    handle = TodaysHandle([*answers, {"errno": errno.ENODATA}], [{"errno": errno.ENOENT}])
    requests = Requests(cast("Flux", handle), ["prog"], "/", {}, noinput=False)
    session = RemoteRun(cast("Flux", handle), ["prog"], targets("0-1"), label_io=True)
    session._input.begin = lambda: None  # type: ignore[method-assign] # noqa: SLF001
    assert session.run("/") == 127
    shown = capfd.readouterr()
    assert shown.out == "0: a\n"
    assert shown.err == ("flux-exec: Error: rank 1: prog: No such file or directory\n0: Exit 3\n")
    assert handle.sent == [("rexec.kill", {"pid": 7, "label": "", "signum": 15})]
    todays = requests.todays()
    rpc = cast("RPC", type("Rpc", (), {"matchtag": 5}))
    todays.write(1, rpc, 7, {"stream": "stdin", "rank": "0", "eof": True})
    assert handle.sent[1:] == [
        ("rexec.write", {"matchtag": 5, "io": {"stream": "stdin", "rank": "0", "eof": True}})
    ]
