"""The job manager's side of the execution protocol: jobs are started by the service that said hello
last.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from broker.context import Context
from broker.service import Request, request
from broker.services.job_manager.base import ManagerBase
from broker.services.job_manager.scheduling import SchedulerClient
from broker.services.job_manager.states import Job
from flux.job.lifecycle import RUN
from flux.wire.message import STREAMING, Message
from flux.wire.message import request as new_request


class ExecutionClient(SchedulerClient, ManagerBase):
    """Starts jobs with ``<service>.start`` and follows them by its responses.

    A response is {id, type, data}, type being ``start``, ``exception`` {severity, type, note},
    ``finish`` {status} or ``release`` {ranks, final}.
    """

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._exec_service = "job-exec"
        self._exec_tags: dict[int, int] = {}

    @request("exec-hello")
    def exec_hello(self, req: Request) -> None:
        """An execution service is ready to start jobs."""
        self._exec_service = req.get("service", str)
        self.ctx.log.debug(f"exec_hello: service {self._exec_service}")
        self.machine.exec_ready()
        self.kick()

    def send_start(self, job: Job, _: Any) -> None:
        """Have a job started."""
        payload = {"id": job.id, "userid": job.userid, "jobspec": job.jobspec, "R": job.resources}
        message = new_request(f"{self._exec_service}.start", payload, flags=STREAMING)
        id = job.id
        self._exec_tags[id] = self.ctx.handle.start_stream(
            message, lambda msg: self._exec_response(id, msg)
        )

    def send_abort(self, job: Job) -> None:
        """Have the tasks of a job ended before its exception can be published."""
        if job.id in self._exec_tags:
            self.ctx.handle.send(f"{self._exec_service}.abort", {"id": job.id})

    def _exec_response(self, id: int, msg: Message) -> None:
        if msg.errnum:
            self._exec_ended(id, msg)
        else:
            answer = msg.json() or {}
            self._exec_progress(id, str(answer.get("type")), answer.get("data") or {})
        self.kick()

    def _exec_progress(self, id: int, kind: str, data: dict[str, Any]) -> None:
        machine = self.machine
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
            self.ctx.log.err(f"{self._exec_service}.start: unknown response type {kind}")

    def _exec_ended(self, id: int, msg: Message) -> None:
        self._forget_stream(id)
        if msg.errnum == errno.ENODATA:
            job = self.machine.jobs.get(id)
            if job is not None and job.running and job.status is not None and job.state != RUN:
                self.machine.exec_released(id, "all", True)
            else:
                self.machine.exec_failed(id, "the execution service dropped the job")
            return
        if msg.errnum == errno.ENOSYS:
            self.machine.exec_online = False
        note = msg.text() or os.strerror(msg.errnum)
        self.machine.exec_failed(id, note)

    def _forget_stream(self, id: int) -> None:
        tag = self._exec_tags.pop(id, None)
        if tag is not None:
            self.ctx.handle.forget(tag)
