"""The job-ingest module: one on every rank, so that submissions are checked where they arrive."""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.configuration.tables import ValidatorConfig
from broker.service import NO_REPLY, Request, Service, request
from broker.services.job_ingest.fluid import FluidGenerator, timestamp_of
from broker.services.job_ingest.options import ValidatorOptions
from broker.services.job_ingest.submission import check
from broker.services.job_ingest.turns import IntakeTurns
from broker.services.job_ingest.workers import ArgumentsRefused, ValidatorPool
from flux.wire.errors import error_of
from flux.wire.message import Shared, encode_payload

if TYPE_CHECKING:
    import asyncio

    from broker.configuration import Config
    from broker.context import Context
    from broker.service import Reply
    from broker.services.job_ingest.submission import Submission
    from flux.wire.json import JsonObject
    from flux.wire.message import Message

BATCH_JOBS: Final = 250


class NewJob(Struct):
    """A submission on its way: who asked, and what it is called from now on."""

    request: Request
    submission: Submission
    id: int
    t_submit: float


class JobIngestService(Service):
    """``job-ingest.submit`` {J, urgency, flags} is answered with {id, message?} when the job
    manager has the job and has stored it; a ``message`` is for the user, a line or several.

    Submissions that arrive together go to it together, and share the broker with the jobs that run
    (`IntakeTurns`). A module argument
    ``validator-plugins=LIST`` has jobspecs checked by plugins of flux.job.validator in worker
    processes as well (``validator-args=ARGS``, ``worker-count=N``), ``disable-validator`` has them
    not checked at all.
    """

    name = "job-ingest"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._waiting: deque[Request] = deque()
        self._valid: list[NewJob] = []
        self._turns = IntakeTurns()
        self._due: asyncio.Handle | None = None
        self._submitted = 0
        self._rejected = 0
        self._workers = ValidatorPool("")
        self._args: list[str] = []
        self._batch_jobs = BATCH_JOBS
        self._generator: FluidGenerator | None = None

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        ValidatorOptions.of(args, ValidatorConfig())

    async def start(self, args: list[str]) -> None:
        """Ask for the time that job ids begin at: after all those of earlier instances."""
        self._args = args
        await self.examine(self.ctx.config)
        self.configure(self.ctx.config)
        timestamp = await self._first_timestamp()
        self._generator = FluidGenerator(self.ctx.rank, timestamp, self.ctx.loop_time)
        self.ctx.log.debug(f"fluid ts={self._ids.timestamp()}ms")

    async def examine(self, config: Config) -> None:
        """Refuse validators that cannot be loaded, or not with their arguments: no job would be
        accepted. Raises OSError.
        """
        table = config.ingest.validator
        options = ValidatorOptions.of(self._args, table)
        if options == self._workers.options:
            return
        try:
            await ValidatorPool(self._uri, options).check()
        except OSError as exc:
            about_args = isinstance(exc, ArgumentsRefused)
            mine = options.args == table.args if about_args else not self._has_plugins()
            if not mine:
                raise
            key = ("ingest", "validator", "args" if about_args else "plugins")
            raise self.ctx.setting_error(key, exc) from None

    def _has_plugins(self) -> bool:
        """Whether an argument of the module names the plugins."""
        return bool(ValidatorOptions.of(self._args, ValidatorConfig()).plugins)

    @property
    def _uri(self) -> str:
        """Where plugins reach this broker."""
        return self.ctx.attrs.get("local-uri") or ""

    def configure(self, config: Config) -> None:
        """Take size of batches and validators; jobs that are being checked are checked to the end
        by those before.
        """
        self._batch_jobs = config.ingest.batch_count or BATCH_JOBS
        options = ValidatorOptions.of(self._args, config.ingest.validator)
        if options == self._workers.options:
            return
        before = self._workers
        self._workers = ValidatorPool(self._uri, options, self.ctx.log.err)
        self.ctx.spawn(before.close(), "job-ingest:old validators")

    @property
    def _ids(self) -> FluidGenerator:
        """The generator; raises OSError(ENOSYS) while it is not known where ids begin."""
        if self._generator is None:
            raise OSError(errno.ENOSYS, "job-ingest is being loaded")
        return self._generator

    async def _first_timestamp(self) -> int:
        if self.ctx.rank > 0:
            answer = await self.ctx.handle.rpc("job-ingest.getinfo", upstream=True)
            return int(answer["timestamp"])
        try:
            answer = await self.ctx.handle.rpc("job-manager.getinfo")
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            return 0
        return timestamp_of(int(answer["max_jobid"])) + 1

    async def stop(self) -> None:
        """Refuse what has not been passed on, end the workers."""
        for req in (*self._waiting, *(item.request for item in self._valid)):
            req.error(errno.ENOSYS, "job-ingest is being unloaded")
        self._waiting.clear()
        self._valid.clear()
        await self._workers.close()

    def facts(self) -> JsonObject:
        """Return counts of submissions."""
        return {
            "submitted": self._submitted,
            "rejected": self._rejected,
            "waiting": len(self._waiting) + len(self._valid) + self._turns.under_way,
        }

    @request("getinfo", allow="guest")
    def getinfo(self, req: Request) -> dict[str, int]:
        """Return the time in job ids {timestamp}, for the ranks below."""
        return {"timestamp": self._ids.timestamp()}

    @request("submit", allow="guest")
    def submit(self, req: Request) -> Reply:
        """Take in a job {J, urgency, flags}."""
        self._waiting.append(req)
        self._take_soon()
        return NO_REPLY

    def _take_soon(self) -> None:
        """Take in what waits when its turn has come."""
        if self._due is not None or not (self._waiting or self._valid):
            return
        wait = self._turns.wait(self.ctx.loop_time())
        if wait is not None:
            self._due = (
                self.ctx.call_later(wait, self._take) if wait else self.ctx.call_soon(self._take)
            )

    def _take(self) -> None:
        """Check submissions for a while and pass on those that are in order."""
        self._due = None
        begun = self.ctx.loop_time()
        while self._waiting and self.ctx.loop_time() - begun < self._turns.slice:
            req = self._waiting.popleft()
            try:
                self._check(req)
            except Exception as exc:
                self._rejected += 1
                self._failed(req, exc)
        valid, self._valid = self._valid, []
        for first in range(0, len(valid), self._batch_jobs):
            self._pass_on(valid[first : first + self._batch_jobs], begun)
        self._take_soon()

    def _check(self, req: Request) -> None:
        item = check(
            req.get("J", str),
            req.get("urgency", int),
            req.get("flags", int),
            req.userid,
            is_owner=req.is_owner,
            options=self._workers.options,
        )
        if self._workers.enabled and not self._workers.skips(item):
            self.ctx.spawn(self._validate_then_add(req, item), "job-ingest:validate")
        else:
            self._valid.append(self._new(req, item))

    def _new(self, req: Request, item: Submission) -> NewJob:
        return NewJob(req, item, self._ids.next(), self.ctx.now())

    async def _validate_then_add(self, req: Request, item: Submission) -> None:
        try:
            await self._workers.validate(item)
            self._valid.append(self._new(req, item))
        except OSError as exc:
            self._rejected += 1
            req.fail(exc)
        self._take_soon()

    def _pass_on(self, batch: list[NewJob], begun: float) -> None:
        self._turns.passed_on(len(batch), begun)
        jobs = [item.submission.job(item.id, item.t_submit) for item in batch]
        texts = [item.submission.text for item in batch]
        content = [{**job, "text": text} for job, text in zip(jobs, texts, strict=True)]
        payload = Shared({"jobs": content}, lambda _: encode_payload({"jobs": jobs}))
        self.ctx.handle.post(
            "job-manager.submit", payload, lambda answer: self._accepted(answer, batch)
        )

    def _accepted(self, msg: Message, batch: list[NewJob]) -> None:
        answer = {} if msg.errnum else msg.json()
        busy = isinstance(answer, dict) and answer.get("busy") is True
        self._turns.answered(len(batch), busy, self.ctx.loop_time())
        self._take_soon()
        if msg.errnum:
            self._fail(batch, error_of(msg))
            return
        try:
            refused = {id: OSError(errnum, text) for id, errnum, text in answer["errors"]}
            messages = {id: {"message": text} for id, text in answer.get("messages", [])}
        except (ValueError, TypeError, KeyError):
            self._fail(batch, OSError(errno.EPROTO, "the job manager's answer is malformed"))
            return
        for item in batch:
            if item.id in refused:
                self._fail([item], refused[item.id])
            else:
                self._submitted += 1
                item.request.respond({"id": item.id, **messages.get(item.id, {})})

    def _fail(self, batch: list[NewJob], exc: OSError) -> None:
        self._rejected += len(batch)
        for item in batch:
            item.request.fail(exc)
