"""PMI-1 server state machine and client (RFC 13)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.bootstrap.library import PmiLibrary
from broker.bootstrap.pmi import exchange
from broker.bootstrap.wireup import find_pmi
from broker.pmi import (
    LINE_MAX,
    Abort,
    Action,
    Exchange,
    Finalized,
    PmiServer,
    ProtocolError,
    Reply,
    decode,
    encode,
    process_mapping,
)
from broker.pmi_client import PmiClient
from broker.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

INIT = b"cmd=init pmi_version=1 pmi_subversion=1\n"


def lines(actions: list[Action]) -> list[bytes]:
    return [action.line for action in actions if isinstance(action, Reply)]


def ready(
    size: int,
    local_ranks: Sequence[int] | None = None,
    appnum: int = 0,
    preset: Mapping[str, str] | None = None,
) -> PmiServer:
    server = PmiServer(size, "space", local_ranks=local_ranks, appnum=appnum, preset=preset)
    for rank in range(size) if local_ranks is None else local_ranks:
        assert lines(server.feed(rank, INIT)) == [
            b"cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1\n"
        ]
    return server


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        (b"cmd=get_maxes\n", b"cmd=maxes rc=0 kvsname_max=64 keylen_max=64 vallen_max=1024\n"),
        (b"cmd=get_appnum\n", b"cmd=appnum rc=0 appnum=7\n"),
        (b"cmd=get_universe_size\n", b"cmd=universe_size rc=0 size=2\n"),
        (b"cmd=get_my_kvsname\n", b"cmd=my_kvsname rc=0 kvsname=space\n"),
        (b"cmd=get kvsname=space key=PMI_nothing\n", b"cmd=get_result rc=0 value=\n"),
        (b"cmd=get kvsname=space key=other\n", b"cmd=get_result rc=-1\n"),
        (b"key=PMI_x  kvsname=space extra=1 cmd=get\n", b"cmd=get_result rc=0 value=preset\n"),
        (b"cmd=publish_name service=a port=b\n", b"cmd=publish_result rc=-1 msg=not supported\n"),
        (b"cmd=finalize\n", b"cmd=finalize_ack rc=0\n"),
        (
            b"mcmd=spawn\nnprocs=1\nexecname=x\narg1=a\nargcnt=1\ninfo_num=0\nendcmd\n",
            b"cmd=spawn_result rc=-1\n",
        ),
    ],
)
def test_requests_are_answered(request_line: bytes, answer: bytes) -> None:
    server = ready(2, appnum=7, preset={"PMI_x": "preset"})
    assert lines(server.feed(0, request_line)) == [answer]


def test_bytes_may_come_in_any_pieces() -> None:
    server = PmiServer(1, "k")
    out: list[Action] = []
    for byte in INIT + b"cmd=finalize\n":
        out += server.feed(0, bytes([byte]))
    assert lines(out)[1] == b"cmd=finalize_ack rc=0\n"
    assert out[-1] == Finalized(0)


def test_put_is_seen_by_the_other_rank_after_the_barrier() -> None:
    server = ready(2)
    assert lines(server.feed(0, b"cmd=put kvsname=space key=a value=x=1 y\n")) == [
        b"cmd=put_result rc=0\n"
    ]
    assert server.feed(0, b"cmd=barrier_in\n") == []
    out = server.feed(1, b"cmd=barrier_in\n")
    assert [(a.rank, a.line) for a in out if isinstance(a, Reply)] == [
        (0, b"cmd=barrier_out rc=0\n"),
        (1, b"cmd=barrier_out rc=0\n"),
    ]
    assert lines(server.feed(1, b"cmd=get kvsname=space key=a\n")) == [
        b"cmd=get_result rc=0 value=x=1 y\n"
    ]


def test_a_key_is_put_once() -> None:
    server = ready(1)
    server.feed(0, b"cmd=put kvsname=space key=a value=1\n")
    assert lines(server.feed(0, b"cmd=put kvsname=space key=a value=2\n")) == [
        b"cmd=put_result rc=-1 msg=duplicate_key\n"
    ]


def test_barrier_over_several_servers_exchanges_pairs() -> None:
    one, two = ready(4, local_ranks=[0, 1]), ready(4, local_ranks=[2, 3])
    one.feed(0, b"cmd=put kvsname=space key=a value=1\n")
    assert one.feed(0, b"cmd=barrier_in\n") == []
    assert one.feed(1, b"cmd=barrier_in\n") == [Exchange({"a": "1"})]
    two.feed(2, b"cmd=barrier_in\n")
    assert two.feed(3, b"cmd=barrier_in\n") == [Exchange({})]
    assert len(two.barrier_complete({"a": "1"})) == 2
    assert lines(two.feed(3, b"cmd=get kvsname=space key=a\n")) == [
        b"cmd=get_result rc=0 value=1\n"
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\n",
        b"cmd=nosuch\n",
        b"cmd=put key=a\n",
        b"x" * (LINE_MAX + 1),
        b"\xff\n",
        b"other=1\n",
        b"cmd=get\n",
    ],
)
def test_violations_close_the_process(data: bytes) -> None:
    server = ready(1)
    out = server.feed(0, data)
    assert len(out) == 1
    assert isinstance(out[0], ProtocolError)
    assert server.feed(0, b"cmd=get_maxes\n") == []


def test_commands_before_init_are_refused() -> None:
    assert isinstance(PmiServer(1, "k").feed(0, b"cmd=get_maxes\n")[0], ProtocolError)


def test_abort_names_code_and_message() -> None:
    out = ready(1).feed(0, b"cmd=abort exitcode=3 error_msg=it broke\n")
    assert out == [Reply(0, b"\n"), Abort(0, 3, "it broke")]


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([2, 2], "(vector,(0,2,2))"),
        ([2, 2, 4, 4], "(vector,(0,2,2),(2,2,4))"),
        ([256] * 4096, "(vector,(0,4096,256))"),
        ([1, 2] * 200, ""),
    ],
)
def test_process_mapping(counts: list[int], text: str) -> None:
    assert process_mapping(counts) == text


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_bytes_never_raise(chunks: list[bytes]) -> None:
    server = PmiServer(2, "k")
    for chunk in [INIT, *chunks]:
        for action in server.feed(0, chunk):
            assert isinstance(action, Action)


words = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, blacklist_characters="="),
    min_size=1,
    max_size=30,
)


@given(words, st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_what_is_put_is_got(key: str, value: str) -> None:
    server = ready(1)
    server.feed(0, encode(cmd="put", kvsname="space", key=key, value=value))
    answer = decode(lines(server.feed(0, encode(cmd="get", kvsname="space", key=key)))[0].decode())
    assert answer["rc"] == "0"
    assert answer["value"] == value


def serve(server: PmiServer, sockets: list[socket.socket]) -> None:
    import select

    live = dict(enumerate(sockets))
    while live:
        for sock in select.select(list(live.values()), [], [], 5)[0]:
            rank = sockets.index(sock)
            data = sock.recv(4096)
            if not data:
                del live[rank]
            for action in server.feed(rank, data):
                if isinstance(action, Reply):
                    sockets[action.rank].sendall(action.line)


def test_clients_over_sockets() -> None:
    pairs = [socket.socketpair() for _ in range(3)]
    manager = threading.Thread(target=serve, args=(PmiServer(3, "k"), [a for a, _ in pairs]))
    manager.start()
    results: dict[int, list[str]] = {}

    def run(rank: int) -> None:
        env = {"PMI_FD": str(pairs[rank][1].detach()), "PMI_RANK": str(rank), "PMI_SIZE": "3"}
        client = PmiClient.from_environment(env)
        assert client is not None
        client.put(f"card{rank}", f"tcp://{rank}")
        client.barrier()
        results[rank] = [client.get(f"card{peer}") for peer in range(client.size)]
        client.finalize()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(3)]
    for thread in [*threads]:
        thread.start()
    for thread in [*threads, manager]:
        thread.join(60)
    for sock, _ in pairs:
        sock.close()
    assert results == {rank: ["tcp://0", "tcp://1", "tcp://2"] for rank in range(3)}


def test_no_client_without_pmi_or_with_a_stale_descriptor() -> None:
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    assert PmiClient.from_environment({}) is None
    assert (
        PmiClient.from_environment({"PMI_FD": str(read), "PMI_RANK": "0", "PMI_SIZE": "1"}) is None
    )


HYDRA = {
    "init": "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0",
    "get_maxes": "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=32",
    "get_my_kvsname": "cmd=my_kvsname kvsname=kvs_1_0",
    "put": "cmd=put_result rc=0 msg=success",
    "barrier_in": "cmd=barrier_out",
    "finalize": "cmd=finalize_ack",
}
"""What MPICH's process manager answers, with short values."""


def hydra(manager: socket.socket, requests: list[str]) -> None:
    """Answer a client as MPICH's process manager does."""
    with manager, manager.makefile("r") as lines:
        for line in lines:
            requests.append(line.rstrip("\n"))
            fields = decode(line)
            answer = HYDRA.get(fields["cmd"], "")
            if fields.get("key") == "there":
                answer = "cmd=get_result rc=0 msg=success value=a=b,c"
            elif fields["cmd"] == "get":
                answer = "cmd=get_result rc=-1 msg=key_x_not_found value=unknown"
            manager.sendall(answer.encode() + b"\n")


def test_a_manager_that_answers_with_messages() -> None:
    ours, theirs = socket.socketpair()
    requests: list[str] = []
    thread = threading.Thread(target=hydra, args=(theirs, requests))
    thread.start()
    client = PmiClient(ours.detach(), 0, 2)
    assert client.get("there") == "a=b,c"
    with pytest.raises(OSError, match="no such key: absent") as failure:
        client.get("absent")
    assert failure.value.errno == errno.ENOENT
    client.put("key", "x" * 31)
    with pytest.raises(OSError, match="a value of 32 characters, of at most 31") as failure:
        client.put("key", "x" * 32)
    assert failure.value.errno == errno.EMSGSIZE
    client.barrier()
    client.finalize()
    thread.join(60)
    assert len([line for line in requests if line.startswith("cmd=put ")]) == 1


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("cmd=x rc=0 msg=success value=a b", {"rc": "0", "msg": "success", "value": "a b"}),
        ("cmd=x rc=-1 msg=no such key", {"rc": "-1", "msg": "no such key"}),
        ("cmd=abort exitcode=2 error_msg=a b c", {"exitcode": "2", "error_msg": "a b c"}),
        ("cmd=put key=k value=a msg=b", {"key": "k", "value": "a msg=b"}),
    ],
)
def test_messages_and_values_in_a_line(line: str, fields: dict[str, str]) -> None:
    found = decode(line)
    found.pop("cmd")
    assert found == fields


class Rendezvous:
    """A PMI of two ranks in one process, the other of which is there already."""

    size = 2

    def __init__(self, rank: int, pairs: dict[str, str]) -> None:
        self.rank = rank
        self.pairs = pairs
        self.done: list[str] = []

    def put(self, key: str, value: str) -> None:
        self.pairs[key] = value

    def get(self, key: str) -> str:
        return self.pairs[key]

    def barrier(self) -> None:
        self.done.append("barrier")

    def finalize(self) -> None:
        self.done.append("finalize")


def test_cards_have_no_blanks_whatever_the_endpoint_has() -> None:
    """MPICH's and Slurm's managers cut values at blanks."""
    pairs: dict[str, str] = {"fluxctl.1": "other-key,-"}
    endpoint = "ipc:///tmp/a b%/tbon-0"
    leader = Rendezvous(0, pairs)
    exchange(leader, Topology(0, 2), "key", lambda: endpoint)
    assert leader.done == ["barrier", "barrier", "finalize"]
    assert " " not in pairs["fluxctl.0"]
    found = exchange(Rendezvous(1, pairs), Topology(1, 2), "other-key", lambda: None)
    assert found.parent == (endpoint, "key")


def test_slurms_library_is_for_steps_of_several_tasks() -> None:
    step = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}
    assert PmiLibrary.from_environment(step) is None
    assert PmiLibrary.from_environment({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}) is None
    assert find_pmi({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}) is None
    step |= {"SLURM_STEP_NUM_TASKS": "2", "PMI_LIBRARY": "/nosuch/libpmi.so"}
    with pytest.raises(OSError, match=r"/nosuch/libpmi\.so cannot be loaded: install") as failure:
        find_pmi(step)
    assert failure.value.errno == errno.ENOENT


@contextlib.contextmanager
def manager_at_a_port(*lines: str) -> Iterator[tuple[dict[str, str], list[bytes]]]:
    """A process manager that is connected to, and says ``lines``; what it has been told."""
    told: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as heard:
            told.append(heard.readline())
            connection.sendall("".join(f"{line}\n" for line in lines).encode())
            connection.shutdown(socket.SHUT_WR)
            told.extend(heard)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield {"PMI_PORT": f"127.0.0.1:{listener.getsockname()[1]}", "PMI_ID": "1"}, told
        thread.join(60)


def test_a_manager_that_is_connected_to() -> None:
    sets = ("cmd=initack", "cmd=set size=2", "cmd=set rank=1", "cmd=set debug=0")
    begins = (
        "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0",
        "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024",
        "cmd=my_kvsname kvsname=space",
    )
    with manager_at_a_port(*sets, *begins) as (environment, told):
        client = PmiClient.from_environment(environment)
        assert client is not None
        assert (client.rank, client.size, client.kvsname) == (1, 2, "space")
        client.close()
    assert told[0] == b"cmd=initack pmiid=1\n"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((), "closed the connection"),
        (("cmd=other",), "expected initack"),
        (("cmd=initack", "cmd=set size=2", "cmd=set debug=0"), "told no rank and size"),
        (("cmd=initack", "cmd=set size=2", "cmd=set rank=2", "cmd=set debug=0"), "told no rank"),
        (("cmd=initack", f"cmd=set size={'9' * 5000}", "cmd=set debug=0"), "told no rank"),
    ],
)
def test_a_manager_that_says_nonsense(lines: tuple[str, ...], problem: str) -> None:
    with (
        manager_at_a_port(*lines) as (environment, _),
        pytest.raises(OSError, match=problem),
    ):
        PmiClient.from_environment(environment)


@pytest.mark.parametrize("place", ["127.0.0.1:1", "nonsense", "127.0.0.1:x"])
def test_a_manager_that_is_not_there(place: str) -> None:
    with pytest.raises(OSError, match=f"cannot connect to PMI_PORT {place}"):
        PmiClient.from_environment({"PMI_PORT": place, "PMI_ID": "0"})
