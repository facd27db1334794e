"""An instance of brokers on this machine, as children of this process (``flux start
--test-size``).
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from flux.waitstatus import INTERRUPTED, exit_code_of, signal_of
from flux.wire.errors import os_error
from fluxctl.broker_command import StartOptions, broker_argv, broker_here, is_executed
from fluxctl.broker_process import BrokerProcess, fork_broker
from fluxctl.errors import CommandError
from fluxctl.keeper import adopt, clean_up, forward_signals
from fluxctl.start_progress import PERIOD, StartProgress
from fluxctl.start_server import StartServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.overlay.keys import KeyPair
    from broker.pmi import PmiServer

ABORT_TIMEOUT = 2.0
"""Seconds that brokers get to end when one of them could not start."""


@dataclass(slots=True)
class _Child:
    rank: int
    process: BrokerProcess
    pmi: socket.socket
    server: PmiServer
    late: bool = False
    wired: bool = False
    hung_up: bool = False

    @property
    def running(self) -> bool:
        return self.process.status is None

    def close(self) -> None:
        self.pmi.close()
        self.process.close()


class LocalInstance:
    """An instance of several brokers on this machine: starts them, serves PMI, and collects their
    exit codes.
    """

    def __init__(self, options: StartOptions) -> None:
        assert options.size is not None
        self.options = options
        self.size = options.size
        self.children: dict[int, _Child] = {}
        self.keys: list[KeyPair] = []
        self.rundir = ""
        self._waiting: dict[int, list[Callable[[int], None]]] = {}
        self._codes: dict[int, int] = {}
        self.selector = selectors.DefaultSelector()
        self.deadline: float | None = None
        self.exit_code = 0
        self.aborted = False

    def run(self) -> int:
        options = self.options
        rundir, remove = self._rundir()
        try:
            ranks = list(range(self.size if options.start_mode == "all" else 1))
            if options.verbose:
                for rank in ranks:
                    program = options.program if rank == 0 else []
                    argv = broker_argv(options, [f"--setattr=rundir={rundir}"], program)
                    sys.stderr.write(f"flux-start: {rank}: {' '.join(argv)}\n")
            if options.noexec:
                return 0
            _check_length(rundir, self.size)
            self.rundir = rundir
            self._progress = StartProgress(len(ranks), rundir)
            return self._run(ranks)
        finally:
            if remove:
                shutil.rmtree(rundir, ignore_errors=True)

    def _rundir(self) -> tuple[str, bool]:
        """Return the instance's directory and whether to remove it at the end."""
        options = self.options
        if options.test_rundir is not None:
            if not os.path.isdir(options.test_rundir):
                missing = not os.path.exists(options.test_rundir)
                reason = os.strerror(errno.ENOENT) if missing else "not a directory"
                raise CommandError(f"{options.test_rundir}: {reason}")
            return _own_directory(options.test_rundir)[0], options.test_rundir_cleanup
        if options.rundir is not None:
            return _own_directory(options.rundir)
        from broker.rundir_claim import make_rundir

        return make_rundir()[0], True  # the brokers inherit the lock

    def _run(self, ranks: list[int]) -> int:
        from broker.pmi import PmiServer, process_mapping

        self.preset = (
            {"PMI_process_mapping": process_mapping([self.size])}
            if self.options.clique == "single"
            else {}
        )
        local = None if len(ranks) == self.size else ranks
        self.pmi = PmiServer(
            self.size, f"flux-{os.getpid()}", local_ranks=local, preset=self.preset
        )
        if not is_executed(self.options):
            _preload()
        self._make_keys()
        self.adopted = adopt()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        path = f"{self.rundir}/start"
        self.server = StartServer(path, self.selector, self, self.options.verbose > 0)
        os.environ["FLUX_START_URI"] = self.server.uri
        try:
            for rank in ranks:
                self._spawn(rank, self.pmi)
            forward_signals(self._forward)
            self._loop()
        finally:
            self._kill_all(signal.SIGKILL)
            clean_up(self.adopted)
            for child in self.children.values():
                child.close()
            self.server.close()
            self.selector.close()
        return self.exit_code

    def _make_keys(self) -> None:
        """Make the keys of all brokers: their neighbours know them before one is started, and when
        it is started again.
        """
        if self.size > 1:
            from broker.overlay.keys import KeyPair

            self.keys = [KeyPair.generate() for _ in range(self.size)]

    def _spawn(self, rank: int, server: PmiServer, *, late: bool = False) -> None:
        ours, theirs = socket.socketpair()
        process = fork_broker()
        if process is None:
            self._become_broker(rank, theirs, ours, late=late)
        theirs.close()
        ours.setblocking(False)
        child = _Child(rank, process, ours, server, late)
        self.children[rank] = child
        self.selector.register(ours, selectors.EVENT_READ, partial(self._serve_pmi, child))
        self.selector.register(process.pidfd, selectors.EVENT_READ, partial(self._reap, child))

    # What the service `start` asks for

    def pids(self) -> list[int]:
        """Return the process of each broker by rank, -1 for one that does not run."""
        running = {rank: child for rank, child in self.children.items() if child.running}
        return [running[rank].process.pid if rank in running else -1 for rank in range(self.size)]

    def kill(self, rank: int, signum: int) -> None:
        """Send a signal to a broker; raises OSError: ESRCH if it does not run, EINVAL for what is
        no signal.
        """
        child = self.children.get(rank)
        if child is None or not child.running:
            raise os_error(errno.ESRCH)
        if signum not in signal.valid_signals():
            raise os_error(errno.EINVAL)
        child.process.signal(signum)

    def run_rank(self, rank: int) -> None:
        """Start a broker that has not been started yet, or has ended; raises OSError: ESRCH for no
        such rank, EEXIST if it runs.
        """
        from broker.bootstrap.pmi import card_key
        from broker.pmi import PmiServer

        if not 0 <= rank < self.size:
            raise os_error(errno.ESRCH)
        before = self.children.get(rank)
        if before is not None:
            if before.running:
                raise os_error(errno.EEXIST)
            self._forget_pmi(before)
            before.close()
        # The barrier of the others is over: this one is alone in its group.
        cards = {**self._promised(range(self.size)), **self.pmi.kvs}
        cards.pop(card_key(rank), None)
        server = PmiServer(self.size, self.pmi.kvsname, local_ranks=[rank], preset=cards)
        self._spawn(rank, server, late=True)

    def when_ended(self, rank: int, tell: Callable[[int], None]) -> None:
        """Have ``tell`` called with the broker's exit code once it has ended; raises OSError: ESRCH
        for no such rank, ENOENT if it was never started.
        """
        if not 0 <= rank < self.size:
            raise os_error(errno.ESRCH)
        child = self.children.get(rank)
        if child is None:
            raise OSError(errno.ENOENT, f"broker {rank} has not been started")
        if child.running:
            self._waiting.setdefault(rank, []).append(tell)
        else:
            tell(self._codes[rank])

    def _promised(self, ranks: range | set[int]) -> dict[str, str]:
        """Return the cards of brokers that are not started yet: where they will listen, and with
        which key.
        """
        from broker.bootstrap.pmi import card, card_key

        if not self.keys:
            return {}
        return {
            card_key(rank): card(self.keys[rank].public, self._endpoint(rank)) for rank in ranks
        }

    def _endpoint(self, rank: int) -> str:
        return f"ipc://{self.rundir}/tbon-{rank}"

    def _forget_pmi(self, child: _Child) -> None:
        if not child.hung_up:
            child.hung_up = True
            self.selector.unregister(child.pmi)
            child.server.close(child.rank)

    def _become_broker(
        self, rank: int, theirs: socket.socket, ours: socket.socket, *, late: bool
    ) -> NoReturn:
        """In the forked child: become the broker of ``rank``; does not return."""
        code = 1
        try:
            self.selector.close()
            self.server.leave()
            ours.close()
            for child in self.children.values():
                child.close()
            for signum in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(signum, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL if rank == 0 else signal.SIG_IGN)
            os.set_inheritable(theirs.fileno(), True)
            os.environ.update(
                PMI_FD=str(theirs.fileno()), PMI_RANK=str(rank), PMI_SIZE=str(self.size)
            )
            for name in ("FLUX_JOB_ID", "FLUX_KVS_NAMESPACE"):  # it is not the job around it
                os.environ.pop(name, None)
            if self.keys:
                from broker.overlay.keys import KEYS

                keys, promised = self.keys[rank], self._endpoint(rank) if late else ""
                os.environ[KEYS] = f"{keys.public} {keys.secret} {promised}"
            if self.options.hosts:
                os.environ["FLUX_FAKE_HOSTNAME"] = self.options.hosts[rank]
            extra = [f"--setattr=rundir={self.rundir}"]
            program = self.options.program if rank == 0 else []
            if is_executed(self.options):
                argv = broker_argv(self.options, extra, program)
                os.execvp(argv[0], argv)
            theirs_fd = theirs.detach()
            os.set_inheritable(theirs_fd, False)
            code = broker_here([*extra, *self.options.broker_opts], program)
            sys.stdout.flush()
        except KeyboardInterrupt:
            code = INTERRUPTED
        except OSError as exc:
            subject = self.options.wrap[0] if self.options.wrap else "flux_exec"
            sys.stderr.write(f"flux-start: {subject}: {exc.strerror}\n")
        except BaseException as exc:
            sys.stderr.write(f"flux-start: broker {rank}: {exc!r}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _loop(self) -> None:
        while any(child.running for child in self.children.values()):
            timeout = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            if self._progress.show(over=self.deadline is not None or self.aborted):
                timeout = PERIOD if timeout is None else min(timeout, PERIOD)
            events = self.selector.select(timeout)
            for key, _ in events:
                key.data()
            if not events and self.deadline is not None and time.monotonic() >= self.deadline:
                self._expire()

    def _expire(self) -> None:
        left = [str(child.rank) for child in self.children.values() if child.running]
        if not self.aborted:
            sys.stderr.write(
                f"flux-start: killing brokers {','.join(left)} after the exit timeout\n"
            )
        self._kill_all(signal.SIGKILL)
        self.deadline = None

    def _kill_all(self, signum: int) -> None:
        for child in self.children.values():
            child.process.signal(signum)

    def _forward(self, signum: int) -> None:
        leader = self.children.get(0)
        if leader is not None:
            leader.process.signal(signum)

    def _cut_lifelines(self) -> None:
        for child in self.children.values():
            child.process.cut_lifeline()

    def _abort(self) -> None:
        """The instance cannot come up: end every broker, those that wait for the others
        included.
        """
        self.aborted = True
        self._cut_lifelines()
        self._kill_all(signal.SIGTERM)
        self.deadline = time.monotonic() + ABORT_TIMEOUT

    def _serve_pmi(self, child: _Child) -> None:
        from broker.pmi import Abort, Exchange, Finalized, ProtocolError, Reply

        try:
            data = child.pmi.recv(65536)
        except (BlockingIOError, ConnectionError):
            data = b""
        if not data:
            self._forget_pmi(child)
            return
        if self.options.verbose >= 2:
            sys.stderr.write(
                f"flux-start: {child.rank}: C: {data.decode(errors='replace').rstrip()}\n"
            )
        actions = child.server.feed(child.rank, data)
        for action in tuple(actions):
            if isinstance(action, Exchange):
                absent = set(range(self.size)) - set(self.children)
                actions += child.server.barrier_complete(self._promised(absent))
                if child.late:
                    self.pmi.kvs.update(action.pairs)
        for action in actions:
            if isinstance(action, Reply):
                if self.options.verbose >= 2:
                    sys.stderr.write(
                        f"flux-start: {action.rank}: S: {action.line.decode().rstrip()}\n"
                    )
                self._answer_pmi(self.children[action.rank], action.line)
            elif isinstance(action, Abort | ProtocolError):
                sys.stderr.write(f"flux-start: {action.rank}: {action.message}\n")
                self._abort()
            elif isinstance(action, Finalized):
                child.wired = True

    def _answer_pmi(self, child: _Child, line: bytes) -> None:
        """Answer a broker; one that has ended, in the middle of a barrier even, is told by its
        process, not here.
        """
        try:
            sent = child.pmi.send(line)
        except (BrokenPipeError, ConnectionResetError):
            return
        except BlockingIOError:
            sent = 0
        if sent < len(line):
            sys.stderr.write(f"flux-start: {child.rank}: does not read what PMI answers\n")
            self._abort()

    def _reap(self, child: _Child) -> None:
        self.selector.unregister(child.process.pidfd)
        status = child.process.reap()
        code, signum = exit_code_of(status), signal_of(status)
        if code:
            clean_up(
                self.adopted
                | {other.process.pid for other in self.children.values() if other.running}
            )
        self._report(child, code, signum)
        self._codes[child.rank] = code
        for tell in self._waiting.pop(child.rank, ()):
            tell(code)
        if not self.aborted and code and not child.wired and not child.late:
            self._abort()
        elif signum and child.rank == 0:
            self._cut_lifelines()
        elif code and child.rank == 0:
            # Whoever was connected has noticed; who was only about to be would try for ever. How
            # they end is not news.
            self.aborted = True
            self._kill_all(signal.SIGTERM)
        counts = child.rank == 0 or self.options.exit_mode == "any"
        if (
            counts
            and self.deadline is None
            and any(other.running for other in self.children.values())
        ):
            self.deadline = time.monotonic() + self.options.exit_timeout

    def _report(self, child: _Child, code: int, signum: int) -> None:
        """Tell how a broker ended, unless it ended because another could not start, and take its
        exit code into account.
        """
        if self.aborted:
            self.exit_code = self.exit_code or code
            return
        if signum:
            sys.stderr.write(
                f"flux-start: {child.rank} (pid {child.process.pid}) {signal.strsignal(signum)}\n"
            )
        elif code:
            sys.stderr.write(
                f"flux-start: {child.rank} (pid {child.process.pid}) exited with rc={code}\n"
            )
        if self.options.exit_mode == "leader":
            if child.rank == 0:
                self.exit_code = code
        else:
            self.exit_code = max(self.exit_code, code)


def _check_length(rundir: str, size: int) -> None:
    from broker.socket_path import check_rundir

    check_rundir(rundir, size)


def _own_directory(path: str) -> tuple[str, bool]:
    """Return the directory that --rundir names and whether it was made; raises CommandError if it
    is not this user's alone.
    """
    from broker.places import check_directory, make_directory

    path = os.path.abspath(path) if path else ""
    try:
        made = make_directory(path)
        check_directory(path, "rundir")
    except OSError as exc:
        text = exc.strerror or ""
        raise CommandError(
            text if text.startswith("rundir") else f"{path or 'rundir'}: {text}"
        ) from None
    return path, made


BROKER_THRESHOLDS = (700, 10, 10)
"""Python's own: `fluxctl.main` has set others for commands, which end soon."""


def _preload() -> None:
    """Import the broker once, before the brokers are forked from this process.

    Nothing of what is imported is garbage: it is neither searched for any meanwhile nor ever again,
    so that the processes go on sharing its pages.
    """
    import gc
    import importlib

    from flux.modules import MODULES

    gc.disable()
    importlib.import_module("broker.main")
    importlib.import_module("broker.overlay.network")
    importlib.import_module("fluxctl.commands.broker")
    with contextlib.suppress(ImportError):  # a broker can do without it
        importlib.import_module("uvloop")
    for module in MODULES.values():
        importlib.import_module(module.source)
    gc.freeze()
    gc.enable()
    gc.set_threshold(*BROKER_THRESHOLDS)
