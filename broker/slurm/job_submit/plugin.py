"""What a plugin is to the chain of plugins, and how the chain is gone through."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from broker.faults import FAILURES, described
from broker.slurm.constants import SLURM_SUCCESS
from broker.slurm.errors import slurm_strerror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.slurm.job_submit.job_desc import JobDesc, JobRec
    from broker.slurm.job_submit.talk import Talk


class SubmitPlugin(Protocol):
    """One plugin: its functions return ``SLURM_SUCCESS`` or the number of an error, or raise
    OSError.
    """

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> str: ...
    def submit(self, draft: JobDesc, userid: int) -> int: ...
    def modify(self, draft: JobDesc, record: JobRec, userid: int) -> int: ...


class JobSubmitRefusal(Struct, frozen=True):
    """Why a job is not taken: an error number and its sentence."""

    errnum: int
    text: str


def refusal_of(code: int, plugin: str) -> JobSubmitRefusal:
    """Return the refusal that a return code of a plugin stands for.

    Errors of Slurm and of the system keep their numbers; what is none, as ``SLURM_ERROR``, becomes
    EINVAL. Its text says nothing, so who refuses is told before it.
    """
    text = slurm_strerror(code)
    if code > 0:
        return JobSubmitRefusal(code, text)
    return JobSubmitRefusal(errno.EINVAL, f"job_submit/{plugin} refused: {text}")


def consult(
    plugins: Iterable[SubmitPlugin], ask: Callable[[SubmitPlugin], int], talk: Talk
) -> JobSubmitRefusal | None:
    """Ask plugins in their order, up to the first that refuses; returns its refusal, None if none
    does.
    """
    for plugin in plugins:
        try:
            code = ask(plugin)
        except OSError as exc:
            return JobSubmitRefusal(exc.errno or errno.EIO, exc.strerror or str(exc))
        except FAILURES as exc:
            text = f"job_submit/{plugin.name}: {described(exc, plugin.file)}"
            talk.say(-1, text)
            return JobSubmitRefusal(errno.EINVAL, text)
        if code != SLURM_SUCCESS:
            return refusal_of(code, plugin.name)
    return None
