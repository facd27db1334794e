"""The requests of ``flux exec`` to the broker of each process, in the form of 0.29
(``broker.rexec``) and in today's (``rexec.exec``, RFC 42), whose answers are told as those of 0.29.
A job's shells take the second form only.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.types import IoObject
    from flux.rpc import RPC
    from flux.wire.json import JsonObject

FAILED, RUNNING, EXITED = 1, 2, 3
STDOUT, STDERR, WRITE_CREDIT = 1, 2, 8
BROKER_SERVICE: Final = "rexec"
COMPLETE: Final[JsonObject] = {"type": "complete"}


class Requests:
    """Runs a command by requests to ``broker.rexec``; ``noinput`` gives it an empty stdin."""

    def __init__(self, h: Flux, argv: list[str], cwd: str, env: dict[str, str], noinput: bool):
        self._handle = h
        self._noinput = noinput
        self._command: JsonObject = {
            "cwd": cwd,
            "cmdline": argv,
            "env": env,
            "opts": {} if noinput else {"stdin_CREDIT": "true"},
            "channels": [],
        }

    def start(self, rank: int) -> RPC:
        """Ask for the command on a rank."""
        from flux.wire.json import dumps_str

        payload = {
            "cmd": dumps_str(self._command),
            "on_channel_out": 0,
            "on_stdout": 1,
            "on_stderr": 1,
        }
        rpc = self._handle.rpc("broker.rexec", payload, nodeid=rank)
        rpc.streaming = True
        return rpc

    def answer(self, rpc: RPC) -> JsonObject:
        """Return an answer to the request; raises OSError if that is an error."""
        found: JsonObject = rpc.get()
        return found

    def write(self, rank: int, rpc: RPC, pid: int, io: IoObject) -> None:
        """Send input to a process, ``pid``, that ``rpc`` has started."""
        payload = {"pid": pid, "io": io}
        self._handle.rpc("broker.rexec.write", payload, rank, FLUX_RPC_NORESPONSE)

    def signal(self, rank: int, pid: int, number: int) -> None:
        """Send a signal to a process."""
        self._handle.rpc("broker.rexec.signal", {"pid": pid, "signum": number}, rank)

    def todays(self, service: str = BROKER_SERVICE, label: str | None = None) -> TodaysRequests:
        """Return the form of today, for a process with a ``label`` if there is one."""
        return TodaysRequests(self._handle, self._command, self._noinput, service, label)


class TodaysRequests(Requests):
    """Runs a command by requests to ``service``, as a process with a ``label`` if there is one."""

    def __init__(
        self,
        h: Flux,
        command: JsonObject,
        noinput: bool,
        service: str = BROKER_SERVICE,
        label: str | None = None,
    ) -> None:
        self._handle = h
        self._service = service
        self._command = {**command, "opts": {}, "msgchan": []}
        if label:
            self._command["label"] = label
        self._flags = STDOUT | STDERR | (0 if noinput else WRITE_CREDIT)

    def start(self, rank: int) -> RPC:
        """Ask for the command on a rank."""
        payload = {"cmd": self._command, "flags": self._flags, "local_flags": 0}
        return self._handle.rpc(f"{self._service}.exec", payload, rank, FLUX_RPC_STREAMING)

    def answer(self, rpc: RPC) -> JsonObject:
        """Return an answer as ``broker.rexec`` gives it; raises OSError if that is an error."""
        try:
            found: JsonObject | None = rpc.get()
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
            found = None
        if found is None:
            return COMPLETE
        match found.get("type"):
            case "started":
                # How much there is room for is told next.
                room = {"stdin_room": 0} if self._flags & WRITE_CREDIT else {}
                return {"type": "state", "state": RUNNING, "pid": found["pid"], **room}
            case "add-credit":
                return {"type": "taken", "bytes": found["channels"].get("stdin", 0)}
            case "finished":
                return {"type": "state", "state": EXITED, "status": found["status"]}
            case "stopped":
                return {"type": "start"}
        return found

    def write(self, rank: int, rpc: RPC, pid: int, io: IoObject) -> None:
        """Send input to the process that ``rpc`` has started."""
        payload = {"matchtag": rpc.matchtag, "io": io}
        self._handle.rpc(f"{self._service}.write", payload, rank, FLUX_RPC_NORESPONSE)

    def signal(self, rank: int, pid: int, number: int) -> None:
        """Send a signal to a process."""
        payload = {"pid": pid, "label": "", "signum": number}
        self._handle.rpc(f"{self._service}.kill", payload, rank)
