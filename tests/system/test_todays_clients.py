"""Requests that clients of today's flux-core send, to a running instance of two brokers."""

from __future__ import annotations

import errno
import json
import pathlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import flux
import flux.job
from flux import Flux, content, treeobj
from flux.b64 import b64encode
from flux.constants import FLUX_KVS_SYNC, FLUX_KVS_TXN_COMPACT, FLUX_RPC_STREAMING
from flux.hostlist import Hostlist
from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def h(instance: Instance) -> Iterator[Flux]:
    with Flux(instance.uri) as handle:
        yield handle


def ask(h: Flux, topic: str, payload: Any = None, rank: int = 0) -> Any:
    return h.rpc(topic, payload, nodeid=rank).get()


def refusal(h: Flux, topic: str, payload: Any = None, rank: int = 0) -> OSError:
    with pytest.raises(OSError) as caught:
        ask(h, topic, payload, rank)
    return caught.value


@pytest.mark.parametrize("rank", [0, 1])
def test_every_rank_says_where_all_are(h: Flux, rank: int) -> None:
    value = ask(h, "attr.get", {"name": "hostlist"}, rank)["value"]
    assert len(Hostlist(value)) == 2


def test_a_ping_says_who_answers_and_the_state_its_age(h: Flux) -> None:
    assert ask(h, "broker.ping", {"seq": 1}, 1)["rank"] == 1
    state = ask(h, "state-machine.get")
    assert state["state"] == "run"
    assert state["duration"] >= 0


def test_modules_are_listed_removed_and_loaded(h: Flux) -> None:
    def loaded() -> dict[str, Any]:
        return {mod["name"]: mod for mod in ask(h, "module.list", None, 1)["mods"]}

    listed = loaded()["barrier"]
    assert listed["path"].endswith("service.py")
    assert (listed["status"], listed["sendqueue"], listed["recvqueue"]) == (1, 0, 0)
    ask(h, "module.remove", {"name": "barrier", "cancel": False}, 1)
    assert "barrier" not in loaded()
    ask(h, "module.load", {"path": "barrier", "args": [], "exec": False}, 1)
    assert "barrier" in loaded()
    unknown = refusal(h, "module.load", {"path": "nosuch", "args": [], "exec": False})
    assert (unknown.errno, unknown.strerror) == (errno.ENOENT, "module not found in search path")


def test_messages_of_modules_and_neighbours_are_traced(h: Flux) -> None:
    wanted = {"typemask": 1, "topic_glob": "*.ping", "full": True}
    modules = h.rpc("module.trace", {**wanted, "names": ["kvs"]}, 0, FLUX_RPC_STREAMING)
    links = h.rpc("overlay.trace", {**wanted, "nodeid": 1}, 0, FLUX_RPC_STREAMING)
    for service, rank in (("resource", 0), ("kvs", 0), ("kvs", 1)):
        ask(h, f"{service}.ping", {"seq": 7}, rank)
    seen = modules.get()
    assert (seen["name"], seen["prefix"], seen["topic"]) == ("kvs", "rx", "kvs.ping")
    assert seen["payload"] == {"seq": 7}
    passed = links.get()
    assert (passed["rank"], passed["prefix"], passed["topic"]) == (1, "tx", "kvs.ping")


def test_names_that_requests_have_today(h: Flux) -> None:
    """What 0.88's ``kvs wait`` and ``module stats`` send."""
    version = ask(h, "kvs.getroot", {"namespace": "primary"})["rootseq"]
    reached = ask(h, "kvs.wait-version", {"rootseq": version, "namespace": "primary"}, 1)
    assert reached["rootseq"] >= version
    assert ask(h, "cron.stats-clear") is None
    for who in ("self", "children", "thread"):
        assert ask(h, "kvs.rusage", {"who": who})["utime"] >= 0
    assert str(refusal(h, "kvs.rusage", {"who": "foo"})) == "[Errno 22] foo is unsupported"


def test_events_are_published_as_today(h: Flux) -> None:
    """What 0.88's ``flux event pub -s`` sends: base64 of what travels, and a message's flag."""
    body = {"topic": "said.today", "flags": 32, "payload": b64encode(b'{"a":1}\0')}
    h.event_subscribe("said.")
    try:
        first = ask(h, "event.publish", body, 1)["seq"]
        seen = h.event_recv(timeout=60)
        assert (seen.payload, seen.private) == ({"a": 1}, True)
        del body["payload"]
        assert ask(h, "event.publish", {**body, "flags": 0})["seq"] > first
        assert h.event_recv(timeout=60).payload is None
        for wrong in ({"flags": 2}, {"payload": "?"}, {"payload": {"a": 1}}, {"topic": 5}):
            refused = refusal(h, "event.publish", {**body, **wrong})
            assert refused.errno == errno.EPROTO, wrong
    finally:
        h.event_unsubscribe("said.")


def test_what_is_refused_in_words_of_today(instance: Instance, h: Flux) -> None:
    """0.88's clients print what they are told."""
    jobid = int(flux.job.submit(h, flux.job.JobspecV1.from_command(["true"])))
    # Without flags a request is that of 0.29, which is told a number only.
    for flags, said in ((0, "No such file or directory"), (2, "foo: key not found")):
        missing = refusal(h, "job-info.lookup", {"flags": flags, "keys": ["foo"], "id": jobid}, 1)
        assert str(missing) == f"[Errno 2] {said}"
    unknown = refusal(h, "job-info.lookup", {"flags": 2, "keys": ["R"], "id": 123})
    assert str(unknown) == "[Errno 2] invalid job id"
    queue = {"name": "foo", "start": True, "all": False, "nocheckpoint": False}
    refused = refusal(h, "job-manager.queue-start", queue)
    assert refused.strerror == "'foo' is not a valid queue"
    assert instance.run("cron", "interval", "1h", "true").returncode == 0
    assert ask(h, "cron.stop", {"id": 1})["stopped"] is True
    assert refusal(h, "cron.stop", {"id": 1}).errno == errno.EINVAL
    assert ask(h, "cron.start", {"id": 1})["stopped"] is False
    assert refusal(h, "cron.start", {"id": 1}).errno == errno.EINVAL


def test_a_configuration_is_loaded_and_refused(h: Flux) -> None:
    before = ask(h, "config.get")
    ask(h, "config.load", {"resource": {"noverify": True}})
    try:
        assert ask(h, "config.get") == {"resource": {"noverify": True}}
        wrong = refusal(h, "config.load", {"resource": {"noverify": 5}})
        assert wrong.errno == errno.EINVAL
        assert ask(h, "config.get") == {"resource": {"noverify": True}}
    finally:
        ask(h, "config.load", before)
    assert ask(h, "config.get") == before


def test_processes_in_the_background_on_another_rank(h: Flux) -> None:
    env = {"PATH": "/usr/bin:/bin"}
    command = {"cwd": "/", "cmdline": ["sh", "-c", "echo hi; exit 3"], "env": env, "label": "it"}
    asked = {"cmd": {**command, "opts": {}, "channels": []}, "flags": 16, "local_flags": 0}
    pid = ask(h, "rexec.exec", asked, 1)["pid"]
    procs = ask(h, "rexec.list", {}, 1)["procs"]
    assert [(proc["pid"], proc["cmd"]) for proc in procs] == [(pid, "sh")]
    ended = ask(h, "rexec.wait", {"pid": -1, "label": "it"}, 1)
    assert ended["status"] == 3 << 8
    assert [chunk["data"] for chunk in ended["output"]] == ["hi\n"]
    assert refusal(h, "rexec.wait", {"pid": pid}, 1).errno == errno.ESRCH


def test_ranks_that_are_online(h: Flux) -> None:
    assert ask(h, "groups.get", {"name": "broker.online"}) == {"members": "0-1"}
    assert ask(h, "groups.get", {"name": "nosuch"}) == {"members": ""}
    assert refusal(h, "groups.get", {"name": "broker.online"}, 1).errno == errno.EPROTO


def test_the_journal_of_resources_begins_with_the_past(h: Flux) -> None:
    journal = h.rpc("resource.journal", {}, 0, FLUX_RPC_STREAMING)
    past: list[str] = []
    resources: Any = None
    answer: Any
    while answer := journal.get():
        journal.reset()
        resources = answer.get("R", resources)
        if not answer["events"]:
            break
        past += [entry["name"] for entry in answer["events"]]
    assert {"online", "resource-define"} <= set(past)
    assert resources["execution"]["R_lite"]
    ask(h, "resource.drain", {"targets": "1", "reason": "broken"})
    try:
        answer = journal.get()
    finally:
        ask(h, "resource.undrain", {"targets": "1"})
    assert [(entry["name"], entry["context"]["reason"]) for entry in answer["events"]] == [
        ("drain", "broken")
    ]


def test_events_that_are_posted_by_hand(instance: Instance, h: Flux) -> None:
    done = instance.run("submit", "--urgency=hold", "true")
    jobid = flux.job.JobID(done.stdout.strip())
    ask(h, "job-manager.post-event.post", {"id": jobid, "name": "seen", "context": {"by": "me"}})
    for name in ("alloc", "exception", "clean", "two words"):
        wrong = refusal(h, "job-manager.post-event.post", {"id": jobid, "name": name})
        assert wrong.errno == errno.EINVAL
    flux.job.cancel(h, jobid)
    log = list(flux.job.event_watch(h, jobid))
    assert [entry.context for entry in log if entry.name == "seen"] == [{"by": "me"}]
    assert refusal(h, "job-manager.post-event.post", {"id": jobid, "name": "seen"}).errno
    ask(h, "job-manager.housekeeping-kill", {"signum": 15})


def test_stores_are_told_by_the_bytes_of_a_hash(instance: Instance) -> None:
    blobref = "sha1-f572d396fae9206628714fb2ce00f72e94f2258f"
    with Flux(instance.uri) as early:
        assert early.rpc_raw("content.store", b"hello\n").message().text() == blobref
        early.rpc("attr.get", {"name": "content.hash"}).get()
        for topic, nodeid in (("content.store", 1), ("content-backing.store", 0)):
            answer = early.rpc_raw(topic, b"hello\n", nodeid).message()
            assert answer.payload == bytes.fromhex(blobref.removeprefix("sha1-"))
        assert content.store(early, b"hello\n") == blobref


def test_blobs_that_are_not_written_yet_are_loaded_past_the_cache(instance: Instance) -> None:
    """As ``flux dump --no-cache`` of 0.88 does it, down from a root."""
    with Flux(instance.uri) as early:
        root = early.rpc("kvs.getroot", {"namespace": "primary", "flags": 0}).get()["rootref"]
        name = bytes.fromhex(root.removeprefix("sha1-"))
        answer = early.rpc_raw("content-backing.load", name, 0).message()
        assert json.loads(answer.payload or b"")["type"] == "dir"
        with pytest.raises(OSError, match="No such file") as failure:
            early.rpc_raw("content-backing.load", bytes(20), 0).message()
        assert failure.value.errno == errno.ENOENT


def test_checkpoints_by_hand() -> None:
    script = """
flux content checkpoint list; echo $?
flux content checkpoint update xyz; echo $?
flux content checkpoint update $(echo x | flux content store); echo $?
flux content checkpoint list -n
flux content checkpoint list --json"""
    command = ["flux", "start", "-Sbroker.rc1_path=", "-Sbroker.rc3_path=", "sh", "-c"]
    flux = pathlib.Path(sys.executable).parent / "flux"
    command[0] = str(flux)
    load = "flux module load content-sqlite\n"
    done = subprocess.run(
        [*command, load + script], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    root = "sha1-6fcf9dfbd479ed82697fee719b9f8c610a11ff2a"
    assert rows[:4] == [["Index", "Sequence", "Time", "Rootref"], ["1"], ["1"], ["0"]]
    assert (rows[4][:2], rows[4][3]) == (["0", "0"], root)
    assert json.loads(done.stdout.splitlines()[5])["rootref"] == root
    assert done.stderr.splitlines() == [
        "flux-content: kvs_checkpoint_lookup: No such file or directory",
        "flux-content: invalid blobref specified: Invalid argument",
    ]


def test_flags_of_a_commit(h: Flux) -> None:
    """As ``flux kvs put --sync`` of 0.88 sends them: NO_MERGE, TXN_COMPACT and SYNC, no other."""
    put = {
        "namespace": "primary",
        "ops": [{"key": "flagged", "flags": 0, "dirent": treeobj.val(b"1")}],
    }
    for flags in (1, 2, 4, 7):
        assert ask(h, "kvs.commit", {**put, "flags": flags})["rootseq"] > 0
    with pytest.raises(OSError) as refused:
        ask(h, "kvs.commit", {**put, "flags": 8})
    assert refused.value.errno == errno.EINVAL
    assert (FLUX_KVS_TXN_COMPACT, FLUX_KVS_SYNC) == (2, 4)
    h.rpc("kvs.namespace-create", {"namespace": "passing", "owner": -1, "flags": 0}).get()
    with pytest.raises(OSError) as refused:
        ask(h, "kvs.commit", {**put, "namespace": "passing", "flags": 4})
    assert refused.value.errno == errno.EINVAL
    assert ask(h, "kvs.commit", {**put, "namespace": "passing", "flags": 2})["rootseq"] > 0


def test_a_checkpoint_is_not_set_below_the_kvs(instance: Instance) -> None:
    done = instance.run("content", "checkpoint", "update", f"sha1-{'0' * 40}")
    said = "flux-content: please unload kvs module before updating checkpoint\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_blobs_of_a_limited_size(instance: Instance) -> None:
    done = instance.run("content", "store", "--chunksize=4", stdin="0123456789")
    refs = done.stdout.split()
    assert len(refs) == 3
    assert instance.run("content", "load", *refs).stdout == "0123456789"
    assert instance.run("content", "load", *reversed(refs)).stdout == "8945670123"
    assert len(instance.run("content", "store", "--chunksize=4").stdout.split()) == 1
