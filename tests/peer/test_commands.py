"""Our commands on a real flux-core: what they print is what its own print, or they do the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import pathlib

    from tests.peer.conftest import Peer

# A time that goes by between the two has another number of digits, and as many fewer spaces before.
VARIES = re.compile(r" *[\d.:]+[smhd]\b|[\d.:]+|ƒ\w+|0x[0-9a-f]+")
SAME = [
    "lsattr",
    "getattr size",
    "getattr nosuch",
    "uptime",
    "pgrep -a ok",
    "pstree",
    "jobs -o long",
    "jobs -ano {id} {name} {runtime!H} {nodelist} {ranks} {ntasks} {inactive_reason}",
    "job info @ok jobspec",
    "job info @ok R",
    "job eventlog @ok",
    "job eventlog -p guest.exec.eventlog @ok",
    "job eventlog -H -p output @failed",
    "job wait-event -t5 @ok clean",
    "job wait-event -t5 -p exec @ok done",
    "job attach @ok",
    "job status @failed",
    "job status -v @failed",
    "job last",
    "job timeleft @long",
    "job taskmap @long",
    "job hostpids @long",
    "job urgency @ok 5",
    "job memo @ok a=b",
    "job namespace @long",
    "job id --to=kvs @ok",
    "job kill @ok",
    "job purge @long",
    "update @ok duration=20m",
    "watch @failed",
    "cancel --dry-run @long",
    "pkill -f pending nosuch",
    "resource info",
    "resource eventlog",
    "kvs ls",
    "kvs ls -R resource",
    "kvs dir -R resource",
    "kvs version",
    "kvs getroot",
    "kvs getroot -s",
    "kvs namespace list",
    "kvs get nosuch",
    "queue start nosuch",
    "queue disable -m why nosuch",
    "module stats kvs",
    "config get",
    "config get tbon",
    "overlay lookup 1",
    "overlay errors",
    "overlay parentof 1",
    "jobtap list",
    "exec -r all hostname",
    "exec -r 0 sh -c exit\\ 3",
    "run hostname",
    "run -n2 -l echo hi",
    "run sh -c exit\\ 5",
    "submit --wait false",
    "submit -n1 --watch echo watched",
    "hostlist avail",
    "housekeeping list",
    "env printenv FLUX_URI",
]
"""Command lines whose words are the same whoever says them; times and ids apart."""


def words_of(line: str) -> list[str]:
    return [word.replace("\0", " ") for word in line.replace("\\ ", "\0").split(" ")]


@pytest.mark.parametrize("line", SAME)
def test_the_same_words(peer: Peer, line: str) -> None:
    words = words_of(line)
    if line.startswith("jobs -ano"):
        words = ["jobs", "-ano", line.partition("-ano ")[2]]
    theirs, ours = (
        (code, VARIES.sub("N", out), VARIES.sub("N", err))
        for code, out, err in (peer.theirs(*words), peer.ours(*words))
    )
    assert ours == theirs


def test_jobs_are_submitted_changed_and_ended(peer: Peer) -> None:
    code, jobid, err = peer.ours("submit", "--urgency=hold", "--job-name=mine", "sleep", "600")
    assert (code, err) == (0, "")
    jobid = jobid.strip()
    assert peer.ours("update", jobid, "duration=20m")[0] == 0
    assert peer.ours("job", "memo", jobid, "ticket=7")[0] == 0
    assert peer.ours("job", "raise", "-s7", "-tnote", "-mhello", jobid)[0] == 0
    assert peer.ours("job", "urgency", jobid, "20")[0] == 0
    assert peer.ours("job", "wait-event", "-t30", jobid, "start")[0] == 0
    names = [line.split()[1] for line in peer.theirs("job", "eventlog", jobid)[1].splitlines()]
    assert {"jobspec-update", "memo", "exception", "urgency", "start"} <= set(names)
    assert peer.ours("job", "kill", jobid)[0] == 0
    assert peer.ours("job", "wait-event", "-t30", jobid, "clean")[0] == 0
    assert peer.ours("job", "attach", jobid)[0] == 128 + 15
    assert peer.ours("job", "purge", "--force", jobid)[0] == 0


def test_many_jobs_from_a_pipeline(peer: Peer) -> None:
    inputs = "".join(f"{number}\n" for number in range(20))
    code, out, err = peer.ours("bulksubmit", "--wait", "--watch", "echo", "{}", stdin=inputs)
    assert (code, err) == (0, "")
    assert {str(number) for number in range(20)} <= set(out.split())


def test_keys_and_namespaces(peer: Peer) -> None:
    steps = [
        ("kvs", "put", "p.a=1", "p.b=text"),
        ("kvs", "mkdir", "p.d"),
        ("kvs", "link", "p.a", "p.l"),
        ("kvs", "copy", "p.a", "p.c"),
        ("kvs", "move", "p.c", "p.m"),
        ("kvs", "namespace", "create", "space"),
        ("kvs", "put", "--namespace=space", "k=v"),
        ("kvs", "eventlog", "append", "p.log", "name", '{"a":1}'),
    ]
    for words in steps:
        assert peer.ours(*words) == (0, "", ""), words
    assert peer.theirs("kvs", "ls", "p")[1].split() == ["a", "b", "d", "l", "log", "m"]
    assert peer.theirs("kvs", "get", "--namespace=space", "k")[1] == "v\n"
    assert peer.ours("kvs", "get", "p.l")[1] == "1\n"
    assert peer.ours("kvs", "readlink", "p.l")[1] == "p.a\n"
    assert peer.ours("kvs", "unlink", "-R", "p")[0] == 0
    assert peer.ours("kvs", "namespace", "remove", "space")[0] == 0


def test_nodes_and_queues(peer: Peer) -> None:
    assert peer.ours("resource", "drain", "1", "bad", "disk")[0] == 0
    assert "bad disk" in peer.theirs("resource", "drain")[1]
    assert peer.ours("resource", "undrain", "1")[0] == 0
    for switch, back in (("stop", "start"), ("disable", "enable")):
        why = ["-m", "why"] if switch == "disable" else []
        assert peer.ours("queue", switch, *why)[0] == 0
        assert f"{switch.removesuffix('p')}" in peer.theirs("queue", "status")[1]
        assert peer.ours("queue", back)[0] == 0
    assert "disabled" not in "".join(peer.ours("queue", "status")[1:])


def test_modules_events_logs_and_cron(peer: Peer) -> None:
    assert peer.ours("module", "reload", "cron") == (0, "", "")
    assert "cron" in peer.ours("module", "list")[1]
    assert peer.ours("module", "stats", "--clear", "kvs")[0] == 0
    assert peer.ours("ping", "-c2", "kvs")[0] == 0
    assert peer.ours("event", "sub", "-c1", "heartbeat.pulse")[0] == 0
    for words in ((), ('{"a":1}',), ("-p", '{"a":1}'), ("-r", "raw"), ("-l", '{"a":1}')):
        code, out, err = peer.ours("event", "pub", "-s", "said", *words)
        assert (code, out[:4], err) == (0, "seq=", ""), words
    assert peer.ours("kvs", "wait", "1") == (0, "", "")
    assert peer.ours("logger", "said", "by", "ours")[0] == 0
    assert "said by ours" in peer.ours("dmesg")[1]
    assert "said by ours" in peer.theirs("dmesg")[1]
    code, out, _ = peer.ours("cron", "interval", "-N", "tick", "1h", "true")
    assert code == 0
    number = out.split()[1].removeprefix("cron-")
    for action in ("stop", "start", "delete"):
        assert peer.ours("cron", action, number)[0] == 0, action


def test_processes_and_files(peer: Peer, tmp_path: pathlib.Path) -> None:
    assert peer.ours("exec", "--bg", "--label=mine", "-r", "0", "sleep", "600")[0] == 0
    assert "mine" in peer.theirs("sproc", "ps")[1]
    assert peer.ours("sproc", "kill", "15", "mine")[0] == 0
    (tmp_path / "f").write_text("kept")
    assert peer.ours("archive", "create", "-n", "arch", "-C", str(tmp_path), "f")[0] == 0
    assert peer.theirs("archive", "list", "-n", "arch")[1] == "f\n"
    (tmp_path / "out").mkdir()
    assert peer.ours("archive", "extract", "-n", "arch", "-C", str(tmp_path / "out"))[0] == 0
    assert (tmp_path / "out" / "f").read_text() == "kept"
    assert peer.ours("archive", "remove", "-n", "arch")[0] == 0
    (tmp_path / "large").write_bytes(b"0123456789abcdef" * (1 << 17))
    for more in ([], ["--overwrite", "--mmap"]):
        words = ["-n", "arch", "-C", str(tmp_path), *more]
        assert peer.ours("archive", "create", *words, "large") == (0, "", "")
        for extract in (peer.ours, peer.theirs):
            words = ["-n", "arch", "-C", str(tmp_path / "out"), "--overwrite"]
            assert extract("archive", "extract", *words) == (0, "", "")
            assert (tmp_path / "out" / "large").read_bytes() == (tmp_path / "large").read_bytes()
    assert str(tmp_path / "large") in peer.theirs("module", "stats", "content")[1]
    assert peer.ours("archive", "remove", "-n", "arch")[0] == 0
    assert str(tmp_path / "large") not in peer.theirs("module", "stats", "content")[1]
    assert peer.ours("dump", str(tmp_path / "d.tar"))[0] == 0
    assert (tmp_path / "d.tar").stat().st_size > 0


def test_instances_inside_it(peer: Peer) -> None:
    """Started by ours in a job of theirs: the brokers are ours."""
    assert peer.ours("alloc", "-n1", "true")[0] == 0
    code, jobid, _ = peer.ours("batch", "-n1", "--wrap", "true")
    assert code == 0
    assert peer.ours("job", "wait-event", "-t30", jobid.strip(), "clean")[0] == 0
    assert peer.ours("job", "status", jobid.strip())[0] == 0
    assert peer.ours("proxy", "--force", peer.uri, "flux", "getattr", "size")[1] == "2\n"


def test_lists_as_objects(peer: Peer) -> None:
    told = json.loads(peer.ours("jobs", "-a", "--json")[1])["jobs"]
    by_name = {job["name"]: job for job in told}
    assert by_name["failed"]["status"] == "FAILED"
    assert by_name["long"]["nodelist"]


@pytest.mark.parametrize("line", ["resource info", "resource list -no {state}", "queue status"])
def test_guests_are_told_what_its_own_commands_tell_them(peer: Peer, line: str) -> None:
    guest = {"FLUX_HANDLE_USERID": "9999", "FLUX_HANDLE_ROLEMASK": "0x2"}
    code, out, err = peer.ours(*line.split(), **guest)
    assert (code, "credent" in err) == (0, False)
    assert peer.theirs(*line.split(), **guest)[0] == 0
    assert out or err
