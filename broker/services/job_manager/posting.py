"""Events that people post into a job's eventlog."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final

from broker.service import request
from broker.services.job_manager.states import has_meaning

if TYPE_CHECKING:
    from broker.service import Reply, Request
    from broker.services.job_manager.core import ManagerCore

MAX_CONTEXT: Final = 1 << 16
_NAME: Final = re.compile(r"[!-~]{1,64}", re.ASCII)


class EventPosting:
    """What an instance owner adds to the history of a job, and what is tidied up after one."""

    def __init__(self, core: ManagerCore) -> None:
        self._core = core

    @request("post-event.post")
    def post_event(self, req: Request) -> Reply:
        """Post the event ``name`` with ``context`` to the eventlog of the active job ``id``; those
        that mean something to a job's life (RFC 21) are refused.
        """
        job, name = self._core.active_job(req.get("id", int)), req.get("name", str)
        context = req.get("context", dict, None)
        if not _NAME.fullmatch(name):
            raise OSError(errno.EINVAL, "an event has a name of 1 to 64 characters, no spaces")
        if has_meaning(name):
            raise OSError(errno.EINVAL, f"the event {name} is the job manager's own")
        if len(req.raw or b"") > MAX_CONTEXT:
            raise OSError(errno.EINVAL, f"an event's context takes at most {MAX_CONTEXT} bytes")
        self._core.journal.check_room()
        self._core.machine.post(job, name, context)
        return self._core.acknowledge(req)
