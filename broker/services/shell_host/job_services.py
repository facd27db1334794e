"""The services of jobs, ``<userid>-shell-<jobid>``, on each rank of a job: requests go to the job's
leader shell, those for ``.rexec`` (RFC 42) start processes that end with the job.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Final

from broker.service import refuse
from broker.shell import protocol
from flux.wire.errors import OWNER_ONLY
from flux.wire.message import NORESPONSE, ROLE_OWNER, STREAMING, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.services.shell_host.link import ShellLink
    from broker.services.shell_host.processes import MakeProcesses, Send
    from flux.wire.message import Message

PROCESSES: Final = "rexec"
END_PATIENCE: Final = 60.0
"""Seconds that the processes of a job have to end by themselves once its shell has."""
NOT_OURS: Final = "no processes are run beside the tasks of another user's job"


class JobServices:
    """Serves the jobs that run here; ``make`` makes what runs processes for one of them."""

    def __init__(self, ctx: Context, make: MakeProcesses) -> None:
        self._ctx = ctx
        self._make = make
        self._links: dict[str, ShellLink] = {}

    def add(self, link: ShellLink) -> None:
        """Have requests for the job's service come here."""
        name = f"{link.userid}-shell-{link.id}"
        try:
            self._ctx.names.add(name)
        except OSError as exc:
            self._ctx.log.err(f"job {link.id} gets no service: {exc.strerror}")
        else:
            link.service = name
            self._links[name] = link

    def remove(self, link: ShellLink) -> None:
        """The job's part here has ended: so do its processes, and its requests are refused."""
        if link.processes is not None:
            link.processes.signal_all(signal.SIGKILL)
        if link.service:
            del self._links[link.service]
            self._ctx.names.remove(link.service)
            for msg, send in link.requests.values():
                _refuse_unknown(msg, send)

    def handle(self, msg: Message, send: Send) -> bool:
        """Take a request to a job's service; returns False if it is to no such."""
        service, _, method = (msg.topic or "").partition(".")
        link = self._links.get(service)
        if link is None:
            return False
        if method == "disconnect":
            self.client_gone(link, sender_of(msg))
        elif not msg.rolemask & ROLE_OWNER and msg.userid != link.userid:
            refuse(msg, send, errno.EPERM, OWNER_ONLY)
        elif method.partition(".")[0] == PROCESSES:
            self._to_processes(link, msg, send)
        elif not link.leader:
            _refuse_unknown(msg, send)
        else:
            _to_shell(link, method, msg, send)
        return True

    def answer(self, link: ShellLink, answer: protocol.ServiceAnswer) -> None:
        """Pass on what a shell answers."""
        asked = link.requests.get(answer.tag)
        if asked is None:
            return
        msg, send = asked
        if answer.errnum or not msg.flags & STREAMING:
            del link.requests[answer.tag]
        payload = answer.text if answer.errnum else answer.payload
        send(response(msg, payload, errnum=answer.errnum))

    def client_gone(self, link: ShellLink, sender: str) -> None:
        """Drop the requests of a client of a job's service and tell the shell."""
        link.requests = {
            tag: entry for tag, entry in link.requests.items() if sender_of(entry[0]) != sender
        }
        link.tell(protocol.ClientGone(sender))
        if link.processes is not None:
            link.processes.on_disconnect(sender)

    # Processes

    def _to_processes(self, link: ShellLink, msg: Message, send: Send) -> None:
        if link.userid != os.getuid():
            # Its shell is started by the IMP, for that user; a child of this broker would not be.
            refuse(msg, send, errno.EPERM, NOT_OURS)
            return
        if link.leaving is not None:
            _refuse_unknown(msg, send)
            return
        if link.processes is None:
            link.processes = self._make(
                self._ctx, f"{link.service}.{PROCESSES}", lambda: self._at_rest(link)
            )
        link.processes.handle(msg, send)

    def outlive(self, link: ShellLink, then: Callable[[], None]) -> bool:
        """A job's shell has ended. If processes still run, they are told to end, killed after a
        while, and ``then`` is called: returns whether that is so.
        """
        processes = link.processes
        if processes is None or not processes.running:
            return False
        link.leaving = then
        self._ctx.call_later(END_PATIENCE, processes.signal_all, int(signal.SIGKILL))
        processes.signal_all(signal.SIGTERM)
        processes.signal_all(signal.SIGCONT)
        return True

    def _at_rest(self, link: ShellLink) -> None:
        if link.leaving is not None:
            link.leaving()


def _to_shell(link: ShellLink, method: str, msg: Message, send: Send) -> None:
    try:
        payload = msg.json()
    except ValueError:
        refuse(msg, send, errno.EPROTO)
        return
    tag = link.next_tag()
    if not msg.flags & NORESPONSE:
        link.requests[tag] = (msg, send)
    link.tell(protocol.ServiceRequest(tag, method, payload, sender_of(msg)))


def _refuse_unknown(msg: Message, send: Send) -> None:
    refuse(msg, send, errno.ENOSYS, f"No service matching {msg.topic} is registered")


def sender_of(msg: Message) -> str:
    """Return the client a request comes from, the oldest hop of its route."""
    return msg.routes[-1] if msg.routes else ""
