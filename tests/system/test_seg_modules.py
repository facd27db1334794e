"""Modules that ``flux seg`` is given: the example for Slurm, and those that misbehave."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from flux.testing.instance import default_flux

from . import slurm
from .watching import PATIENCE, ending, until

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "seg" / "slurm_jobcomp.py"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("FLUX_")} | {
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
}
LINE = (
    "JobId={id} UserId=ann(5) GroupId=ann(5) Name={name} JobState={state} Partition=all"
    " TimeLimit=UNLIMITED StartTime=2026-11-26T18:00:{begin:02} EndTime=2026-11-26T18:00:{end:02}"
    " NodeList={nodes} NodeCnt=1 ProcCnt=8 WorkDir=/home/ann ReservationName="
    " Tres=cpu=1,mem=1M,node=1,billing=1 Account= QOS= WcKey= Cluster=unknown"
    " SubmitTime=2026-11-26T18:00:{submit:02} EligibleTime=2026-11-26T18:00:00"
    " DerivedExitCode=0:0 ExitCode={code} \n"
)
AT = 1795716000
"""2026-11-26T18:00:00 UTC."""


def line(number: int, state: str = "COMPLETED", code: str = "0:0", **given: object) -> str:
    fields: dict[str, object] = {
        "name": "job",
        "nodes": "n1",
        "submit": number,
        "begin": number + 1,
        "end": number + 2,
    }
    return LINE.format(id=number, state=state, code=code, **(fields | given))


def told(number: int, state: int = 8, code: int = 0) -> list[str]:
    at = AT + number
    return [
        f"001;{at};{number};1;0\n",
        f"001;{at + 1};{number};2;0\n",
        f"001;{at + 2};{number};{state};{code}\n",
    ]


def seg(*arguments: str, stdin: int = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [default_flux(), "seg", *arguments],
        env=ENVIRONMENT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    with ending(seg(*arguments)) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def slurm_log(log: pathlib.Path, *arguments: str) -> tuple[str, ...]:
    return ("-s", str(EXAMPLE), "-o", f"path={log}", *arguments)


def position(process: subprocess.Popen[str], path: pathlib.Path) -> int:
    """Return how far a process has read a file, -1 if it has not opened it."""
    for fd in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
        if os.readlink(fd) == str(path):
            text = pathlib.Path(f"/proc/{process.pid}/fdinfo/{fd.name}").read_text()
            return int(text.split()[1])
    return -1


def read(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


# The example


def test_what_a_line_of_slurm_tells(tmp_path: pathlib.Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        line(1)
        + line(2, "FAILED", "3:0")
        + line(3, "TIMEOUT", "0:15")
        + line(4, "CANCELLED", nodes="(null)")
        + line(5, "FAILED", "1:0", name="x JobState=COMPLETED Partition=a b=c")
        + "something else\n"
    )
    done = run(*slurm_log(log, "--no-follow", "-t", str(AT)))
    assert done.returncode == 0
    assert done.stderr == "flux-seg: no line of jobcomp/filetxt: something else\n"
    assert done.stdout.splitlines(keepends=True) == [
        *told(1),
        *told(2, 4, 3),
        *told(3, 4, 143),
        f"001;{AT + 4};4;1;0\n",
        f"001;{AT + 6};4;4;1\n",
        *told(5, 4, 1),
    ]
    done = run(*slurm_log(log, "--no-follow", "-t", str(AT + 6)))
    assert done.stdout.splitlines(keepends=True) == [
        f"001;{AT + 6};4;4;1\n",
        *told(5, 4, 1)[1:],
    ]


def test_a_log_that_is_rotated_while_lines_are_written(tmp_path: pathlib.Path) -> None:
    log, old = tmp_path / "log", tmp_path / "log.1"
    old.write_text(line(1))
    with ending(seg(*slurm_log(log, "-t", str(AT)))) as process:
        assert read(process, 3) == told(1), "what was rotated before"
        with log.open("w", buffering=1) as file:
            half = line(2)
            file.write(half[:50])
            file.flush()
            file.write(half[50:] + line(3))
            assert read(process, 6) == told(2) + told(3)
            log.rename(old)
            file.write(line(4))
        log.write_text(line(5))
        assert read(process, 6) == told(4) + told(5)
        os.truncate(log, 0)
        until(lambda: position(process, log) == 0)  # it has been seen
        with log.open("a") as file:
            file.write(line(6))
        assert read(process, 3) == told(6)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_resuming_a_log(tmp_path: pathlib.Path) -> None:
    log, record = tmp_path / "log", tmp_path / "record"
    log.write_text("".join(line(number) for number in range(1, 9)))
    whole = run(*slurm_log(log, "--no-follow", "-t", str(AT))).stdout.splitlines(keepends=True)
    assert len(whole) == 24
    for seen in (1, 7, 23, 24):
        record.write_text("".join(whole[:seen]) + "001;5")
        done = run(*slurm_log(log, "--no-follow", "-r", str(record)))
        assert done.stdout.splitlines(keepends=True) == whole[seen:]


def test_the_example_says_what_it_needs() -> None:
    done = run("-s", str(EXAMPLE))
    assert done.returncode == 1
    assert "which file? -o path=FILE says it" in done.stderr


@pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing())
def test_a_real_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    more = "JobCompType=jobcomp/filetxt\nJobCompLoc={folder}/jobcomp.log\n"
    monkeypatch.setattr(slurm, "CONFIGURATION", slurm.CONFIGURATION + more)
    with slurm.running_slurm() as environment:
        log = pathlib.Path(environment["SLURM_CONF"]).with_name("jobcomp.log")
        environment = environment | {"TZ": "UTC"}

        def srun(*command: str) -> None:
            subprocess.run(
                ["srun", "-J", "a b JobState=x", *command],
                env=environment,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )

        began = str(int(time.time()))
        with ending(seg(*slurm_log(log, "-t", began))) as process:
            srun("true")
            srun("sh", "-c", "exit 3")
            srun("sh", "-c", "kill -9 $$")
            fields = [one.rstrip("\n").split(";") for one in read(process, 9)]
            process.terminate()
    assert [tuple(field[2:]) for field in fields] == [
        *(("1", "1", "0"), ("1", "2", "0"), ("1", "8", "0")),
        *(("2", "1", "0"), ("2", "2", "0"), ("2", "4", "3")),
        *(("3", "1", "0"), ("3", "2", "0"), ("3", "4", "137")),
    ]
    assert all(field[0] == "001" for field in fields)


# Modules that misbehave


def module(folder: pathlib.Path, body: str, name: str = "mine") -> str:
    path = folder / f"{name}.py"
    path.write_text(
        "import time\nfrom flux import seg\n"
        + body
        + ("" if "seg_module" in body else f"\nseg_module = seg.Descriptor('{name}', activate)\n")
    )
    return str(path)


def test_callbacks_that_raise_are_reported_and_the_others_go_on(tmp_path: pathlib.Path) -> None:
    path = module(
        tmp_path,
        """
numbers = iter(range(1, 100))
def tick():
    number = next(numbers)
    if number == 2:
        seg.pending(1, "a;b")
    if number == 3:
        seg.pending("soon", "a")
    if number == 4:
        raise ValueError("two\\nlines")
    seg.done(number, "job", 0)
async def later():
    raise KeyError("late")
def activate():
    seg.driver().call_every(0.01, tick)
    seg.driver().call_later(0.02, later)
""",
    )
    with ending(seg("-s", path)) as process:
        assert [one.split(";")[1] for one in read(process, 3)] == ["1", "5", "6"]
        process.terminate()
        _, reports = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert sorted(reports.splitlines()) == [
        "flux-seg: later: KeyError: 'late'",
        "flux-seg: tick: TypeError: the timestamp is an integer, not str",
        "flux-seg: tick: ValueError: two lines",
        "flux-seg: tick: invalid printf format for a SEG protocol message: a job id is not empty"
        " and has no ';' or control character",
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("seg_module = None", "module without a descriptor: "),
        ("seg_module = {'name': 'x'}", "activate is no function without parameters"),
        ("1/0; seg_module = None", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(0); seg_module = None", "SystemExit: 0"),
        ("def activate(): return 1", "mine: activate returned 1"),
        ("def activate(): raise OSError(5, 'disk on fire')", "disk on fire"),
        ("def activate(): seg.pending(1, None)", "NULL parameter: the job id"),
    ],
)
def test_modules_that_cannot_be_run(tmp_path: pathlib.Path, body: str, message: str) -> None:
    done = run("-s", module(tmp_path, body))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("flux-seg: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("where", ["load", "activate", "callback", "deactivate"])
def test_a_module_that_blocks_does_not_keep_the_generator(
    tmp_path: pathlib.Path, where: str
) -> None:
    """It is left behind; what it has sent before reaches the reader."""
    block = "(open({!r}, 'w').close(), time.sleep(1000))"
    there = tmp_path / "there"
    stop = dict.fromkeys(("load", "activate", "callback", "deactivate"), "None")
    stop[where] = block.format(str(there))
    path = module(
        tmp_path,
        f"""
def tick():
    seg.pending(1, "job")
    {stop["callback"]}
def activate():
    {stop["activate"]}
    seg.driver().call_soon(tick)
def deactivate():
    {stop["deactivate"]}
{stop["load"]}
seg_module = seg.Descriptor("blocks", activate, deactivate)
""",
    )
    with ending(seg("-s", path)) as process:
        if where in ("callback", "deactivate"):
            assert read(process, 1) == ["001;1;job;1;0\n"]
        if where != "deactivate":
            until(there.exists)
        process.terminate()
        _, reports = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert reports.startswith("flux-seg: ")
    assert reports.endswith(": it is left behind\n")


def test_deactivation_waits_for_what_is_under_way(tmp_path: pathlib.Path) -> None:
    path = module(
        tmp_path,
        """
import asyncio
over = None
async def slow():
    seg.pending(1, "job")
    await asyncio.sleep(0.3)
    seg.done(2, "job", 0)
    over.set()
async def activate():
    global over
    over = asyncio.Event()
    seg.driver().call_soon(slow)
async def deactivate():
    await over.wait()
    seg.event("999;deactivated")
seg_module = seg.Descriptor("waits", activate, deactivate)
""",
    )
    with ending(seg("-s", path)) as process:
        assert read(process, 1) == ["001;1;job;1;0\n"]
        process.terminate()
        assert process.communicate(timeout=PATIENCE) == ("001;2;job;8;0\n999;deactivated\n", "")
    assert process.returncode == 0


def test_a_deactivation_that_fails_is_told(tmp_path: pathlib.Path) -> None:
    path = module(
        tmp_path,
        """
def activate():
    seg.driver().call_soon(seg.driver().told_all)
def deactivate():
    raise KeyError("lost")
seg_module = seg.Descriptor("fails", activate, deactivate)
""",
    )
    done = run("-s", path, "--no-follow")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "KeyError: 'lost'" in done.stderr


def test_a_callback_that_looks_at_what_was_cancelled_is_called_again(
    tmp_path: pathlib.Path,
) -> None:
    path = module(
        tmp_path,
        """
import asyncio
numbers = iter(range(1, 100))
async def tick():
    number = next(numbers)
    if number % 2:
        other = asyncio.create_task(asyncio.sleep(100))
        other.cancel()
        await other
    seg.done(number, "job", 0)
    seg.driver().told_all()
def activate():
    seg.driver().call_every(0.01, tick)
""",
    )
    done = run("-s", path, "--no-follow")
    assert (done.returncode, done.stdout) == (0, "001;2;job;8;0\n")
    assert done.stderr == "flux-seg: tick: CancelledError\n"


def test_a_module_that_watches_a_descriptor_and_uses_threads(tmp_path: pathlib.Path) -> None:
    path = module(
        tmp_path,
        """
import os, threading
source, sink = os.pipe()
def got():
    seg.event("%s", os.read(source, 100).decode())
    seg.driver().told_all()
def thread():
    seg.pending(5, "from-a-thread")
    seg.driver().call_soon(lambda: os.write(sink, b"through the pipe"))
def activate():
    assert seg.get_timestamp() == 77
    assert dict(seg.options()) == {"a": "b=c", "empty": ""}
    seg.driver().add_reader(source, got)
    threading.Thread(target=thread).start()
""",
    )
    done = run("-s", path, "-t", "77", "-o", "a=b=c", "-o", "empty=", "--no-follow")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "001;5;from-a-thread;1;0\nthrough the pipe\n"


def test_a_module_that_floods_a_reader_that_does_not_read(tmp_path: pathlib.Path) -> None:
    """Memory is bounded: the module is told when it has to wait, and nothing it sent is lost."""
    path = module(
        tmp_path,
        """
def flood():
    number = 0
    while True:
        try:
            seg.event("%07d %s", number, "x" * 4000)
        except seg.SegError as error:
            assert error.type == seg.SegErrorType.OUT_OF_MEMORY
            break
        number += 1
    seg.driver().call_later(0, refused, number)
def refused(number):
    seg.driver().report(f"refused {number}")
    seg.driver().call_every(0.05, retry, number)
def retry(number):
    if not seg.driver().backlogged:
        seg.event("last %d", number)
        seg.driver().told_all()
        seg.driver().fail("over")
def activate():
    seg.driver().call_soon(flood)
""",
    )
    with ending(seg("-s", path, "--no-follow")) as process:
        assert process.stderr is not None
        number = int(process.stderr.readline().split()[-1])
        assert number > 10_000
        assert psutil.Process(process.pid).memory_info().rss < 200 << 20
        out, _ = process.communicate(timeout=PATIENCE)
    lines = out.splitlines()
    assert [one.split()[0] for one in lines[:-1]] == [f"{n:07}" for n in range(number)]
    assert lines[-1] == f"last {number}"


def test_names_are_looked_up_below_a_path(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, "def activate(): seg.driver().call_soon(seg.pending, 5, 'x')", "other")
    monkeypatch.setitem(ENVIRONMENT, "FLUX_SEG_PATH", f"/nosuch:{tmp_path}")
    with ending(seg("-s", "other")) as process:
        assert read(process, 1) == ["001;5;x;1;0\n"]


def until_written(process: subprocess.Popen[str], words: Sequence[str]) -> None:
    assert process.stdout is not None
    for word in words:
        assert word in process.stdout.readline()


def test_the_second_signal_does_not_wait(tmp_path: pathlib.Path) -> None:
    path = module(
        tmp_path,
        """
def activate():
    seg.driver().call_soon(seg.pending, 5, "x")
def deactivate():
    seg.event("ending")
    time.sleep(1000)
seg_module = seg.Descriptor("blocks", activate, deactivate)
""",
    )
    with ending(seg("-s", path)) as process:
        until_written(process, ["001;5;x;1;0"])
        process.terminate()
        until_written(process, ["ending"])
        process.terminate()
        assert process.wait(5) == 143


def test_the_library_alone_is_light() -> None:
    """What a program imports to send events has no event loop."""
    code = "import sys, flux.seg; print(int('asyncio' in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout == "0\n"
