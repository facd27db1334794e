"""Starting the brokers of ``flux start``: one, or several wired up by PMI, as children of this
process.

This process keeps them: while it lives they have a lifeline, what a broker leaves behind when it is
killed comes to this process and is killed too, and so is their run directory removed.
"""

from __future__ import annotations

import errno
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import NoReturn

from flux import install
from flux.waitstatus import INTERRUPTED, exit_code_of, signal_of
from fluxctl.broker_process import BrokerProcess, fork_broker
from fluxctl.errors import CommandError
from fluxctl.keeper import adopt, clean_up, forward_signals, keep

ABORT_TIMEOUT = 2.0
"""Seconds that brokers get to end when one of them could not start."""


@dataclass
class StartOptions:
    """The options of flux-start(1); ``size`` is None without --test-size, durations are seconds."""

    size: int | None = None
    broker_opts: list[str] = field(default_factory=list)
    wrap: list[str] = field(default_factory=list)
    program: list[str] = field(default_factory=list)
    verbose: int = 0
    noexec: bool = False
    rundir: str | None = None
    test_rundir: str | None = None
    test_rundir_cleanup: bool = False
    hosts: list[str] = field(default_factory=list)
    exit_timeout: float = 20.0
    exit_mode: str = "any"
    start_mode: str = "all"
    clique: str = "single"


def start(options: StartOptions) -> int:
    """Start the instance and return its exit code."""
    if options.size is None:
        return _start_single(options)
    if options.hosts and len(options.hosts) != options.size:
        raise CommandError("TEST_HOSTS hostlist has incorrect size")
    if options.size > 1 and any(map(_names_socket, options.broker_opts)):
        raise CommandError(f"local-uri is the socket of one broker, and there are {options.size}")
    return _TestInstance(options).run()


def _names_socket(option: str) -> bool:
    setting = option.removeprefix("--setattr=").removeprefix("-S")
    return setting.startswith("local-uri=")


def _argv(options: StartOptions, extra: list[str], program: list[str]) -> list[str]:
    flux = os.path.abspath(sys.argv[0])
    if (substitute := _substitute()) is not None:
        broker = [substitute]
    elif os.access(flux, os.X_OK):
        broker = [flux, "broker"]
    else:
        broker = [sys.executable, "-m", "fluxctl.main", "broker"]
    return [*options.wrap, *broker, *extra, *options.broker_opts, *program]


def _substitute() -> str | None:
    """Return the ``flux-broker`` that FLUX_EXEC_PATH finds before our own; None for our own."""
    for folder in os.environ.get("FLUX_EXEC_PATH", "").split(":"):
        if folder == install.COMMANDS:
            return None
        file = os.path.join(folder, "flux-broker")
        if folder and os.access(file, os.X_OK) and os.path.isfile(file):
            return file
    return None


def _start_single(options: StartOptions) -> int:
    argv = _argv(options, [], options.program)
    if options.verbose:
        sys.stderr.write(f"flux-start: {' '.join(argv)}\n")
    if options.noexec:
        return 0
    return keep(lambda: _become_single(options, argv))


def _become_single(options: StartOptions, argv: list[str]) -> int:
    if not _is_executed(options):
        return _broker_here(options.broker_opts, options.program)
    try:
        os.execvp(argv[0], argv)
    except OSError as exc:
        sys.stderr.write(f"flux-start: error execing broker: {exc.strerror}\n")
        return 1


def _is_executed(options: StartOptions) -> bool:
    """Whether brokers are programs of their own, not forks of this one."""
    return bool(options.wrap) or _substitute() is not None


def _broker_here(opts: list[str], program: list[str]) -> int:
    """Run ``flux broker`` in this process."""
    from fluxctl.main import invoke

    return invoke("broker", [*opts, *(["--", *program] if program else [])])


@dataclass(slots=True)
class _Child:
    rank: int
    process: BrokerProcess
    pmi: socket.socket
    wired: bool = False

    @property
    def running(self) -> bool:
        return self.process.status is None

    def close(self) -> None:
        self.pmi.close()
        self.process.close()


class _TestInstance:
    """An instance of several brokers on this machine: starts them, serves PMI, and collects their
    exit codes.
    """

    def __init__(self, options: StartOptions) -> None:
        assert options.size is not None
        self.options = options
        self.size = options.size
        self.children: dict[int, _Child] = {}
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
                    argv = _argv(options, [f"--setattr=rundir={rundir}"], program)
                    sys.stderr.write(f"flux-start: {rank}: {' '.join(argv)}\n")
            if options.noexec:
                return 0
            _check_length(rundir, self.size)
            return self._run(rundir, ranks)
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

    def _run(self, rundir: str, ranks: list[int]) -> int:
        from broker.pmi import PmiServer, process_mapping

        preset = (
            {"PMI_process_mapping": process_mapping([self.size])}
            if self.options.clique == "single"
            else {}
        )
        local = None if len(ranks) == self.size else ranks
        self.pmi = PmiServer(self.size, f"flux-{os.getpid()}", local_ranks=local, preset=preset)
        if not _is_executed(self.options):
            _preload()
        self.adopted = adopt()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for rank in ranks:
                self._spawn(rank, rundir)
            forward_signals(self._forward)
            self._loop()
        finally:
            self._kill_all(signal.SIGKILL)
            clean_up(self.adopted)
            for child in self.children.values():
                child.close()
            self.selector.close()
        return self.exit_code

    def _spawn(self, rank: int, rundir: str) -> None:
        ours, theirs = socket.socketpair()
        process = fork_broker()
        if process is None:
            self._become_broker(rank, rundir, theirs, ours)
        theirs.close()
        ours.setblocking(False)
        child = _Child(rank, process, ours)
        self.children[rank] = child
        self.selector.register(ours, selectors.EVENT_READ, (child, self._serve_pmi))
        self.selector.register(process.pidfd, selectors.EVENT_READ, (child, self._reap))

    def _become_broker(
        self, rank: int, rundir: str, theirs: socket.socket, ours: socket.socket
    ) -> NoReturn:
        """In the forked child: become the broker of ``rank``; does not return."""
        code = 1
        try:
            self.selector.close()
            ours.close()
            for child in self.children.values():
                child.close()
            signal.signal(signal.SIGINT, signal.SIG_DFL if rank == 0 else signal.SIG_IGN)
            os.set_inheritable(theirs.fileno(), True)
            os.environ.update(
                PMI_FD=str(theirs.fileno()), PMI_RANK=str(rank), PMI_SIZE=str(self.size)
            )
            for name in ("FLUX_JOB_ID", "FLUX_KVS_NAMESPACE"):  # it is not the job around it
                os.environ.pop(name, None)
            if self.options.hosts:
                os.environ["FLUX_FAKE_HOSTNAME"] = self.options.hosts[rank]
            extra = [f"--setattr=rundir={rundir}"]
            program = self.options.program if rank == 0 else []
            if _is_executed(self.options):
                argv = _argv(self.options, extra, program)
                os.execvp(argv[0], argv)
            theirs_fd = theirs.detach()
            os.set_inheritable(theirs_fd, False)
            code = _broker_here([*extra, *self.options.broker_opts], program)
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
            events = self.selector.select(timeout)
            for key, _ in events:
                child, action = key.data
                action(child)
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
        from broker.bootstrap.pmi import absent_cards
        from broker.pmi import Abort, Exchange, Finalized, ProtocolError, Reply

        try:
            data = child.pmi.recv(65536)
        except (BlockingIOError, ConnectionError):
            data = b""
        if not data:
            self.selector.unregister(child.pmi)
            self.pmi.close(child.rank)
            return
        if self.options.verbose >= 2:
            sys.stderr.write(
                f"flux-start: {child.rank}: C: {data.decode(errors='replace').rstrip()}\n"
            )
        actions = self.pmi.feed(child.rank, data)
        if any(isinstance(action, Exchange) for action in actions):
            actions += self.pmi.barrier_complete(
                absent_cards(set(range(self.size)) - set(self.children))
            )
        for action in actions:
            if isinstance(action, Reply):
                if self.options.verbose >= 2:
                    sys.stderr.write(
                        f"flux-start: {action.rank}: S: {action.line.decode().rstrip()}\n"
                    )
                self.children[action.rank].pmi.send(action.line)
            elif isinstance(action, Abort | ProtocolError):
                sys.stderr.write(f"flux-start: {action.rank}: {action.message}\n")
                self._abort()
            elif isinstance(action, Finalized):
                child.wired = True

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
        if not self.aborted and code and not child.wired:
            self._abort()
        elif signum and child.rank == 0:
            self._cut_lifelines()
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


def _preload() -> None:
    """Import the broker once, before the brokers are forked from this process."""
    import gc
    import importlib

    from flux.modules import MODULES

    importlib.import_module("broker.main")
    importlib.import_module("broker.overlay.network")
    for module in MODULES.values():
        importlib.import_module(module.source)
    gc.collect()
    gc.freeze()
