"""What is stored of jobs, looked up by key: jobspec, R, eventlog and others (RFC 16)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_LOOKUP_CURRENT
from flux.future import WaitAllFuture
from flux.job.JobID import JobID
from flux.rpc import RPC
from flux.security import wrapped
from flux.wire import json
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flux.core.interface import Requester
    from flux.wire.json import JsonObject
    from flux.wire.text import Text

TOPIC: Final = "job-info.lookup"
SIGNED: Final = "J"
"""The key of the signed request, which has the jobspec that was submitted."""
JOBSPEC = ("jobspec",)
DECODED = ("jobspec", "R")
"""Keys whose values are objects."""


def decode_special_data(data: JsonObject) -> None:
    """Make objects of the texts of jobspec and R in ``data``, if it has them."""
    for key in DECODED:
        if key in data and isinstance(data[key], str):
            data[key] = json.loads(data[key])


class JobInfoLookupRPC(RPC):
    """The values of a job by their keys, being looked up; ``jobid`` is the job."""

    def __init__(
        self,
        flux_handle: Requester,
        jobid: JobID | int | Text,
        keys: Sequence[str] = JOBSPEC,
        flags: int = 0,
    ) -> None:
        self.jobid = JobID(jobid)
        self._keys = list(keys)
        payload = {"id": int(self.jobid), "keys": self._keys, "flags": as_integer(flags, "flags")}
        super().__init__(flux_handle, TOPIC, payload)

    def get(self) -> JsonObject:
        """Wait and return the texts of the values by their keys, and the ``id``; raises OSError:
        ENOENT for an unknown job or key, EPERM for somebody else's job.
        """
        answer: JsonObject = super().get()
        return {"id": int(self.jobid), **answer}

    def get_decode(self) -> JsonObject:
        """Return what `get` does with jobspec and R as objects."""
        values = self.get()
        decode_special_data(values)
        return values


class _CurrentLookupRPC(JobInfoLookupRPC):
    """A look-up of what is by now; from a broker without updates, of what is stored."""

    def __init__(self, flux_handle: Requester, jobid: JobID, keys: Sequence[str]) -> None:
        super().__init__(flux_handle, jobid, keys, FLUX_JOB_LOOKUP_CURRENT)

    def get(self) -> JsonObject:
        """Wait and return the values; raises OSError as that of `JobInfoLookupRPC`."""
        try:
            return super().get()
        except OSError as exc:
            if exc.errno != errno.EPROTO or self.flux_handle is None:
                raise
            return JobInfoLookupRPC(self.flux_handle, self.jobid, self._keys).get()


class _OriginalLookupRPC(JobInfoLookupRPC):
    """A look-up whose jobspec is the one that was submitted, out of the signed request."""

    def __init__(self, flux_handle: Requester, jobid: JobID, keys: Sequence[str]) -> None:
        self._wanted = keys
        others = [key for key in keys if key not in ("jobspec", SIGNED)]
        super().__init__(flux_handle, jobid, [*others, SIGNED])

    def get(self) -> JsonObject:
        """Wait and return the values; raises OSError as that of `JobInfoLookupRPC`."""
        answer = super().get()
        answer["jobspec"] = wrapped(answer[SIGNED]).decode()
        return {key: answer[key] for key in ("id", *self._wanted)}


class JobKVSLookupFuture(WaitAllFuture):
    """The look-ups of several jobs, which are pushed, as one future; ``errors`` has a sentence for
    each job that could not be looked up, once the values have been got.
    """

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def get(self) -> list[JsonObject]:
        """Wait and return the values of the jobs that could be looked up, in the order in which
        they were pushed, as texts. Raises OSError, but not for unknown jobs and keys.
        """
        return self._values(lambda lookup: lookup.get())

    def get_decode(self) -> list[JsonObject]:
        """Return what `get` does with jobspec and R as objects."""
        return self._values(lambda lookup: lookup.get_decode())

    def _values(self, read: Callable[[JobInfoLookupRPC], JsonObject]) -> list[JsonObject]:
        found, self.errors = [], []
        for child in self.children:
            if not isinstance(child, JobInfoLookupRPC):
                raise OSError(errno.EINVAL, "a look-up of jobs has only look-ups of one job")
            try:
                found.append(read(child))
            except OSError as exc:
                if exc.errno != errno.ENOENT:
                    raise
                self.errors.append(f"JobID {child.jobid.orig} unknown")
        return found


def job_info_lookup(
    flux_handle: Requester,
    jobid: JobID | int | Text,
    keys: Sequence[str] = JOBSPEC,
    flags: int = 0,
) -> JobInfoLookupRPC:
    """Ask for values of a job by their keys; returns a future of an object with the texts, as they
    are stored or, with ``FLUX_JOB_LOOKUP_CURRENT``, as updates have changed them.
    """
    return JobInfoLookupRPC(flux_handle, jobid, keys, flags)


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
        self._kind: Callable[[Requester, JobID, Sequence[str]], JobInfoLookupRPC]
        if original and "jobspec" in self._keys:
            self._kind = _OriginalLookupRPC
        elif not base and any(key in DECODED for key in self._keys):
            self._kind = _CurrentLookupRPC
        else:
            self._kind = JobInfoLookupRPC
        self._asked: JobKVSLookupFuture | None = None
        self.errors: list[str] = []

    def fetch_data(self) -> JobKVSLookupFuture:
        """Ask for the values; returns the future of them all."""
        self._asked = JobKVSLookupFuture()
        for jobid in self._ids:
            self._asked.push(self._kind(self._handle, jobid, self._keys))
        return self._asked

    def data(self) -> list[JsonObject]:
        """Wait and return the values of each job, with its ``id``; raises OSError if that is not
        possible, but for unknown jobs and keys.
        """
        asked = self._asked or self.fetch_data()
        found = asked.get_decode() if self._decode else asked.get()
        self.errors = list(asked.errors)
        return found


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
