"""The process that runs job-submit plugins; `broker.slurm.job_submit.host` calls it.

``setup`` loads the plugins, ``submit`` has them look at new jobs and ``modify`` at a change of one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from broker.plugin_child import PluginChild
from broker.slurm.job_submit.job_desc import JobDesc, JobRec
from broker.slurm.job_submit.lua_script import LuaPlugin
from broker.slurm.job_submit.messages import (
    ChangeRequest,
    JobAnswer,
    JobsToCheck,
    LoadAnswer,
    PluginSetup,
    Setup,
)
from broker.slurm.job_submit.partitions import Queue
from broker.slurm.job_submit.plugin import consult
from broker.slurm.job_submit.python_api import slurm_module
from broker.slurm.job_submit.python_plugin import PythonPlugin
from broker.slurm.job_submit.surroundings import Surroundings, facts_of
from broker.slurm.job_submit.talk import Talk
from broker.slurm.job_submit.updates import changed_updates, with_updates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker.slurm.job_submit.plugin import JobSubmitRefusal, SubmitPlugin
    from flux.wire.json import JsonObject


class Chain:
    """The plugins, in their order."""

    def __init__(self, child: PluginChild) -> None:
        self._talk = Talk(child.log)
        self._plugins: list[SubmitPlugin] = []
        self._surroundings = Surroundings("", self._talk)
        self._setup: object = None
        self._failed = False

    def setup(self, payload: object) -> object:
        """Load plugins; the answer tells of the one that cannot be loaded."""
        self._setup = payload
        answer = self._loaded(msgspec.convert(payload, Setup))
        self._failed = bool(answer.plugin)
        return msgspec.to_builtins(answer)

    def _loaded(self, setup: Setup) -> LoadAnswer:
        self._surroundings = Surroundings(setup.uri, self._talk)
        sys.modules["slurm"] = slurm_module(self._talk, self._surroundings)
        self._plugins = []
        for item in setup.plugins:
            try:
                self._plugins.append(self._load(item))
            except OSError as exc:
                text = exc.strerror or str(exc)
                return LoadAnswer(item.name, exc.errno or errno.EIO, text)
        return LoadAnswer()

    def _check(self) -> None:
        """Raise OSError if the plugins could not be loaded when the process was started again, and
        cannot be now: without them nobody looks at jobs.
        """
        if self._failed:
            answer = self._loaded(msgspec.convert(self._setup, Setup))
            self._failed = bool(answer.plugin)
            if self._failed:
                text = f"job_submit/{answer.plugin} cannot be loaded: {answer.text}"
                raise OSError(answer.errnum, text)

    def _load(self, item: PluginSetup) -> SubmitPlugin:
        if item.lua is not None:
            with _shared_names():
                return LuaPlugin(item.lua, self._talk, self._surroundings)
        return PythonPlugin(item.name, item.path, item.conf, self._talk, self._surroundings)

    def submit(self, payload: object) -> object:
        """Return a result for each job, as far as the time in the message goes."""
        self._check()
        message = msgspec.convert(payload, JobsToCheck)
        self._surroundings.queues_are(msgspec.convert(message.queues, list[Queue]))
        end = time.monotonic() + message.budget
        results = []
        for job in message.jobs:
            self._surroundings.look_for(job.userid)
            draft = JobDesc(job.jobspec, job.userid, job.urgency)
            draft.queues = self._surroundings.queue_names
            results.append(self._look_at(draft))
            if results[-1].refused is None:
                self._surroundings.taken(job.id, draft)
            if time.monotonic() > end:
                break
        return [without_copies(result) for result in results]

    def _look_at(self, draft: JobDesc) -> JobAnswer:
        refused = consult(
            self._plugins, lambda plugin: plugin.submit(draft, draft.userid), self._talk
        )
        result = self._result(draft, refused)
        if result.refused is None and draft.altered:
            result.jobspec = draft.jobspec
            if not draft.has_new_variables:
                result.same_environment = draft.system.pop("environment", None) is not None
        return result

    def _result(self, draft: JobDesc, refused: JobSubmitRefusal | None) -> JobAnswer:
        """Write what was assigned, unless the job is refused."""
        before = draft.urgency
        result = JobAnswer(lines=self._talk.taken())
        if refused is not None:
            result.refused = (refused.errnum, refused.text)
            return result
        try:
            draft.apply()
        except OSError as exc:
            result.refused = (exc.errno or errno.EINVAL, exc.strerror or str(exc))
        for note in draft.notes:
            self._talk.say(0, f"job_submit: {note}")
        if draft.urgency != before:
            result.urgency = draft.urgency
        return result

    def modify(self, payload: object) -> object:
        """Return the result for a change."""
        self._check()
        change = msgspec.convert(payload, ChangeRequest)
        self._surroundings.queues_are(msgspec.convert(change.queues, list[Queue]))
        self._surroundings.look_for(change.userid)
        record = JobRec(change.jobspec, change.owner, facts_of(change.facts))
        draft = JobDesc(with_updates(change.updates), change.userid, change.urgency, is_change=True)
        draft.queues = self._surroundings.queue_names
        refused = consult(
            self._plugins,
            lambda plugin: plugin.modify(draft, record, change.userid),
            self._talk,
        )
        result = self._result(draft, refused)
        if not result.refused:
            result.updates = changed_updates(change.updates, draft.jobspec)
        return msgspec.to_builtins(result)


def without_copies(result: JobAnswer) -> JsonObject:
    """Return what JSON is made of, with the jobspec as it is: a copy of it would be in vain."""
    fields = ((name, getattr(result, name)) for name in result.__struct_fields__)
    return {name: value for name, value in fields if value is not None}


@contextlib.contextmanager
def _shared_names() -> Iterator[None]:
    """Inside the block, libraries that are loaded share their names with others: modules of
    distributions, such as posix, look there for the functions of Lua. Only one Lua may do that.
    """
    before = sys.getdlopenflags()
    sys.setdlopenflags(before | os.RTLD_GLOBAL)
    try:
        yield
    finally:
        sys.setdlopenflags(before)


def main() -> None:
    """Serve the broker."""
    child = PluginChild(sys.argv)
    chain = Chain(child)
    child.serve({"setup": chain.setup, "submit": chain.submit, "modify": chain.modify})


if __name__ == "__main__":
    main()
