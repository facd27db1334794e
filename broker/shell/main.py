"""Entry points of the job shell: for a job of the instance (forked by the shell host) and standalone (`flux shell -s`)."""

from __future__ import annotations

import os
import sys
from typing import Any

from broker.shell.jobinfo import JobInfo, parse_job
from broker.shell.levels import ShellFatal
from broker.shell.peer import SocketPeer
from broker.shell.plugins import load_builtins
from broker.shell.shell import Shell

DEFAULT_INITRC = "/etc/flux/shell/initrc.lua"


def run_job(fd: int) -> int:
    """Run the job described by the first message on the socket `fd`, return the exit code."""
    peer = SocketPeer(fd)
    message = peer.receive_first()
    if message is None:
        return 1
    peer.say_hello()
    code = _run_message(peer, message)
    peer.post({"t": "exit", "status": code << 8})
    peer.flush()
    return code


def _run_message(peer: SocketPeer, message: dict[str, Any]) -> int:
    head, job = message["head"], message["job"]
    try:
        info = parse_job(job["id"], job["userid"], job["jobspec"], job["R"])
    except OSError as error:
        peer.post({"t": "exception", "type": "exec", "severity": 0, "note": str(error.strerror)})
        return 1
    shell = Shell(
        info,
        next(rank.rank for rank in info.ranks if rank.broker_rank == head["broker_rank"]),
        peer,
        environ=head["env"],
        rundir=head["rundir"],
        instance_level=head["instance_level"],
    )
    peer.on_message = shell.receive
    peer.on_close = shell.lost_peer
    peer.attach(shell.loop)
    code = shell.run(load)
    shell.loop.before_wait.clear()
    return code


def load(shell: Shell) -> None:
    """Load the initrc the job names, then the built-in plugins."""
    path = shell.option("initrc")
    if not path and not shell.standalone and os.path.exists(DEFAULT_INITRC):
        path = DEFAULT_INITRC
    handlers = []
    if path:
        from broker.shell.initrc import load_initrc

        handlers = load_initrc(shell, str(path))
    load_builtins(shell)
    for name, topic, function in handlers:
        shell.plugins.register(name, topic, function)


def run_standalone(info: JobInfo, rank: int, *, verbose: int = 0, initrc: str | None = None) -> int:
    """Run shell `rank` of the job `info` without an instance and return the exit code."""
    if initrc is not None:
        info.options["initrc"] = initrc
    if verbose:
        info.options["verbose"] = verbose
    for number in (1, 2):
        os.set_inheritable(number, True)
    shell = Shell(info, rank, standalone=True)
    shell.size = 1
    shell._peers_left = 0
    try:
        return shell.run(load)
    except ShellFatal as fatal:
        print(f"flux-shell: FATAL: {fatal.message}", file=sys.stderr)
        return fatal.code
