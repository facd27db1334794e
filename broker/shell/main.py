"""Entry points of the job shell: for a job of the instance (forked by the shell host) and
standalone (`flux shell -s`).
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from broker.shell import protocol
from broker.shell.context import ShellContext
from broker.shell.jobinfo import ShellJob, parse_job
from broker.shell.levels import ShellFatal
from broker.shell.peer import BrokerPeer
from broker.shell.sharing import job_shell_of
from broker.shell.shell import Shell
from broker.shell.startup import load
from flux.waitstatus import exit_code_of, status_of_code

if TYPE_CHECKING:
    from flux.wire.json import JsonObject


def run_job(fd: int) -> int:
    """Run the job described by the first message on the socket ``fd``, return the exit code."""
    peer = BrokerPeer(fd)
    message = peer.receive_first()
    if message is None:
        return 1
    if not isinstance(message, protocol.RunJob):
        raise OSError(errno.EPROTO, "the first message is not a job")
    peer.say_hello()
    status = _run(peer, message.head, message.job)
    peer.post(protocol.Exit(status))
    peer.flush()
    return exit_code_of(status)


def _run(peer: BrokerPeer, head: JsonObject, job: JsonObject) -> int:
    """Run a job and return the wait status of its shell here."""
    try:
        info = parse_job(job["id"], job["userid"], job["jobspec"], job["R"])
    except OSError as error:
        peer.post(protocol.RaiseException("exec", 0, str(error.strerror)))
        return status_of_code(1)
    context = ShellContext(
        info,
        next(rank.rank for rank in info.ranks if rank.broker_rank == head["broker_rank"]),
        peer,
        environ=head["env"],
        rundir=head["rundir"],
        instance_level=head["instance_level"],
    )
    context.initrc, context.pluginpath = head["initrc"], head["pluginpath"]
    context.owns_process = True
    if program := job_shell_of(info.system):
        return _run_foreign(peer, context, program)
    shell = Shell(context)
    peer.attach(context.loop, context.peers.receive, shell.lost_peer)
    code = shell.run(load)
    context.loop.before_wait.clear()
    return status_of_code(code)


def _run_foreign(peer: BrokerPeer, context: ShellContext, program: str) -> int:
    from broker.shell.foreign import ForeignShell

    shell = ForeignShell(context, program)
    peer.attach(context.loop, context.peers.receive, shell.lost_peer)
    status = shell.run()
    context.loop.before_wait.clear()
    return status


def run_standalone(
    info: ShellJob, rank: int, *, verbose: int = 0, initrc: str | None = None
) -> int:
    """Run shell ``rank`` of the job ``info`` without an instance and return the exit code."""
    if initrc is not None:
        info.options["initrc"] = initrc
    if verbose:
        info.options["verbose"] = verbose
    for number in (1, 2):
        os.set_inheritable(number, True)
    try:
        return Shell(ShellContext(info, rank, standalone=True)).run(load)
    except ShellFatal as fatal:
        print(f"flux-shell: FATAL: {fatal.message}", file=sys.stderr)
        return fatal.code
