"""The plugins of docs/shell-plugins.md do what the page says, and what takes several brokers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.docs.pages import ROOT, blocks, matches, run, steps

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "shell-plugins.md").read_text()


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as instance:
        for plugin in blocks(PAGE, "python"):
            name = re.match(r"# (\w+\.py)\n", plugin)
            assert name is not None
            write(instance, name[1], plugin)
        yield instance


def write(instance: Instance, name: str, text: str) -> str:
    path = instance.home / name
    path.write_text(text)
    return str(path)


def plugged(instance: Instance, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = write(instance, "plugged.py", text)
    return instance.run("mini", "run", "-o", f"userrc={path}", *arguments, timeout=60)


def test_the_examples_do_what_the_page_says(instance: Instance) -> None:
    for command, output in steps(PAGE):
        done = run(instance, "bash", "-c", command)
        shown = f"$ {command}\n{done.stdout}"
        assert done.returncode == 0, shown
        assert matches(output, done.stdout), f"the page shows:\n{output}\nprinted:\n{shown}"


EVENTS = """
def flux_plugin_init(shell, conf):
    shell.add_completion_ref("event")
    shell.add_event_handler("done", done)

def done(shell, subtopic, payload):
    shell.log(f"{subtopic} {payload['n']}")
    shell.remove_completion_ref("event")
"""


def test_an_event_reaches_every_shell_of_the_job(instance: Instance) -> None:
    path = write(instance, "events.py", EVENTS)
    submitted = instance.run("mini", "submit", "-N4", "-n4", "-o", f"userrc={path}", "true")
    jobid = submitted.stdout.strip()
    where = ["-p", "guest.exec.eventlog"]
    instance.run("job", "wait-event", "-t", "60", *where, jobid, "shell.start")
    number = instance.run("job", "id", "--to=dec", jobid).stdout.strip()
    instance.run("event", "pub", f"shell-{number}.done", '{"n": 7}')
    done = instance.run("job", "attach", jobid, timeout=60)
    assert sorted(re.findall(r"flux-shell\[\d\]: events: done 7", done.stderr)) == [
        f"flux-shell[{rank}]: events: done 7" for rank in range(4)
    ]
    assert done.returncode == 0


RING = """
def flux_plugin_init(shell, conf):
    shell.service_register("next", follow)
    shell.add_handler("shell.post-init", begin)

def begin(shell, topic, args):
    if shell.get_info()["rank"] == 0:
        shell.log(f"went {shell.rpc('next', 1, [0]).get(30)}")

def follow(shell, request):
    info = shell.get_info()
    way = request.payload + [info["rank"]]
    if info["rank"] == info["size"] - 1:
        request.respond(way)
        return
    asked = shell.rpc("next", info["rank"] + 1, way)
    asked.then(lambda future: request.respond(future.get()))
"""


def test_a_request_from_shell_to_shell(instance: Instance) -> None:
    done = plugged(instance, RING, "-N4", "-n4", "true")
    assert "plugged: went [0, 1, 2, 3]" in done.stderr
    assert done.returncode == 0


HANDLE = """
import flux.kvs

def flux_plugin_init(shell, conf):
    shell.add_handler("shell.start", start)

def start(shell, topic, args):
    h = shell.get_flux()
    shell.add_completion_ref("timer")
    timer = h.timer_watcher_create(0.01, lambda *_: due(shell, h))
    timer.start()
    shell.aux_set("timer", timer)

def due(shell, h):
    h.rpc("attr.get", {"name": "rank"}).then(lambda future: got(shell, future))

def got(shell, future):
    shell.log(f"rank {future.get()['value']}")
    shell.remove_completion_ref("timer")
"""


def test_watchers_and_futures_of_the_handle_are_served(instance: Instance) -> None:
    done = plugged(instance, HANDLE, "-N2", "-n2", "true")
    assert sorted(re.findall(r"plugged: rank \d", done.stderr)) == [
        "plugged: rank 0",
        "plugged: rank 1",
    ]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ("shell.raise_exception('mine', 0, 'that is it')", 143, "type=mine severity=0 that is it"),
        ("shell.raise_exception('mine', 4, 'only a note')", 0, "type=mine severity=4 only a note"),
        ("shell.die('cannot go on', 7)", 7, "FATAL: plugged: cannot go on"),
        ("shell.call_later(0, lambda: 1 / 0)", 1, "timer: ZeroDivisionError: division by zero"),
        (
            "shell.get_flux().timer_watcher_create(0, lambda *_: 1 / 0).start()",
            1,
            "ZeroDivisionError: division by zero",
        ),
        ("raise OSError(2, 'not here')", 1, "plugged: shell.start: not here"),
    ],
)
def test_how_a_plugin_ends_a_job(instance: Instance, body: str, code: int, text: str) -> None:
    plugin = (
        "def flux_plugin_init(shell, conf): shell.add_handler('shell.start', start)\n"
        f"def start(shell, topic, args): {body}\n"
    )
    seconds = "300" if code else "0.1"
    done = plugged(instance, plugin, "sleep", seconds)
    assert done.returncode == code, done.stderr
    assert text in done.stderr


def test_a_wait_of_a_plugin_ends_with_the_job(instance: Instance) -> None:
    plugin = (
        "def flux_plugin_init(shell, conf):\n"
        "    shell.service_register('never', lambda *_: None)\n"
        "    shell.add_handler('shell.init', lambda shell, *_: wait(shell))\n"
        "def wait(shell):\n"
        "    shell.log('waiting')\n"
        "    shell.rpc('never', 0).get()\n"
    )
    path = write(instance, "waits.py", plugin)
    jobid = instance.run("mini", "submit", "-o", f"userrc={path}", "true").stdout.strip()
    watched = ["-t", "60", "-p", "guest.output", jobid, "log"]
    instance.run("job", "wait-event", *watched)
    instance.run("job", "cancel", jobid)
    done = instance.run("job", "attach", jobid, timeout=60)
    assert done.returncode == 143


PRINTS = """
import sys

def flux_plugin_init(shell, conf):
    print("loaded")
    shell.add_handler("task.exec", lambda *_: print("in the task"))
    shell.add_handler("task.init", lambda *_: print("half a", end=" "))
    shell.add_handler("task.exit", lambda *_: print("line"))
    shell.add_handler("shell.exit", lambda *_: sys.stderr.write("no end"))
"""


def test_what_a_plugin_prints_is_seen(instance: Instance) -> None:
    done = plugged(instance, PRINTS, "echo", "mine")
    said = re.findall(r"flux-shell\[0\]: (std\w+: .*)", done.stderr)
    assert said == ["stdout: loaded", "stdout: half a line", "stderr: no end"]
    assert done.stdout == "in the task\nmine\n"


def test_what_an_initrc_prints_is_seen(instance: Instance) -> None:
    pytest.importorskip("lupa")
    path = write(instance, "print.lua", 'print("a", 1, nil)')
    done = instance.run("mini", "run", "-o", f"userrc={path}", "true", timeout=60)
    assert "flux-shell[0]: stdout: a\t1\tnil" in done.stderr
