"""What is stored of jobs, looked up by key: jobspec, R, eventlog and others (RFC 16)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.constants import FLUX_JOB_LOOKUP_CURRENT
from flux.job.JobID import JobID
from flux.rpc import RPC
from flux.security import wrapped
from flux.wire import json
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flux.core.interface import Requester
    from flux.wire.json import JsonObject
    from flux.wire.text import Text

JOBSPEC = ("jobspec",)
DECODED = ("jobspec", "R")
"""Keys whose values are objects."""


def job_info_lookup(
    flux_handle: Requester,
    jobid: JobID | int | Text,
    keys: Sequence[str] = JOBSPEC,
    flags: int = 0,
) -> RPC:
    """Ask for values of a job by their keys; returns a future of an object with the texts, as they
    are stored or, with ``FLUX_JOB_LOOKUP_CURRENT``, as updates have changed them.
    """
    payload = {"id": int(JobID(jobid)), "keys": list(keys), "flags": as_integer(flags, "flags")}
    return RPC(flux_handle, "job-info.lookup", payload)


class JobKVSLookup:
    """Values of several jobs: ``keys`` of all of ``ids``.

    ``decode`` has jobspec and R as objects instead of text; ``original`` the jobspec that was
    submitted, ``base`` jobspec and R as they are stored, without the updates since then. Jobs that
    cannot be looked up are named in ``errors``.
    """

    def __init__(
        self,
        flux_handle: Requester,
        ids: Iterable[JobID | int | Text] = (),
        keys: Sequence[str] = JOBSPEC,
        decode: bool = True,
        original: bool = False,
        base: bool = False,
    ) -> None:
        self._handle = flux_handle
        self._ids = [JobID(one) for one in ids]
        self._keys = list(keys)
        self._decode = decode
        self._original = original and "jobspec" in self._keys
        changed = not base and not self._original and any(key in DECODED for key in self._keys)
        self._flags = FLUX_JOB_LOOKUP_CURRENT if changed else 0
        self._asked: list[tuple[JobID, RPC]] | None = None
        self.errors: list[str] = []

    def fetch_data(self) -> list[RPC]:
        """Ask for the values; returns the future of each job."""
        self._asked = [(jobid, self._ask(jobid, self._flags)) for jobid in self._ids]
        return [future for _, future in self._asked]

    def _ask(self, jobid: JobID, flags: int) -> RPC:
        keys = [key for key in self._keys if not (self._original and key == "jobspec")]
        if self._original and "J" not in keys:
            keys.append("J")
        return job_info_lookup(self._handle, jobid, keys, flags)

    def data(self) -> list[JsonObject]:
        """Wait and return the values of each job, with its ``id``; raises OSError if that is not
        possible, but for unknown jobs and keys.
        """
        if self._asked is None:
            self.fetch_data()
        found, self.errors = [], []
        for jobid, future in self._asked or ():
            try:
                found.append({"id": int(jobid), **self._values(self._answer(jobid, future))})
            except OSError as exc:
                if exc.errno != errno.ENOENT:
                    raise
                self.errors.append(f"JobID {jobid.orig} unknown")
        return found

    def _answer(self, jobid: JobID, future: RPC) -> JsonObject:
        try:
            answer: JsonObject = future.get()
        except OSError as exc:
            if exc.errno != errno.EPROTO or not self._flags:
                raise
            answer = self._ask(jobid, 0).get()  # a broker of a flux-core without updates
        return answer

    def _values(self, answer: JsonObject) -> JsonObject:
        values: JsonObject = {}
        for key in self._keys:
            if self._original and key == "jobspec":
                text = wrapped(answer["J"]).decode()
            else:
                text = answer[key]
            values[key] = json.loads(text) if self._decode and key in DECODED else text
        return values


def job_kvs_lookup(
    flux_handle: Requester,
    jobid: JobID | int | Text,
    keys: Sequence[str] = JOBSPEC,
    decode: bool = True,
    original: bool = False,
    base: bool = False,
) -> JsonObject | None:
    """Return values of a job by their keys, with its ``id``; None for an unknown job or key. The
    options are those of `JobKVSLookup`.

    Raises PermissionError for somebody else's job.
    """
    found = JobKVSLookup(flux_handle, [jobid], keys, decode, original, base).data()
    return found[0] if found else None
