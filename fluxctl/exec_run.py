"""A command that ``flux exec`` runs on several ranks: input, output, signals and how it ended."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from flux.terminal_text import terminal_text
from flux.waitstatus import INTERRUPTED, NOT_EXECUTABLE, NOT_FOUND, exit_code_of, signal_of
from fluxctl.exec_input import READ_SIZE, Input
from fluxctl.exec_requests import BROKER_SERVICE, EXITED, RUNNING, Requests, TodaysRequests
from fluxctl.json_output import data_facts, print_json

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.job.types import IoObject
    from flux.rpc import RPC
    from fluxctl.exec_targets import Targets

EX_NOHOST = 68
INTERRUPT_WINDOW = 2.0
MISSING_SHOWN = 16


class Remote:
    """The command on one rank."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.requests: Requests
        self.rpc: RPC
        self.pid = 0
        self.state = 0
        self.status: int | None = None
        self.ended = False
        self.room: int | None = None
        """Bytes that the broker of the process still takes for it; None if it does not tell."""

    @property
    def running(self) -> bool:
        """Whether the process can be fed and signalled."""
        return self.state == RUNNING and not self.ended


class RemoteRun:
    """The command on all target ranks: sends the requests, relays input, output and signals,
    collects the ends.
    """

    def __init__(
        self,
        h: Flux,
        argv: list[str],
        targets: Targets,
        *,
        label: str | None = None,
        label_io: bool = False,
        noinput: bool = False,
        verbose: bool = False,
        quiet: bool = False,
        as_json: bool = False,
    ) -> None:
        self._handle = h
        self._argv = argv
        self._targets = targets
        self._remotes = {rank: Remote(rank) for rank in targets.ranks - targets.missing}
        self._label = label
        self._label_io = label_io
        self._quiet = quiet
        self._json = as_json
        self._noinput = noinput
        self._verbose = verbose
        self._began = time.monotonic()
        self._interrupted = -INTERRUPT_WINDOW
        self._signals: list[int] = []
        self._reading = False
        self._input = Input(h, self._room, self._write)
        self.code = 0

    def say(self, text: str) -> None:
        """Report progress with the milliseconds since the start, if asked to."""
        if self._verbose:
            sys.stderr.write(f"{(time.monotonic() - self._began) * 1000:.6f}ms: {text}\n")

    def run(self, cwd: str) -> int:
        """Run everything and return the exit code."""
        self.say(f"Starting {' '.join(self._argv)} on {self._targets.ranks}")
        requests = Requests(self._handle, self._argv, cwd, dict(os.environ), self._noinput)
        service = self._targets.service
        if self._label or service != BROKER_SERVICE:
            requests = requests.todays(service, self._label)
        for remote in self._remotes.values():
            self._ask(remote, requests)
        self.say("Sent all requests")
        self._report_missing(self._targets.missing)
        watchers = [
            self._handle.signal_watcher_create(n, self._signalled)
            for n in (signal.SIGINT, signal.SIGTERM)
        ]
        for watcher in watchers:
            watcher.start()
        try:
            if self._remotes:
                self._handle.reactor_run()
        finally:
            for watcher in watchers:
                watcher.stop()
        self._summarize()
        return self.code

    def _ask(self, remote: Remote, requests: Requests) -> None:
        remote.requests = requests
        remote.rpc = requests.start(remote.rank)
        remote.rpc.then(self._answered, remote)

    def _answered(self, rpc: RPC, remote: Remote) -> None:
        try:
            answer = remote.requests.answer(rpc)
        except OSError as error:
            requests = remote.requests
            if error.errno == errno.ENOSYS and not isinstance(requests, TodaysRequests):
                self._ask(remote, requests.todays())
            elif not remote.ended:
                self._fail(remote, error.errno or errno.EIO, error.strerror)
            return
        kind = answer.get("type")
        if kind == "output":
            self._output(remote, answer["io"])
        elif kind == "taken":
            remote.room = (remote.room or 0) + answer["bytes"]
            self._input.go_on()
        elif kind == "complete":
            self._end(rpc, remote)
            return
        elif kind == "state":
            remote.state = answer["state"]
            if remote.state == RUNNING:
                remote.pid = answer["pid"]
                remote.room = answer.get("stdin_room")
                for number in self._signals:
                    self._send_signal(remote, number)
                self._started()
            elif remote.state == EXITED:
                remote.status = answer["status"]
                self._ended(remote, remote.status or 0)
                self._input.go_on()  # the others may have room
            else:
                rpc.cancel()
                self._fail(remote, answer.get("errno", errno.EIO))
                return
        rpc.reset()

    def _output(self, remote: Remote, io: IoObject) -> None:
        from flux.job.io import decode, labelled

        try:
            chunk = decode(io)
        except OSError as error:
            self._complain(remote, error.strerror or "")
            self.code = max(self.code, 1)
            return
        if self._json:
            if chunk.data:
                self._tell(remote, stream=chunk.stream, **data_facts(chunk.data))
            return
        data = labelled(remote.rank, chunk.data) if self._label_io else chunk.data
        stream = sys.stdout if chunk.stream == "stdout" else sys.stderr
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()

    def _tell(self, remote: Remote, **facts: object) -> None:
        """Print what happened on a rank as a line of JSON."""
        print_json({"rank": remote.rank, **facts})
        sys.stdout.flush()

    def _complain(self, remote: Remote, text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(f"flux-exec: Error: rank {remote.rank}: {self._argv[0]}: {text}\n")

    def _ended(self, remote: Remote, status: int) -> None:
        if self._json:
            signum = signal_of(status) or None
            self._tell(remote, exitcode=exit_code_of(status), signal=signum)

    def _fail(self, remote: Remote, number: int, text: str | None = None) -> None:
        self._complain(remote, terminal_text(text or os.strerror(number)))
        codes = {
            errno.EHOSTUNREACH: EX_NOHOST,
            errno.ENOENT: NOT_FOUND,
            errno.EACCES: NOT_EXECUTABLE,
            errno.EPERM: NOT_EXECUTABLE,
        }
        self.code = max(self.code, codes.get(number, 1))
        remote.ended = True
        self._started()
        self._input.go_on()
        self._check_done()

    def _report_missing(self, ranks: IDset) -> None:
        """Report ranks that do not exist as unreachable: each, or all in one line when there are
        many.
        """
        if not ranks:
            return
        names = (
            [f"rank {rank}" for rank in ranks]
            if len(ranks) <= MISSING_SHOWN
            else [f"ranks {ranks}"]
        )
        for name in names:
            sys.stderr.write(
                f"flux-exec: Error: {name}: {self._argv[0]}: {os.strerror(errno.EHOSTUNREACH)}\n"
            )
        self.code = EX_NOHOST

    def _end(self, rpc: RPC, remote: Remote) -> None:
        rpc.cancel()
        remote.ended = True
        self._check_done()

    def _check_done(self) -> None:
        if all(remote.ended for remote in self._remotes.values()):
            self._handle.reactor_stop()

    # Input and signals

    def _started(self) -> None:
        """Begin to read stdin once every process runs or has failed."""
        if self._reading or any(r.state == 0 and not r.ended for r in self._remotes.values()):
            return
        self._reading = True
        if self._noinput or sys.stdin is None or sys.stdin.closed:
            self._write(b"", True)
            return
        self._input.begin()

    def _room(self) -> int:
        """Return how much every process has room for: the slowest sets the pace, as in a pipe."""
        rooms = [r.room for r in self._remotes.values() if r.running and r.room is not None]
        return min(rooms, default=READ_SIZE)

    def _write(self, data: bytes, eof: bool) -> None:
        from flux.job.io import encode

        io = encode("stdin", "0", data, eof)
        for remote in self._remotes.values():
            if remote.running:
                if remote.room is not None:
                    remote.room -= len(data)
                remote.requests.write(remote.rank, remote.rpc, remote.pid, io)

    def _signalled(self, handle: object, watcher: object, number: int, *_: object) -> None:
        now = time.monotonic()
        if number == signal.SIGINT and now - self._interrupted < INTERRUPT_WINDOW:
            self.code = INTERRUPTED
            self._handle.reactor_stop()
            return
        if number == signal.SIGINT:
            self._interrupted = now
        self._signals.append(number)  # for those whose start has not been told yet
        for remote in self._remotes.values():
            if remote.running:
                self._send_signal(remote, number)

    def _send_signal(self, remote: Remote, number: int) -> None:
        remote.requests.signal(remote.rank, remote.pid, number)

    # The end

    def _summarize(self) -> None:
        """Name the ranks that failed, by how, and compute the exit code."""
        from flux.constants import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE
        from flux.idset import IDset

        groups: dict[str, list[int]] = {}
        ended = [remote for remote in self._remotes.values() if remote.status is not None]
        for remote in ended:
            status = remote.status or 0
            code, signum = exit_code_of(status), signal_of(status)
            self.code = max(self.code, code)
            if signum:
                name = signal.strsignal(signum) or f"Signal {signum}"
                groups.setdefault(name, []).append(remote.rank)
            elif code:
                groups.setdefault(f"Exit {code}", []).append(remote.rank)
        sys.stdout.flush()
        for text, ranks in groups.items() if not self._quiet else ():
            names = IDset(ranks).encode(IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS)
            sys.stderr.write(f"{names}: {terminal_text(text)}\n")
        self.say(f"{len(ended)} tasks complete with code {self.code}")
