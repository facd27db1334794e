"""The job manager's side of the execution protocol: jobs are started by the service that said hello
last.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from broker.service import request
from flux.job.lifecycle import RUN
from flux.job.updates import expiration_of
from flux.wire.message import STREAMING, encode_text
from flux.wire.message import request as new_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.service import Request
    from broker.services.job_manager.journal import Journal
    from broker.services.job_manager.machine import Machine
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject
    from flux.wire.message import Message


class Execution:
    """Starts jobs with ``<service>.start`` and follows them by its responses.

    A response is {id, type, data}, type being ``start``, ``exception`` {severity, type, note},
    ``finish`` {status} or ``release`` {ranks, final}. With the first that is told of a job which
    ended at once may come ``guest``: the texts of its guest event logs by key, to be stored with
    its events.
    """

    def __init__(
        self, ctx: Context, machine: Machine, journal: Journal, turn_soon: Callable[[], None]
    ) -> None:
        self._ctx = ctx
        self._machine = machine
        self._journal = journal
        self._turn_soon = turn_soon
        self._service = "job-exec"
        self._tags: dict[int, int] = {}

    @request("exec-hello")
    def exec_hello(self, req: Request) -> None:
        """An execution service is ready to start jobs."""
        self._service = req.get("service", str)
        self._ctx.log.debug(f"exec_hello: service {self._service}")
        self._machine.exec_ready()
        self._turn_soon()

    def start(self, job: Job) -> None:
        """Have a job started."""
        payload = {"id": job.id, "userid": job.userid, "jobspec": job.jobspec, "R": job.resources}
        message = new_request(f"{self._service}.start", payload, flags=STREAMING)
        id = job.id
        self._tags[id] = self._ctx.handle.start_stream(message, lambda msg: self._response(id, msg))

    def abort(self, job: Job) -> None:
        """Have the tasks of a job ended before its exception can be published."""
        if job.id in self._tags:
            self._ctx.handle.send(f"{self._service}.abort", {"id": job.id})

    def expire(self, job: Job) -> None:
        """Have a job end at the expiration that its R has by now."""
        if job.id in self._tags:
            payload = {"id": job.id, "expiration": expiration_of(job.resources)}
            self._ctx.handle.send(f"{self._service}.expiration", payload)

    def _response(self, id: int, msg: Message) -> None:
        if msg.errnum:
            self._stream_ended(id, msg)
        else:
            answer = msg.json() or {}
            data = answer.get("data") or {}
            if "guest" in data:
                self._store(id, data["guest"])
            self._progress(id, str(answer.get("type")), data)
        self._turn_soon()

    def _store(self, id: int, texts: dict[str, str]) -> None:
        """Store guest event logs, in front of the events that come with them."""
        job = self._machine.jobs.get(id)
        if job is not None:
            for key, text in texts.items():
                self._journal.put(job, f"guest.{key}", encode_text(text))

    def _progress(self, id: int, kind: str, data: JsonObject) -> None:
        machine = self._machine
        if kind == "start":
            machine.exec_started(id, data.get("timestamp"))
        elif kind == "finish":
            machine.exec_finished(id, int(data.get("status", 0)))
        elif kind == "release":
            final = bool(data.get("final"))
            if final:
                self._forget_stream(id)
            machine.exec_released(id, str(data.get("ranks", "all")), final)
        elif kind == "exception":
            job = machine.jobs.get(id)
            if job is not None:
                severity, note = int(data.get("severity", 0)), str(data.get("note", ""))
                machine.raise_exception(
                    job, str(data.get("type", "exec")), severity, note, int(data.get("userid", -1))
                )
        else:
            self._ctx.log.err(f"{self._service}.start: unknown response type {kind}")

    def _stream_ended(self, id: int, msg: Message) -> None:
        self._forget_stream(id)
        if msg.errnum == errno.ENODATA:
            job = self._machine.jobs.get(id)
            if job is not None and job.running and job.status is not None and job.state != RUN:
                self._machine.exec_released(id, "all", True)
            else:
                self._machine.exec_failed(id, "the execution service dropped the job")
            return
        if msg.errnum == errno.ENOSYS:
            self._machine.exec_online = False
        note = msg.text() or os.strerror(msg.errnum)
        self._machine.exec_failed(id, note)

    def _forget_stream(self, id: int) -> None:
        tag = self._tags.pop(id, None)
        if tag is not None:
            self._ctx.handle.forget(tag)
