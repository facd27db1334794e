"""``heaptrace.*``: the heap profiler of flux-core's broker, which a broker in Python has not."""

from __future__ import annotations

import errno
from typing import Never

from broker.service import Request, Service, request
from flux.wire.errors import os_error


class HeapTraceService(Service):
    """Answers as a flux-core that was built without a heap profiler does: ENOSYS."""

    name = "heaptrace"

    @request("start")
    def begin(self, req: Request) -> Never:
        """There is no profiler to write to ``filename``: ENOSYS."""
        req.get("filename", str)
        raise os_error(errno.ENOSYS)

    @request("dump")
    def dump(self, req: Request) -> Never:
        """There is no profiler to dump for ``reason``: ENOSYS."""
        req.get("reason", str)
        raise os_error(errno.ENOSYS)

    @request("stop")
    def end(self, req: Request) -> Never:
        """There is no profiler to stop: ENOSYS."""
        raise os_error(errno.ENOSYS)
