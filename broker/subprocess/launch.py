"""The one place that starts a child process.

`launch` uses posix_spawn, which shares the parent's memory until the exec and so costs the same for
a small and a large parent. A caller that needs to run code between fork and exec gives
``before_exec`` and pays for a real fork.
"""

from __future__ import annotations

import errno
import os
import signal
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypedDict

from flux.waitstatus import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_RESET: Final = [
    signal.SIGPIPE,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGALRM,
    signal.SIGCHLD,
    signal.SIGXFSZ,
]
_STATUS: Final = struct.Struct("=i")


@dataclass(slots=True)
class Command:
    """What to start.

    ``argv`` is the program and its arguments; a program without ``/`` is searched in PATH of
    ``env``, the complete environment. ``fds`` are pairs of a descriptor in the parent and one in
    the child; all others are closed on exec. If the directory ``cwd`` does not exist the child runs
    in /tmp. ``tty`` is the path of a terminal that becomes stdin, stdout and stderr; with
    ``new_session`` (setsid) it is the controlling one. Without a new session the child joins
    ``process_group``: 0 for a group of its own, None for the parent's. ``before_exec`` is called in
    the child just before exec.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    fds: Sequence[tuple[int, int]] = ()
    cwd: str | None = None
    new_session: bool = False
    tty: str | None = None
    process_group: int | None = 0
    before_exec: Callable[[], None] | None = field(default=None, repr=False)


def find_program(name: str, env: Mapping[str, str]) -> str:
    """Return the path of the program ``name``, searched in PATH of ``env``.

    Raises OSError: ENOENT, or EACCES if only files that cannot be executed were found.
    """
    if "/" in name:
        return name
    folders = env.get("PATH", os.defpath).split(":")
    for folder in folders:
        path = f"{folder or '.'}/{name}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    denied = any(os.path.isfile(f"{folder or '.'}/{name}") for folder in folders)
    code = errno.EACCES if denied else errno.ENOENT
    raise OSError(code, os.strerror(code), name)


class _Options(TypedDict, total=False):
    setsigmask: list[int]
    setsigdef: list[signal.Signals]
    setsid: bool
    setpgroup: int


def _posix_spawn(command: Command, path: str) -> int:
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = []
    if command.tty is not None:
        actions.append((os.POSIX_SPAWN_OPEN, 0, command.tty, os.O_RDWR, 0))
        actions += [(os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2)]
    actions += [(os.POSIX_SPAWN_DUP2, source, target) for source, target in command.fds]
    options: _Options = {"setsigmask": [], "setsigdef": _RESET}
    if command.new_session:
        options["setsid"] = True
    elif command.process_group is not None:
        options["setpgroup"] = command.process_group
    return os.posix_spawn(path, list(command.argv), command.env, file_actions=actions, **options)


def _fork_exec(command: Command, path: str) -> int:
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        with open(read, "rb") as pipe:
            report = pipe.read(_STATUS.size)
        if report:
            os.waitpid(pid, 0)
            code = _STATUS.unpack(report)[0]
            raise OSError(code, os.strerror(code), command.argv[0])
        return pid
    try:
        _become(command)
        os.execve(path, list(command.argv), dict(command.env))
    except OSError as error:
        os.write(write, _STATUS.pack(error.errno or errno.EINVAL))
    except ValueError:
        os.write(write, _STATUS.pack(errno.EINVAL))
    finally:
        os._exit(NOT_FOUND)


def _become(command: Command) -> None:
    """In the forked child: session, descriptors, directory, signals, then the caller's hook."""
    if command.new_session:
        os.setsid()
    elif command.process_group is not None:
        os.setpgid(0, command.process_group)
    if command.tty is not None:
        terminal = os.open(command.tty, os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(terminal, target)
    for source, target in command.fds:
        os.dup2(source, target) if source != target else os.set_inheritable(target, True)
    for number in _RESET:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if command.before_exec is not None:
        command.before_exec()


def launch(command: Command) -> int:
    """Start ``command`` and return its pid.

    The directory is changed in this process around the start, since posix_spawn cannot do it:
    callers share one thread. Raises OSError(ENOENT) if there is no such program, EACCES if it
    cannot be executed, EINVAL for words or variables that no program can be given: with a NUL
    character, variables also without a name or with ``=`` in it.
    """
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY) if command.cwd is not None else -1
    try:
        if command.cwd is not None:
            _change_directory(command.cwd)
        path = find_program(command.argv[0], command.env)
        start = _fork_exec if command.before_exec is not None else _posix_spawn
        try:
            return start(command, path)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # What has no #! line is a script of the shell, as execvp(3) has it.
            script = replace(command, argv=["/bin/sh", path, *command.argv[1:]])
            return start(script, "/bin/sh")
    except ValueError as error:
        raise OSError(errno.EINVAL, f"cannot be passed to a program: {error}") from None
    finally:
        if here >= 0:
            os.fchdir(here)
            os.close(here)


def _change_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError:
        os.chdir("/tmp")


def signal_group(pid: int, number: int) -> bool:
    """Send a signal to the process group led by ``pid``; returns False if it is gone."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
