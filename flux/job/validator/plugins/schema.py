"""Validate a jobspec with a JSON schema

It needs the Python package jsonschema.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from flux.job.validator.validator import ValidatorJobInfo, ValidatorPlugin
from flux.wire import json

if TYPE_CHECKING:
    import argparse


class SchemaValidator(ValidatorPlugin):
    """Checks jobspecs against the schema in a file."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--schema", metavar="FILE", help="check jobspecs with the JSON schema in FILE"
        )
        self.checker: Any = None

    def configure(self, args: argparse.Namespace) -> None:
        """Read the schema; raises OSError for a file that cannot be read, ValueError for one that
        is no schema, and if jsonschema is not installed.
        """
        if args.schema is None:
            raise ValueError("the plugin schema needs --schema=FILE")
        try:
            import jsonschema
        except ImportError:
            raise ValueError("the plugin schema needs the Python package jsonschema") from None
        with open(args.schema, "rb") as file:
            try:
                schema = json.loads(file.read())
            except ValueError as exc:
                raise ValueError(f"{args.schema}: {exc}") from None
        kind = jsonschema.validators.validator_for(schema)
        try:
            kind.check_schema(schema)
        except jsonschema.SchemaError as exc:
            raise ValueError(f"{args.schema}: {exc.message}") from None
        self.checker = kind(schema)

    def validate(self, job: ValidatorJobInfo) -> tuple[int, str | None] | None:
        """Return what is wrong with the jobspec, None if nothing is."""
        for error in self.checker.iter_errors(job.jobspec):
            return errno.EINVAL, str(error.message)
        return None


# What `JobValidator` looks for in a plugin.
Validator = SchemaValidator
