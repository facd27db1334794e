"""Service ``shell-host``: one per rank; runs this rank's part of each job in a shell forked by the
shell host.

A ``shell-host.start`` request streams what the shell says (see `broker.shell.protocol`) until the
shell is gone. Messages for a shell come by ``shell-host.tell``; requests for a job's service,
``<userid>-shell-<jobid>``, come here, too (see `JobServices`).
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from typing import TYPE_CHECKING, Final, assert_never

from broker.attribute_table import ATTRIBUTES
from broker.service import NO_REPLY, Request, Service, event, request
from broker.services.shell_host.job_services import JobServices, sender_of
from broker.services.shell_host.launcher import HostProcess
from broker.services.shell_host.link import ShellLink
from broker.services.shell_host.shared import MOST_SHELLS, SharedShell, least_busy
from broker.services.shell_host.sign_of_life import CHECK_PERIOD
from broker.shell import protocol
from broker.shell.plugin_path import has_directory, plugin_path
from broker.shell.shared_protocol import NO_JOB
from broker.shell.sharing import may_share
from broker.subprocess.descendants import kill_descendants
from flux.waitstatus import signal_of
from flux.wire.json import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.service import Reply
    from broker.services.shell_host.processes import MakeProcesses
    from flux.wire.json import JsonObject
    from flux.wire.message import Message

IDLE_START = 1.0
"""Seconds after which the shell host is started though no job has come: what comes up with the
instance goes first."""
FIRST_START = 0.02
"""The same on rank 0, where the first job is most likely to run: who submits it takes longer to
start than this."""
STAGGER = 0.05
"""Seconds by which the next rank starts its own later: brokers may share a machine, which would be
busy with nothing else for a while."""
LATEST = 30.0
RETRY_START = 5.0
DEATH_SECONDS: Final = 1.0
"""How long the host may take to tell how a shell ended whose socket has been closed."""
LOST: Final = protocol.Exit(int(signal.SIGKILL), lost=True)


class ShellHostService(Service):
    """Connects job shells of this rank with the execution service on rank 0."""

    name = "shell-host"

    def __init__(self, ctx: Context, make: MakeProcesses) -> None:
        super().__init__(ctx)
        self._services = JobServices(ctx, make)
        self.host = HostProcess(self._shell_died, self._host_lost)
        self._dying: dict[int, list[ShellLink]] = {}
        self.links: dict[int, ShellLink] = {}
        self._shared: list[SharedShell] = []
        self.most_shared = min(MOST_SHELLS, len(os.sched_getaffinity(0)))
        self._stopped = False
        self._cannot_start = False

    async def start(self, args: list[str]) -> None:
        """Begin to look after the shell host; a job starts it, or `warm_up`."""
        self.ctx.call_later(CHECK_PERIOD, self._check)

    def warm_up(self) -> None:
        """The instance has come up: start the shell host in a moment, unless a job comes first."""
        rank = self.ctx.rank
        delay = IDLE_START + min(rank * STAGGER, LATEST) if rank else FIRST_START
        self.ctx.call_later(delay, self._start_idle)

    def _start_idle(self) -> None:
        if self._stopped:
            return
        try:
            self.host.start()
        except OSError as exc:
            if not self._cannot_start:
                text = "the shell host cannot be started, which is tried again"
                self.ctx.log.err(f"{text}: {exc.strerror}")
            self._cannot_start = True
            self.ctx.call_later(RETRY_START, self._start_idle)
        else:
            self._cannot_start = False

    def _check(self) -> None:
        if not self._stopped:
            self.host.check()
            for shared in self._shared:
                if why := shared.why_given_up():
                    self.ctx.log.err(f"the shared shell (pid {shared.pid}) {why}, its jobs end")
                    shared.given_up = True
                    kill_descendants(shared.pid)
            self.ctx.call_later(CHECK_PERIOD, self._check)

    def _host_lost(self, pid: int, why: str) -> None:
        """The shells go on without their host; jobs that it has not started are given to the next
        one.
        """
        for shared in self._shared:
            shared.retire()
        if not self._stopped:
            self.ctx.log.err(f"the shell host (pid {pid}) {why}; new jobs get another one")

    async def stop(self) -> None:
        """Kill every shell."""
        self._stopped = True
        for link in list(self.links.values()):
            self._close(link, LOST)
        for shared in self._shared:
            shared.close()
        await self.host.stop()

    def facts(self) -> JsonObject:
        return {"shells": len(self.links), "pid": self.host.pid}

    @request("start", streaming=True)
    def start_shell(self, req: Request) -> Reply:
        """Start the shell of a job {id, userid, jobspec, R, leader}; streams the shell's
        messages.
        """
        jobid = req.get("id", int)
        if jobid in self.links:
            raise OSError(errno.EEXIST, f"job {jobid} already has a shell on rank {self.ctx.rank}")
        userid, jobspec, _ = req.get("userid", int), req.get("jobspec", dict), req.get("R", dict)
        link = ShellLink(jobid, userid, req, self._said, self._gone)
        # The job goes as it came: it may be long, and only the shell looks into it.
        job = (req.raw or b"{}").rstrip(b"\0")
        head = self._head()
        link.send(b'{"t":"job","head":' + dumps(head) + b',"job":' + job + b"}")
        link.may_share = not self._brings_code(head) and may_share(jobspec)
        self._give_a_shell(link)
        self.links[jobid] = link
        link.leader = req.payload.get("leader") == self.ctx.rank
        self._services.add(link)
        return NO_REPLY

    def _give_a_shell(self, link: ShellLink) -> None:
        """Have a job run by a process of its own or by one that jobs share; raises OSError if there
        is none and none can be started.
        """
        if not link.may_share:
            link.connect(self._fork(link.id), self.host.pid)
            return
        self._shared = [shared for shared in self._shared if not shared.closed]
        shared = least_busy(self._shared, self.most_shared)
        if shared is None:
            shared = SharedShell(self._fork(NO_JOB), self.host.pid, self._shared_gone)
            self._shared.append(shared)
        link.join(shared)

    def _shared_gone(self, shared: SharedShell) -> None:
        """A shared shell has ended: its jobs are lost, but those that it has not begun."""
        shared.close()
        for link in list(shared.links.values()):
            self._gone(link)

    def _fork(self, jobid: int) -> socket.socket:
        """Have a shell forked and return the socket to it; raises OSError if that fails."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            self.host.fork(jobid, theirs)
        except OSError:
            ours.close()
            raise
        return ours

    def _head(self) -> JsonObject:
        """Return what this broker adds to a job."""
        attrs = self.ctx.attrs
        level = attrs.get("instance-level") or "0"
        return {
            "broker_rank": self.ctx.rank,
            "rundir": self.ctx.rundir,
            "instance_level": int(level) if level.isdigit() else 0,
            "env": {"FLUX_URI": attrs.get("local-uri") or ""},
            "initrc": self._initrc(),
            "pluginpath": attrs.get("conf.shell_pluginpath") or "",
        }

    def _brings_code(self, head: JsonObject) -> bool:
        """Whether the instance has every shell run code of the site's."""
        return bool(head["initrc"]) or has_directory(plugin_path(head["pluginpath"]))

    def _initrc(self) -> str:
        """Return the initrc of jobs that name none; the usual place may be empty."""
        path = self.ctx.attrs.get("conf.shell_initrc") or ""
        usual = path == ATTRIBUTES["conf.shell_initrc"].default
        return "" if usual and not os.path.exists(path) else path

    @request("tell")
    def tell(self, req: Request) -> None:
        """Pass a message to the shell of job ``id``."""
        link = self.links.get(req.get("id", int))
        if link is None:
            raise OSError(errno.ENOENT, "no such shell")
        link.tell(protocol.to_shell(req.get("msg", dict)))

    @request("kill")
    def kill(self, req: Request) -> None:
        """Kill the shell of job ``id`` and all its processes with SIGKILL."""
        link = self.links.get(req.get("id", int))
        if link is None:
            return
        if link.processes is not None:
            link.processes.signal_all(signal.SIGKILL)
        if link.leaving is not None:
            link.leaving()
        elif link.is_shared:
            self._close(link, LOST)  # whatever keeps it: the others of its process go on
        else:
            self._kill(link)

    def _kill(self, link: ShellLink) -> None:
        """Kill a shell with its tasks; the host that forked it does that, while it lives, or the
        shell itself if others share it.
        """
        link.may_restart = False
        if link.is_shared:
            link.tell(protocol.Kill(int(signal.SIGKILL), final=True))
        elif not link.pid or link.host == self.host.pid:
            self.host.kill(link.id)
        else:
            kill_descendants(link.pid)

    @event("shell-")
    def on_shell_event(self, msg: Message) -> None:
        """Event ``shell-<id>.<subtopic>``: the shell knows what to do, as with ``kill`` {signum}, a
        signal for the tasks.
        """
        name, _, subtopic = (msg.topic or "").partition(".")
        number = name.removeprefix("shell-")
        link = self.links.get(int(number)) if number.isdecimal() else None
        if link is None:
            return
        try:
            payload = msg.json()
        except ValueError:
            payload = None
        link.tell(protocol.ShellEvent(subtopic, payload))

    def on_disconnect(self, sender: str) -> None:
        """A client of a job's service, or the execution service, is gone."""
        for link in list(self.links.values()):
            if link.start.sender == sender:
                self._close(link, None)
            elif any(sender_of(msg) == sender for msg, _ in link.requests.values()):
                self._services.client_gone(link, sender)

    def handle(self, msg: Message, send: Callable[[Message], None]) -> None:
        """Take requests for ``<userid>-shell-<jobid>.<method>``, the others go to this service's
        handlers.
        """
        if not self._services.handle(msg, send):
            super().handle(msg, send)

    # Messages from shells

    def _said(self, link: ShellLink, line: bytes) -> None:
        """Take what a shell says; most of it goes on to the execution service as it came, which
        looks into it.
        """
        if line.startswith(protocol.FORWARDED):
            link.start.respond(line + b"\0")
            return
        try:
            message = protocol.decode_from_shell(line)
        except OSError as exc:
            self.ctx.log.err(f"shell of job {link.id}: {exc.strerror}")
            self._close(link, LOST)
            return
        match message:
            case protocol.Hello(pid):
                link.heard(pid)
            case protocol.ServiceAnswer():
                self._services.answer(link, message)
            case protocol.Exit():
                link.exited = True
                if not self._services.outlive(link, lambda: self._close(link, message)):
                    self._close(link, message)
            case (
                protocol.LogEntries()
                | protocol.EnterBarrier()
                | protocol.Relay()
                | protocol.RaiseException()
            ):
                link.start.respond(line + b"\0")
            case _:
                assert_never(message)

    def _gone(self, link: ShellLink) -> None:
        """A shell has closed its socket without saying how it ended: its parent, the host, may have
        seen that.
        """
        if link.leaving is not None or self._restart(link):
            return
        if not link.pid or not self.host.running:
            self._close(link, LOST)
            return
        self._dying.setdefault(link.pid, []).append(link)
        self.ctx.call_later(DEATH_SECONDS, self._bury, link.pid, LOST)

    def _bury(self, pid: int, last: protocol.Exit) -> None:
        """End the links of a process that has ended, with the message that tells how."""
        for link in self._dying.pop(pid, ()):
            if self.links.get(link.id) is link:
                self._close(link, last)

    def _restart(self, link: ShellLink) -> bool:
        """Give a job whose shell was lost before it took it up to another one, once; returns
        whether that was done.
        """
        if link.pid or not link.may_restart or self._stopped:
            return False
        try:
            self._give_a_shell(link)
        except OSError as exc:
            self.ctx.log.err(f"job {link.id}: no other shell can be started: {exc.strerror}")
            return False
        link.may_restart = False
        return True

    def _shell_died(self, jobid: int, pid: int, status: int) -> None:
        signum, link = signal_of(status), self.links.get(jobid)
        given_up = any(shared.given_up for shared in self._shared if shared.pid == pid)
        last = protocol.Exit(status, lost=True, killed=not given_up)
        if jobid == NO_JOB:
            self.ctx.log.err(f"the shared shell (pid {pid}) was killed by signal {signum}")
            for shared in self._shared:
                if shared.pid == pid and not shared.closed:
                    self._shared_gone(shared)
            self._bury(pid, last)
        elif link is not None:
            self.ctx.log.err(f"shell {pid} of job {jobid} was killed by signal {signum}")
            self._close(link, last)

    def _close(self, link: ShellLink, last: protocol.Exit | None) -> None:
        """End a shell's link: pass on its ``last`` message, withdraw its service, kill what is left
        of it.
        """
        if self.links.pop(link.id, None) is None:
            return
        if not link.exited:
            self._kill(link)
        link.close()
        self._services.remove(link)
        if last is not None:
            link.start.error(errno.ENODATA, protocol.encode(last).decode())
