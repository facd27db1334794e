"""Starting the brokers of ``flux start``: one in this process, or several as children wired up by PMI."""

from __future__ import annotations

import errno
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass, field

from fluxctl.errors import CommandError


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
    return _TestInstance(options).run()


def _argv(options: StartOptions, extra: list[str], program: list[str]) -> list[str]:
    flux = os.path.abspath(sys.argv[0])
    if not os.access(flux, os.X_OK):
        return [*options.wrap, sys.executable, "-m", "fluxctl.main", "broker", *extra, *options.broker_opts, *program]
    return [*options.wrap, flux, "broker", *extra, *options.broker_opts, *program]


def _start_single(options: StartOptions) -> int:
    argv = _argv(options, [], options.program)
    if options.verbose:
        sys.stderr.write(f"flux-start: {' '.join(argv)}\n")
    if options.noexec:
        return 0
    if options.wrap:
        os.execvp(argv[0], argv)
    return _broker_here(options.broker_opts, options.program)


def _broker_here(opts: list[str], program: list[str]) -> int:
    """Run ``flux broker`` in this process."""
    from fluxctl.main import invoke

    return invoke("broker", [*opts, *(["--", *program] if program else [])])


@dataclass(slots=True)
class _Child:
    rank: int
    pid: int
    pidfd: int
    pmi: socket.socket
    status: int | None = None


class _TestInstance:
    """An instance of several brokers on this machine: starts them, serves PMI, and collects their exit codes."""

    def __init__(self, options: StartOptions) -> None:
        assert options.size is not None
        self.options = options
        self.size = options.size
        self.children: dict[int, _Child] = {}
        self.selector = selectors.DefaultSelector()
        self.deadline: float | None = None
        self.exit_code = 0
        self.killed = False

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
            return self._run(rundir, ranks)
        finally:
            if remove:
                shutil.rmtree(rundir, ignore_errors=True)

    def _rundir(self) -> tuple[str, bool]:
        """Return the instance's directory and whether to remove it at the end."""
        options = self.options
        if options.test_rundir is not None:
            if not os.path.isdir(options.test_rundir):
                number = errno.ENOTDIR if os.path.exists(options.test_rundir) else errno.ENOENT
                raise CommandError(f"{options.test_rundir}: {os.strerror(number)}")
            return _own_directory(options.test_rundir)[0], options.test_rundir_cleanup
        if options.rundir is not None:
            return _own_directory(options.rundir)
        path = tempfile.mkdtemp(prefix="flux-")
        os.chmod(path, 0o700)
        return path, True

    def _run(self, rundir: str, ranks: list[int]) -> int:
        from broker.pmi import PmiServer, process_mapping

        preset = {"PMI_process_mapping": process_mapping([self.size])} if self.options.clique == "single" else {}
        local = None if len(ranks) == self.size else ranks
        self.pmi = PmiServer(self.size, f"flux-{os.getpid()}", local_ranks=local, preset=preset)
        if not self.options.wrap:
            _preload()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for rank in ranks:
                self._spawn(rank, rundir)
            for signum in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(signum, self._forward)
            self._loop()
        finally:
            self._kill_all(signal.SIGKILL)
            for child in self.children.values():
                child.pmi.close()
                os.close(child.pidfd)
            self.selector.close()
        return self.exit_code

    def _spawn(self, rank: int, rundir: str) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self._become_broker(rank, rundir, theirs, ours)
        theirs.close()
        ours.setblocking(False)
        child = _Child(rank, pid, os.pidfd_open(pid), ours)
        self.children[rank] = child
        self.selector.register(ours, selectors.EVENT_READ, (child, self._serve_pmi))
        self.selector.register(child.pidfd, selectors.EVENT_READ, (child, self._reap))

    def _become_broker(self, rank: int, rundir: str, theirs: socket.socket, ours: socket.socket) -> None:
        """In the forked child: become the broker of ``rank``; does not return."""
        code = 1
        try:
            self.selector.close()
            ours.close()
            for child in self.children.values():
                child.pmi.close()
                os.close(child.pidfd)
            signal.signal(signal.SIGINT, signal.SIG_DFL if rank == 0 else signal.SIG_IGN)
            os.set_inheritable(theirs.fileno(), True)
            os.environ.update(PMI_FD=str(theirs.fileno()), PMI_RANK=str(rank), PMI_SIZE=str(self.size))
            for name in ("FLUX_URI", "FLUX_JOB_ID", "FLUX_KVS_NAMESPACE"):
                os.environ.pop(name, None)
            if self.options.hosts:
                os.environ["FLUX_FAKE_HOSTNAME"] = self.options.hosts[rank]
            extra = [f"--setattr=rundir={rundir}"]
            program = self.options.program if rank == 0 else []
            if self.options.wrap:
                argv = _argv(self.options, extra, program)
                os.execvp(argv[0], argv)
            theirs_fd = theirs.detach()
            os.set_inheritable(theirs_fd, False)
            code = _broker_here([*extra, *self.options.broker_opts], program)
            sys.stdout.flush()
        except KeyboardInterrupt:
            code = 130
        except OSError as exc:
            subject = f"{self.options.wrap[0]}: " if self.options.wrap else ""
            sys.stderr.write(f"flux-start: {subject}{exc.strerror}\n")
        except BaseException as exc:
            sys.stderr.write(f"flux-start: broker {rank}: {exc!r}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _loop(self) -> None:
        while any(child.status is None for child in self.children.values()):
            timeout = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
            events = self.selector.select(timeout)
            for key, _ in events:
                child, action = key.data
                action(child)
            if not events and self.deadline is not None and time.monotonic() >= self.deadline:
                self._expire()

    def _expire(self) -> None:
        left = [str(child.rank) for child in self.children.values() if child.status is None]
        sys.stderr.write(f"flux-start: killing brokers {','.join(left)} after the exit timeout\n")
        self._kill_all(signal.SIGKILL)
        self.deadline = None

    def _kill_all(self, signum: int) -> None:
        for child in self.children.values():
            if child.status is None:
                signal.pidfd_send_signal(child.pidfd, signum)

    def _forward(self, signum: int, frame: object) -> None:
        leader = self.children.get(0)
        if leader is not None and leader.status is None:
            signal.pidfd_send_signal(leader.pidfd, signum)

    def _serve_pmi(self, child: _Child) -> None:
        from broker.bootstrap.pmi import absent_cards
        from broker.pmi import Abort, Exchange, ProtocolError, Reply

        try:
            data = child.pmi.recv(65536)
        except (BlockingIOError, ConnectionError):
            data = b""
        if not data:
            self.selector.unregister(child.pmi)
            self.pmi.close(child.rank)
            return
        if self.options.verbose >= 2:
            sys.stderr.write(f"flux-start: {child.rank}: C: {data.decode(errors='replace').rstrip()}\n")
        actions = self.pmi.feed(child.rank, data)
        if any(isinstance(action, Exchange) for action in actions):
            actions += self.pmi.barrier_complete(absent_cards(set(range(self.size)) - set(self.children)))
        for action in actions:
            if isinstance(action, Reply):
                if self.options.verbose >= 2:
                    sys.stderr.write(f"flux-start: {action.rank}: S: {action.line.decode().rstrip()}\n")
                self.children[action.rank].pmi.send(action.line)
            elif isinstance(action, Abort | ProtocolError):
                sys.stderr.write(f"flux-start: {action.rank}: {action.message}\n")
                self._kill_all(signal.SIGTERM)

    def _reap(self, child: _Child) -> None:
        self.selector.unregister(child.pidfd)
        _, status = os.waitpid(child.pid, 0)
        child.status = status
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            code = 128 - code
            sys.stderr.write(f"flux-start: {child.rank} (pid {child.pid}) {signal.strsignal(code - 128)}\n")
        elif code:
            sys.stderr.write(f"flux-start: {child.rank} (pid {child.pid}) exited with rc={code}\n")
        if self.options.exit_mode == "leader":
            if child.rank == 0:
                self.exit_code = code
        else:
            self.exit_code = max(self.exit_code, code)
        counts = child.rank == 0 or self.options.exit_mode == "any"
        if counts and self.deadline is None and any(other.status is None for other in self.children.values()):
            self.deadline = time.monotonic() + self.options.exit_timeout


def _own_directory(path: str) -> tuple[str, bool]:
    """Return the directory that --rundir names and whether it was made; raises CommandError if it is not this user's alone."""
    from broker.places import check_directory, make_directory

    path = os.path.abspath(path) if path else ""
    try:
        made = make_directory(path)
        check_directory(path, "rundir")
    except OSError as exc:
        text = exc.strerror or ""
        raise CommandError(text if text.startswith("rundir") else f"{path or 'rundir'}: {text}") from None
    return path, made


def _preload() -> None:
    """Import the broker once, before the brokers are forked from this process."""
    import gc
    import importlib

    importlib.import_module("broker.main")
    importlib.import_module("broker.overlay.network")
    modules = importlib.import_module("broker.modules")
    for module in modules.MODULES.values():
        importlib.import_module(module.target.partition(":")[0])
    gc.collect()
    gc.freeze()
