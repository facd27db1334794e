"""What an instance that is a job of another tells that one: how to reach it.

Whoever has the job's id finds the URIs of its rank 0 in the KVS directory of the job, as
``guest.flux.local_uri`` and ``guest.flux.remote_uri``, and the latter as the job's annotation
``user.uri`` while it runs.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from flux.aio import AsyncFlux
from flux.connect import local_path
from flux.job.JobID import JobID
from flux.kvs_txn import Txn, commit_request

if TYPE_CHECKING:
    from broker.attributes import Attributes
    from broker.log import Logger

PATIENCE = 5.0
"""Seconds that the enclosing instance has to take the word."""
RETRY = 0.05
"""Seconds until the next attempt while the job's namespace is not there: it is made a moment after
the job began."""
NOT_YET = (errno.ENOENT, errno.ENOTSUP)


async def tell_enclosing(attrs: Attributes, log: Logger) -> None:
    """Tell the enclosing instance where this one is; without one, or if this one is no job, do
    nothing. A failure is logged: the instance works without.
    """
    uri, jobid = attrs.get("parent-uri"), attrs.get("jobid")
    if not uri or not jobid:
        return
    namespace, local = attrs.get("parent-kvs-namespace"), attrs.get("local-uri") or ""
    try:
        remote = f"ssh://{socket.gethostname()}{local_path(local)}"
        async with asyncio.timeout(PATIENCE), await AsyncFlux.connect(uri) as parent:
            annotation = {"id": int(JobID(jobid)), "annotations": {"user": {"uri": remote}}}
            await parent.rpc("job-manager.annotate", annotation)
            if namespace:
                await _store(parent, namespace, local, remote)
    except (OSError, ValueError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or "no answer"
        log.warning(f"the enclosing instance does not know where this one is: {reason}")


async def _store(parent: AsyncFlux, namespace: str, local: str, remote: str) -> None:
    txn = Txn().put_raw("flux.local_uri", local).put_raw("flux.remote_uri", remote)
    while True:
        try:
            await parent.rpc("kvs.commit", commit_request(txn.ops, namespace=namespace))
        except OSError as exc:
            if exc.errno not in NOT_YET:
                raise
            await asyncio.sleep(RETRY)
        else:
            return
