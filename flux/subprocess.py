"""Processes on the brokers' machines that go on without their client (RFC 42; flux.subprocess of
today's flux-core).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypedDict

from flux.core.interface import Requester
from flux.job import io
from flux.rpc import RPC
from flux.security import sign as signed
from flux.wire import json
from flux.wire.message import NODEID_ANY

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping, Sequence

    from flux.wire.json import JsonObject

FLUX_NODEID_ANY: Final = NODEID_ANY
SUBPROCESS_REXEC_WAITABLE: Final = 16
"""Flag of a process that is waited for: how it ended, and what it wrote, is kept until then."""
SIGTERM: Final = 15


class _Handle(Requester, Protocol):
    """What of a handle is used here."""

    def attr_get(self, name: str, /) -> str:
        """Return an attribute of the broker; raises OSError."""


class CommandObject(TypedDict, total=False):
    """A command of RFC 42."""

    cmdline: builtins.list[str]
    label: str
    cwd: str
    env: dict[str, str]
    opts: dict[str, str]
    channels: builtins.list[str]


def command_create(
    command: Sequence[str],
    label: str | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    opts: Mapping[str, str] | None = None,
) -> CommandObject:
    """Return a command: its words, a label to find it by, its working directory and environment, by
    default those of this process, and options. Raises TypeError for one word instead of a list.
    """
    if isinstance(command, str | bytes):
        raise TypeError("a command is a list of words, not one")
    made: CommandObject = {"cmdline": [os.fspath(word) for word in command]}
    if label is not None:
        made["label"] = label
    made["cwd"] = os.getcwd() if cwd is None else os.fspath(cwd)
    made["env"] = dict(os.environ if env is None else env)
    made["opts"] = dict(opts or {})
    made["channels"] = []
    return made


class SubprocessBackgroundRexecRPC(RPC):
    """A process that was started."""

    def get_pid(self) -> int:
        """Wait until the process runs and return its id; raises OSError if it cannot be started."""
        return int(self.member("pid"))

    def get_rank(self) -> int:
        """Return the rank that the process runs on; raises OSError as `get_pid`."""
        self.get()
        if self.nodeid != NODEID_ANY or self.flux_handle is None:
            return self.nodeid
        return self.flux_handle.get_rank()


class _OutputPiece(TypedDict, total=False):
    stream: str
    rank: str
    data: str
    encoding: str


class SubprocessWaitRPC(RPC):
    """How a process ended."""

    def get_status(self) -> int:
        """Wait for the end of the process and return its wait status, for ``os.WIFEXITED`` and its
        like; raises OSError if there is no such process, or if it cannot be waited for.
        """
        return int(self.member("status"))

    def get_output(self) -> builtins.list[_OutputPiece]:
        """Return what is kept of the process' output, in pieces: objects with ``stream``, ``rank``,
        ``data`` and perhaps ``encoding``. Raises OSError as `get_status`.
        """
        answer = self.get()
        pieces: builtins.list[_OutputPiece] = answer.get("output") or []
        return pieces

    def _stream(self, name: str) -> bytes:
        found = [piece for piece in self.get_output() if piece.get("stream") == name]
        return b"".join(io.decode(piece).data for piece in found)

    @property
    def stdout(self) -> bytes:
        """What is kept of the standard output; raises OSError as `get_status`."""
        return self._stream("stdout")

    @property
    def stderr(self) -> bytes:
        """What is kept of the standard error; raises OSError as `get_status`."""
        return self._stream("stderr")


@dataclass
class Subprocess:
    """A process of a broker: its id, rank and state (R running, Z ended and not waited for), its
    label, ``-`` without one, and the name of its program.
    """

    pid: int
    rank: int
    state: str
    label: str
    cmd: str


class SubprocessListRPC(RPC):
    """The processes of a broker."""

    def get_processes(self) -> builtins.list[Subprocess]:
        """Return the processes; raises OSError if the broker cannot tell."""
        answer = self.get()
        return [
            Subprocess(
                pid=int(one["pid"]),
                rank=int(answer["rank"]),
                state=str(one["state"]),
                label=str(one.get("label") or "-"),
                cmd=str(one["cmd"]),
            )
            for one in answer["procs"]
        ]


def _maybe_signed(handle: _Handle, payload: JsonObject, sign: bool | None) -> JsonObject:
    """Return the payload with a signature if somebody else owns the instance, or ``sign`` says so.

    Raises OSError if it cannot be signed.
    """
    if sign is None:
        try:
            owner = handle.attr_get("security.owner")
        except OSError:
            owner = None
        sign = owner is not None and owner != str(os.getuid())
    if not sign:
        return payload
    return {**payload, "signature": signed(json.dumps(payload)).decode("ascii")}


def _process(pid: int | None, label: str | None) -> JsonObject:
    """Return how a request names a process."""
    if pid is None and label is None:
        raise ValueError("at least one of pid or label must be specified")
    if pid is not None and label is not None:
        raise ValueError("only one of pid or label may be specified")
    return {"pid": pid} if label is None else {"pid": -1, "label": label}


def rexec_bg(
    handle: _Handle,
    command: Sequence[str],
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    label: str | None = None,
    waitable: bool = False,
    service: str = "rexec",
    nodeid: int = NODEID_ANY,
    sign: bool | None = None,
) -> SubprocessBackgroundRexecRPC:
    """Start a process in the background and return a future that tells its id.

    ``nodeid`` is a rank, ``service`` who is asked there. Arguments of the command are those of
    `command_create`. A ``waitable`` process is one for `wait`; what another writes goes to the
    broker's log. With ``sign`` the request is signed, by default if somebody else owns the
    instance. Raises TypeError as `command_create`, OSError if it cannot be signed or sent.
    """
    made = command_create(command, label=label, cwd=cwd, env=env)
    payload: JsonObject = {"cmd": made, "flags": SUBPROCESS_REXEC_WAITABLE if waitable else 0}
    return SubprocessBackgroundRexecRPC(
        handle, f"{service}.exec", _maybe_signed(handle, payload, sign), nodeid
    )


def kill(
    handle: _Handle,
    signum: int = SIGTERM,
    pid: int | None = None,
    label: str | None = None,
    service: str = "rexec",
    nodeid: int = NODEID_ANY,
    sign: bool | None = None,
) -> RPC:
    """Send a signal to a process, which ``pid`` or ``label`` names; the other arguments are those
    of `rexec_bg`. The future fails with ESRCH if there is no such process.

    Raises ValueError without a name or with both, OSError if it cannot be signed or sent.
    """
    payload = {**_process(pid, label), "signum": int(signum)}
    return RPC(handle, f"{service}.kill", _maybe_signed(handle, payload, sign), nodeid)


def wait(
    handle: _Handle,
    pid: int | None = None,
    label: str | None = None,
    service: str = "rexec",
    nodeid: int = NODEID_ANY,
    sign: bool | None = None,
) -> SubprocessWaitRPC:
    """Wait for the end of a waitable process, which ``pid`` or ``label`` names; arguments and
    errors are those of `kill`.
    """
    payload = _maybe_signed(handle, _process(pid, label), sign)
    return SubprocessWaitRPC(handle, f"{service}.wait", payload, nodeid)


def list(  # noqa: A001 - its name in flux-core
    handle: _Handle,
    service: str = "rexec",
    nodeid: int = NODEID_ANY,
    sign: bool | None = None,
) -> SubprocessListRPC:
    """Return a future of the processes of a broker; arguments and errors are those of
    `rexec_bg`.
    """
    return SubprocessListRPC(handle, f"{service}.list", _maybe_signed(handle, {}, sign), nodeid)
