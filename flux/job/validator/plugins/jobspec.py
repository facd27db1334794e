"""Jobspec validator of the Python bindings, which is the default"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final

from flux.job.Jobspec import validate_jobspec
from flux.job.validator.validator import ValidatorJobInfo, ValidatorPlugin

if TYPE_CHECKING:
    import argparse

_VERSION: Final = re.compile("[0-9]{1,9}")


class JobspecValidator(ValidatorPlugin):
    """Checks with `flux.job.Jobspec.validate_jobspec`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--require-version",
            metavar="V",
            default="1",
            help="require jobspec version V, or any if V is 'any' (default: 1)",
        )
        self.require_version: int | None = 1

    def configure(self, args: argparse.Namespace) -> None:
        """Take the required version from the arguments; raises ValueError if it is not a number."""
        text = args.require_version
        # argparse makes an empty list of the value "--".
        if not isinstance(text, str) or not (text == "any" or _VERSION.fullmatch(text)):
            raise ValueError("Invalid argument to --require-version")
        self.require_version = None if text == "any" else int(text)

    def validate(self, job: ValidatorJobInfo) -> tuple[int, str | None] | None:
        """Return what is wrong with the jobspec, None if nothing is."""
        try:
            validate_jobspec(job.jobspec, self.require_version)
        except (ValueError, TypeError, KeyError) as exc:
            return errno.EPERM, str(exc)
        return None


# What `JobValidator` looks for in a plugin.
Validator = JobspecValidator
