"""Service ``shell-host``: one per rank; runs this rank's part of each job in a shell forked by the shell host.

A ``shell-host.start`` request streams what the shell says (see `broker.shell.peer`) until the shell is gone. Messages for a shell come
by ``shell-host.tell``; requests for a job's service, ``<userid>-shell-<jobid>``, are passed to its leader shell.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from broker.context import Context
from broker.service import NO_REPLY, Request, Service, event, refuse, request
from broker.services.shell_host.launcher import CHECK_PERIOD, HostProcess
from broker.subprocess.descendants import kill_descendants
from flux.wire.json import dumps, loads
from flux.wire.message import NORESPONSE, ROLE_OWNER, STREAMING, Message, response

READ_SIZE = 262144
IDLE_START = 1.0
RETRY_START = 5.0
LOST = b'{"t":"exit","status":9,"lost":true}'


@dataclass(eq=False)
class ShellLink:
    """The broker's end of one shell's socket.

    ``pid`` is 0 until the shell has said hello; a shell that is lost before has run nothing, so its job may be given to another
    one, with the lines of ``unheard``. ``host`` is the process that was asked for the shell.
    """

    id: int
    userid: int
    sock: socket.socket
    start: Request
    service: str = ""
    inbuf: bytearray = field(default_factory=bytearray)
    outbuf: bytearray = field(default_factory=bytearray)
    exited: bool = False
    pid: int = 0
    host: int = 0
    may_restart: bool = True
    unheard: list[bytes] = field(default_factory=list)
    tag: int = 0
    requests: dict[int, tuple[Message, Callable[[Message], None]]] = field(default_factory=dict)

    def send(self, line: bytes) -> None:
        """Send one message, a line without its newline."""
        if not self.pid:
            self.unheard.append(line)
        idle = not self.outbuf
        self.outbuf += line
        self.outbuf += b"\n"
        if idle:
            self.write()

    def write(self) -> None:
        """Write what the socket takes; wait for it to take the rest."""
        loop = asyncio.get_running_loop()
        try:
            sent = self.sock.send(self.outbuf)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.outbuf.clear()
            loop.remove_writer(self.sock)
            return
        del self.outbuf[:sent]
        if self.outbuf:
            loop.add_writer(self.sock, self.write)
        else:
            loop.remove_writer(self.sock)


class ShellHostService(Service):
    """Connects job shells of this rank with the execution service on rank 0."""

    name = "shell-host"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.host = HostProcess(self._shell_died, self._host_lost)
        self.links: dict[int, ShellLink] = {}
        self.services: dict[str, ShellLink] = {}
        self._stopped = False
        self._cannot_start = False

    async def start(self, args: list[str]) -> None:
        """Start the shell host once the instance has come up, unless a job comes first."""
        self.ctx.call_later(IDLE_START, self._start_idle)
        self.ctx.call_later(CHECK_PERIOD, self._check)

    def _start_idle(self) -> None:
        if self._stopped:
            return
        try:
            self.host.start()
        except OSError as exc:
            if not self._cannot_start:
                self.ctx.log.err(
                    f"the shell host cannot be started, which is tried again: {exc.strerror}"
                )
            self._cannot_start = True
            self.ctx.call_later(RETRY_START, self._start_idle)
        else:
            self._cannot_start = False

    def _check(self) -> None:
        if not self._stopped:
            self.host.check()
            self.ctx.call_later(CHECK_PERIOD, self._check)

    def _host_lost(self, pid: int, why: str) -> None:
        """The shells go on without their host; jobs that it has not started are given to the next one."""
        if not self._stopped:
            self.ctx.log.err(f"the shell host (pid {pid}) {why}; new jobs get another one")

    async def stop(self) -> None:
        """Kill every shell."""
        self._stopped = True
        for link in list(self.links.values()):
            self._close(link, LOST)
        await self.host.stop()

    def stats(self) -> dict[str, Any]:
        return {"shells": len(self.links), "pid": self.host.pid}

    @request("start", streaming=True)
    def start_shell(self, req: Request) -> object:
        """Start the shell of a job: {id, userid, jobspec, R, leader}; streams the shell's messages."""
        jobid = req.get("id", int)
        if jobid in self.links:
            raise OSError(errno.EEXIST, f"job {jobid} already has a shell on rank {self.ctx.rank}")
        link = ShellLink(jobid, req.get("userid", int), self._fork(jobid), req, host=self.host.pid)
        self.links[jobid] = link
        asyncio.get_running_loop().add_reader(link.sock, self._readable, link)
        link.send(
            b'{"head":' + dumps(self._head()) + b',"job":' + (req.raw or b"{}").rstrip(b"\0") + b"}"
        )
        if req.payload.get("leader") == self.ctx.rank:
            link.service = f"{link.userid}-shell-{jobid}"
            self.services[link.service] = link
            self.ctx.handle.post("service.add", {"service": link.service}, self._service_added)
        return NO_REPLY

    def _fork(self, jobid: int) -> socket.socket:
        """Have a shell forked and return the socket to it; raise OSError if there can be none."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            self.host.fork(jobid, theirs)
        except OSError:
            ours.close()
            raise
        return ours

    def _service_added(self, msg: Message) -> None:
        if msg.errnum:
            self.ctx.log.err(f"service.add: {os.strerror(msg.errnum)} {msg.text()}")

    def _head(self) -> dict[str, Any]:
        """Return what this broker adds to a job."""
        attrs = self.ctx.attrs
        level = attrs.get("instance-level") or "0"
        return {
            "broker_rank": self.ctx.rank,
            "rundir": self.ctx.rundir,
            "instance_level": int(level) if level.isdigit() else 0,
            "env": {"FLUX_URI": attrs.get("local-uri") or ""},
        }

    @request("tell")
    def tell(self, req: Request) -> None:
        """Pass a message to the shell of job ``id``."""
        link = self.links.get(req.get("id", int))
        if link is None:
            raise OSError(errno.ENOENT, "no such shell")
        link.send(dumps(req.get("msg", dict)))

    @request("kill")
    def kill(self, req: Request) -> None:
        """Kill the shell of job ``id`` and all its processes with SIGKILL."""
        link = self.links.get(req.get("id", int))
        if link is not None:
            self._kill(link)

    def _kill(self, link: ShellLink) -> None:
        """Kill a shell with its tasks; the host that forked it does that, while it lives."""
        link.may_restart = False
        if not link.pid or link.host == self.host.pid:
            self.host.kill(link.id)
        else:
            kill_descendants(link.pid)

    @event("shell-")
    def on_shell_event(self, msg: Message) -> None:
        """Event ``shell-<id>.kill`` {signum}: signal the tasks of a job."""
        name, _, method = (msg.topic or "").partition(".")
        number = name.removeprefix("shell-")
        link = self.links.get(int(number)) if number.isdigit() else None
        if link is not None and method == "kill":
            link.send(dumps({"t": "kill", "signum": int((msg.json() or {}).get("signum", 15))}))

    def on_disconnect(self, sender: str) -> None:
        """A client of a job's service, or the execution service, is gone."""
        for link in list(self.links.values()):
            if link.start.sender == sender:
                self._close(link, None)
            elif any(_sender_of(msg) == sender for msg, _ in link.requests.values()):
                self._client_gone(link, sender)

    def _client_gone(self, link: ShellLink, sender: str) -> None:
        """Drop the requests of a client of a job's service and tell the shell."""
        link.requests = {
            tag: entry for tag, entry in link.requests.items() if _sender_of(entry[0]) != sender
        }
        link.send(dumps({"t": "disconnect", "sender": sender}))

    # Requests for the jobs' services

    def handle(self, msg: Message, send: Callable[[Message], None]) -> None:
        """Pass requests for ``<userid>-shell-<jobid>.<method>`` to the shell, the others to this service's handlers."""
        service, _, method = (msg.topic or "").partition(".")
        link = self.services.get(service)
        if link is None:
            super().handle(msg, send)
            return
        if method == "disconnect":
            self._client_gone(link, _sender_of(msg))
            return
        if not msg.rolemask & ROLE_OWNER and msg.userid != link.userid:
            refuse(msg, send, errno.EPERM, "Request requires owner credentials")
            return
        try:
            payload = msg.json()
        except ValueError:
            refuse(msg, send, errno.EPROTO)
            return
        link.tag += 1
        if not msg.flags & NORESPONSE:
            link.requests[link.tag] = (msg, send)
        body = {
            "t": "request",
            "tag": link.tag,
            "method": method,
            "payload": payload,
            "sender": _sender_of(msg),
        }
        link.send(dumps(body))

    def _respond(self, link: ShellLink, message: dict[str, Any]) -> None:
        entry = link.requests.get(message["tag"])
        if entry is None:
            return
        msg, send = entry
        errnum = message.get("errnum", 0)
        if errnum or not msg.flags & STREAMING:
            del link.requests[message["tag"]]
        send(
            response(msg, message.get("text") if errnum else message.get("payload"), errnum=errnum)
        )

    # Messages from shells

    def _readable(self, link: ShellLink) -> None:
        try:
            data = link.sock.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if not self._restart(link):
                self._close(link, LOST)
            return
        link.inbuf += data
        if b"\n" not in data:
            return
        *lines, rest = bytes(link.inbuf).split(b"\n")
        link.inbuf = bytearray(rest)
        for line in lines:
            self._message(link, line)

    def _restart(self, link: ShellLink) -> bool:
        """Give a job whose shell was lost before it took it up to another one, once; return whether that was done."""
        if link.pid or not link.may_restart or self._stopped:
            return False
        loop = asyncio.get_running_loop()
        loop.remove_reader(link.sock)
        loop.remove_writer(link.sock)
        try:
            sock = self._fork(link.id)
        except OSError as exc:
            self.ctx.log.err(f"job {link.id}: no other shell can be started: {exc.strerror}")
            return False
        link.sock.close()
        link.sock, link.host, link.may_restart = sock, self.host.pid, False
        lines, link.unheard = link.unheard, []
        link.inbuf.clear()
        link.outbuf.clear()
        loop.add_reader(sock, self._readable, link)
        for line in lines:
            link.send(line)
        return True

    def _message(self, link: ShellLink, line: bytes) -> None:
        if line.startswith(b'{"t":"hello"'):
            link.pid = int(loads(line)["pid"])
            link.unheard.clear()
            return
        if line.startswith(b'{"t":"response"'):
            self._respond(link, loads(line))
            return
        if line.startswith(b'{"t":"exit"'):
            link.exited = True
            self._close(link, line)
            return
        link.start.respond(line + b"\0")

    def _shell_died(self, jobid: int, pid: int, status: int) -> None:
        link = self.links.get(jobid)
        if link is not None:
            self.ctx.log.err(
                f"shell {pid} of job {jobid} was killed by signal {os.WTERMSIG(status)}"
            )
            self._close(link, dumps({"t": "exit", "status": status, "lost": True}))

    def _close(self, link: ShellLink, last: bytes | None) -> None:
        """End a shell's link: pass on its `last` message, withdraw its service, kill what is left of it."""
        if self.links.pop(link.id, None) is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(link.sock)
        loop.remove_writer(link.sock)
        link.sock.close()
        if not link.exited:
            self._kill(link)
        if link.service:
            del self.services[link.service]
            self.ctx.handle.post("service.remove", {"service": link.service}, lambda _: None)
            for msg, send in link.requests.values():
                refuse(msg, send, errno.ENOSYS, f"No service matching {msg.topic} is registered")
        if last is not None:
            link.start.respond(last + b"\0")
            link.start.end()


def _sender_of(msg: Message) -> str:
    """Return the client a request comes from, the oldest hop of its route."""
    return msg.routes[-1] if msg.routes else ""
