"""Use the feasibility service to validate a job

The service is the scheduler's ``sched.feasibility``, unless another one is named.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.job.validator.validator import ValidatorJobInfo, ValidatorPlugin

if TYPE_CHECKING:
    import argparse


class FeasibilityValidator(ValidatorPlugin):
    """Asks the scheduler about each job; lets everything pass when it cannot tell."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--feasibility-service",
            metavar="NAME",
            default="sched.feasibility",
            help="ask service NAME (default: sched.feasibility)",
        )
        self.service = "sched.feasibility"

    def configure(self, args: argparse.Namespace) -> None:
        """Take the name of the service from the arguments."""
        self.service = args.feasibility_service

    def validate(self, job: ValidatorJobInfo) -> tuple[int, str | None] | None:
        """Return why the job can never run, None if it can."""
        try:
            job.flux.rpc(self.service, {"jobspec": job.jobspec}).get()
        except OSError as exc:
            if exc.errno == errno.ENOSYS:
                return None
            return exc.errno or errno.EINVAL, exc.strerror
        return None


# What `JobValidator` looks for in a plugin.
Validator = FeasibilityValidator
