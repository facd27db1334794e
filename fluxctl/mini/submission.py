"""What a bulk submission is made of: its jobs, and what is to be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxctl.mini.request import JobRequest


@dataclass(slots=True)
class JobToSubmit:
    """One job to submit, and where its talk goes.

    ``request`` is what to submit, None once it has been sent, for many jobs may wait to be watched.
    ``log`` and ``log_stderr`` are the files for stdout and stderr, None for the terminal;
    ``description`` is the job in one line, shown with ``--verbose``; ``cc`` is which copy of its
    command line it is, empty if there is one alone.
    """

    request: JobRequest | None
    log: str | None = None
    log_stderr: str | None = None
    description: str = ""
    cc: str = ""


@dataclass(slots=True)
class Settings:
    """What to do with the jobs: ``wait`` until all are complete, ``watch`` their output, each line
    with its task rank if ``label`` says so, print their ids unless ``quiet``.

    With ``wait_event`` a job counts as over at that event, or at its end if that comes before.
    With ``label_jobs`` labels name the job, too; with ``raw`` nothing but output is shown.
    ``verbose`` 1 shows each submission, 2 also the jobs' events. ``stdin`` is the descriptor that
    inputs are read from while jobs are made, None if they are known. With ``todays`` jobs are told
    of in the words of today's flux-core: 1 shows how each ended.
    """

    wait: bool = False
    watch: bool = False
    quiet: bool = False
    label: bool = False
    verbose: int = 0
    stdin: int | None = None
    wait_event: str | None = None
    raw: bool = False
    label_jobs: bool = False
    todays: bool = False

    @property
    def waits(self) -> bool:
        """Whether jobs are followed after their submission."""
        return self.wait or self.watch or self.wait_event is not None
