"""Arguments that are job ids in the commands that report in the manner of argparse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from fluxctl.job.options import JobIdArguments

if TYPE_CHECKING:
    from flux.job.JobID import JobID

    ParamType = click.ParamType["JobID"]
else:
    ParamType = click.ParamType  # of what it returns only since click 8.4


class JobIdValue(ParamType):
    """A job id in any of its spellings."""

    name = "JobID"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> JobID:
        """Return the id; fails as a usage error if there is none."""
        from flux.job.JobID import JobID

        try:
            return JobID(str(value))
        except (ValueError, OSError, OverflowError):
            self.fail(f"invalid JobID value: {str(value)!r}", param, ctx)


JOBID: Final = JobIdValue()


class JobIds(JobIdArguments):
    """Job ids, any number of them; those of the newest jobs complete what is typed."""

    @property
    def human_readable_name(self) -> str:
        """What errors call the argument."""
        return super().human_readable_name.strip("[]").removesuffix(" ...")
