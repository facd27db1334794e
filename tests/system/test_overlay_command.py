"""``flux overlay`` on a tree of brokers that loses some."""

from __future__ import annotations

import json
import re
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.system.watching import background, line, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SIZE = 7


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(SIZE) as running:
        yield running


def said(instance: Instance, *words: str) -> str:
    done = instance.run("overlay", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_whole_tree(instance: Instance) -> None:
    assert said(instance, "status", "-w", "full") == "full\n"
    assert said(instance, "status", "-vv") == "0: full\n"
    lines = said(instance, "status", "-vvv").splitlines()
    assert sorted(line.strip() for line in lines) == [f"{rank}: full" for rank in range(SIZE)]
    assert said(instance, "status", "-s", "-vvv", "-r", "1").startswith("full for ")
    assert said(instance, "status", "-r", "2", "-p") == "2: full\n├─ 5: full\n└─ 6: full\n"
    timed = said(instance, "status", "-r3", "-THc")
    assert re.fullmatch(r"3 \S+: full for [\d.e+]+s \([\d.]+ ms\)\n", timed)


def test_the_tree_as_today_has_it(instance: Instance) -> None:
    hosts = instance.run("overlay", "status", "-H", "-vvv").stdout
    names = dict(re.findall(r"(\d+) (\S+): full", hosts))
    drawn = ["{0}", "├─ {1}", "│  ├─ {3}", "│  └─ {4}", "└─ {2}", "   ├─ {5}", "   └─ {6}"]
    labels = [f"{rank} {names[str(rank)]}" for rank in range(SIZE)]
    assert said(instance, "status", "--no-ghost").splitlines() == [
        f"{line.format(*labels)}: full" for line in drawn
    ]
    marked = [f"<<{label}>>" if rank in (0, 1, 4) else label for rank, label in enumerate(labels)]
    assert said(instance, "status", "--no-pretty", "--highlight=4").splitlines() == [
        f"{line.lstrip('│├└─ ').format(*marked)}: full" for line in drawn
    ]
    assert said(instance, "status", "--down") == ""
    lines = said(instance, "status", "-r6", "--no-ghost", "-v", "-Lalways").splitlines()
    assert re.fullmatch(rf"6 {names['6']}: full for [\d.e+]+s", lines[0])
    lines = said(instance, "status", "-r6", "--no-ghost", "-vv").splitlines()
    assert re.fullmatch(rf"6 {names['6']}: full for [\d.e+]+s \([\d.]+ ms\)", lines[0])


def test_ranks_and_hosts(instance: Instance) -> None:
    assert said(instance, "parentof", "6") == "2\n"
    assert said(instance, "parentof", "1") == "0\n"
    (host,) = set(said(instance, "gethostbyrank", "0-2").strip().split(","))
    assert said(instance, "gethostbyrank", "6").strip() == host


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("status -r 99", "No route to host"),
        ("status -w foo", "unknown state: 'foo'"),
        ("status -w lost -t 0.2s", "Connection timed out"),
        ("status --highlight=99", "--highlight: rank 99 not in set 0-6"),
        ("status --highlight=no", "Error decoding no: host no not found in host map"),
        ("status --highlight=1-", "--highlight: TARGET must be a valid idset or hostlist: '1-'"),
        ("status -v=x", "invalid verbosity: '=x'"),
        ("status -t soon", "invalid timeout: 'soon'"),
        ("parentof 0", "0 has no parent"),
        ("parentof 99", "99 is not a valid rank in this instance"),
        ("gethostbyrank 5-9", "7 is not a valid rank in this instance"),
        ("gethostbyrank x", "invalid idset: 'x'"),
        ("disconnect 99", "99 is not a valid rank in this instance"),
    ],
)
def test_what_cannot_be(instance: Instance, words: str, message: str) -> None:
    done = instance.run("overlay", *words.split())
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"flux-overlay: {message}\n")


def test_nothing_is_wrong_with_a_whole_tree(instance: Instance) -> None:
    said(instance, "status", "-w", "full")
    assert said(instance, "errors", "-t", "0") == ""


def test_messages_of_neighbours_are_traced(instance: Instance) -> None:
    with background(instance, "overlay", "trace", "-r1", "-t", "request", "*.ping") as tracer:
        pinged = next_line(instance, tracer)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3} tx 1 > kvs\.ping \[\d+\]\n", pinged)


def test_messages_of_modules_are_traced(instance: Instance) -> None:
    words = ("module", "trace", "--json", "--full", "--topic=kvs.ping", "kvs", "nosuch")
    with background(instance, *words) as tracer:
        asked = json.loads(next_line(instance, tracer))
        assert (asked["name"], asked["prefix"], asked["topic"]) == ("kvs", "rx", "kvs.ping")
        assert asked["payload"]["seq"] == 0
        tracer.kill()
        assert tracer.communicate()[1] == "flux-module: nosuch is not loaded yet\n"


def test_the_messages_of_all_modules_are_traced(instance: Instance) -> None:
    with background(instance, "module", "trace", "-H", "-T", "*.ping") as tracer:
        first = next_line(instance, tracer)
        assert re.fullmatch(r"\[\w{3}\d\d \d\d:\d\d\]  \S+ [rt]x [<>] kvs\.ping \[\d+\].*\n", first)


def next_line(instance: Instance, tracer: subprocess.Popen[str]) -> str:
    """Ping until a tracer, which may not have begun yet, tells of it; returns the line."""
    found: list[str] = []
    reader = Thread(target=lambda: found.append(line(tracer)))
    reader.start()

    def told() -> bool:
        instance.run("ping", "-c1", "kvs")
        instance.run("ping", "-c1", "-r1", "kvs")
        return bool(found)

    try:
        until(told)
    finally:
        if not found:
            tracer.kill()
        reader.join()
    return found[0]


def test_the_tree_is_described(instance: Instance) -> None:
    ask = "flux.Flux().rpc('overlay.topology', {'rank': 1}).get()"
    script = f"import flux, json; print(json.dumps({ask}))"
    leaf = {"size": 1, "children": []}
    assert json.loads(instance.run("python", "-c", script).stdout) == {
        "rank": 1,
        "size": 3,
        "children": [{"rank": 3, **leaf}, {"rank": 4, **leaf}],
    }


def test_a_rank_that_is_disconnected() -> None:
    with running_instance(SIZE) as instance:
        assert said(instance, "status", "-w", "full") == "full\n"
        done = instance.run("overlay", "disconnect", "1")
        assert done.returncode == 0
        assert done.stderr == "flux-overlay: asking rank 0 to disconnect child rank 1\n"
        assert said(instance, "status", "-w", "degraded") == "degraded\n"
        assert said(instance, "status", "-vv") == "0: degraded\n  1: lost\n"
        host = said(instance, "gethostbyrank", "1").strip()
        assert said(instance, "errors") == f"{host}: lost connection\n"
        told = {"error": "lost connection", "hosts": host, "ranks": [1]}
        assert json.loads(said(instance, "errors", "--json")) == told
        shown = said(instance, "status", "-vv", "-g")
        assert shown == "0: degraded\n  1: lost\n    3: lost\n    4: lost\n"
        until(lambda: "No route to host" in instance.run("overlay", "status", "-r1").stderr)
        done = instance.run("overlay", "disconnect", "3")
        assert (done.returncode, "No route to host" in done.stderr) == (1, True)
