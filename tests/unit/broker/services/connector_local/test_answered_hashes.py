"""What a client gets for what it stores: text, or bytes if it has asked which hash that is."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from broker.services.connector_local.answered_hashes import KNOWN_MAX, AnsweredHashes
from flux.wire.message import NORESPONSE, Message, request, response

BLOBREF = "sha1-f572d396fae9206628714fb2ce00f72e94f2258f"
ASK = {"name": "content.hash"}


def store(
    tag: int = 1, *, routes: list[str] | None = None, topic: str = "content.store"
) -> Message:
    msg = request(topic, b"hello\n", matchtag=tag)
    msg.routes = routes or []
    return msg


def ask(hashes: AnsweredHashes, payload: object, routes: list[str] | None = None) -> None:
    msg = request("attr.get", payload, matchtag=1)
    msg.routes = routes or []
    hashes.asked(msg)


def answers(hashes: AnsweredHashes, msg: Message) -> bytes | None:
    hashes.asked(msg)
    return hashes.answered(response(msg, BLOBREF)).payload


def test_text_for_those_who_have_not_asked() -> None:
    hashes = AnsweredHashes()
    ask(hashes, {"name": "rank"})
    assert answers(hashes, store()) == BLOBREF.encode() + b"\0"
    assert not hashes


def test_bytes_for_those_who_have_asked() -> None:
    hashes = AnsweredHashes()
    ask(hashes, ASK)
    for topic in ("content.store", "content-backing.store"):
        assert answers(hashes, store(topic=topic)) == bytes.fromhex(BLOBREF[5:])
    assert not hashes
    other = response(request("kvs.get", matchtag=1), {"value": 1})
    assert hashes.answered(other) is other


def test_clients_behind_a_proxy_are_told_apart() -> None:
    hashes = AnsweredHashes()
    ask(hashes, ASK, ["a"])
    assert answers(hashes, store(routes=["b"])) == BLOBREF.encode() + b"\0"
    assert answers(hashes, store(routes=["a"])) == bytes.fromhex(BLOBREF[5:])
    for number in range(KNOWN_MAX):
        ask(hashes, ASK, [str(number)])
    assert answers(hashes, store(routes=["a"])) == BLOBREF.encode() + b"\0"


def test_what_is_no_answer_with_a_blob() -> None:
    hashes = AnsweredHashes()
    ask(hashes, ASK)
    hashes.asked(store(5))
    assert hashes.answered(response(store(5), "no room", errnum=errno.ENOSPC)).errnum == 28
    hashes.asked(store(6))
    assert hashes.answered(response(store(6), b"what")).errnum == errno.EPROTO
    silent = store(7)
    silent.flags |= NORESPONSE
    hashes.asked(silent)
    assert not hashes


@pytest.mark.parametrize(
    ("program", "word", "told"),
    [
        ("flux", "restore", True),
        ("lt-flux", "restore", True),
        ("flux", "dump", False),
        ("python3", "restore", False),
    ],
)
def test_bytes_for_a_restore_that_does_not_ask(program: str, word: str, told: bool) -> None:
    words = [program, "-c", "echo; read line", word]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, executable="/bin/sh", stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has its command line
        hashes = AnsweredHashes(process.pid)
        answer = answers(hashes, store())
        behind = answers(AnsweredHashes(process.pid), store(routes=["a"]))
        assert process.stdin is not None
        process.stdin.close()
    assert (answer == bytes.fromhex(BLOBREF.removeprefix("sha1-"))) == told
    assert behind == BLOBREF.encode() + b"\0"  # whom a proxy speaks for


def test_a_process_that_is_gone_gets_text() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert answers(AnsweredHashes(process.pid), store()) == BLOBREF.encode() + b"\0"
