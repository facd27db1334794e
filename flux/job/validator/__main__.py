"""``flux job-validator``, and the worker of job-ingest: reads a JSON object per line, answers with
one per line, in order.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Final

from flux.job.validator.validator import JobValidator, ValidatorJobInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM: Final = "flux-job-validator"
_COLUMN: Final = 22


def main(argv: Sequence[str] | None = None) -> int:
    """Validate jobs from stdin until it ends; returns the exit code, 1 if any is not valid.

    Of ``argv``, by default the process's arguments, the validator and its plugins get what this
    command does not know.
    """
    options, rest = _parser().parse_known_args(argv)
    validator = JobValidator(rest, parser=_parser())
    if options.list_plugins:
        sys.stdout.write("Available plugins:\n")
        for name, text in validator.summaries().items():
            sys.stdout.write(f"{name:<{_COLUMN}}{text}\n")
        return 0
    try:
        if options.help:
            validator.load()
            sys.stdout.write(validator.parser.format_help())
            return 0
        validator.start()
    except Exception as exc:  # a plugin is anybody's code
        sys.stderr.write(f"{PROGRAM}: CRITICAL: {_sentence(exc)}\n")
        return 1
    try:
        return _serve(validator, jobspec_only=options.jobspec_only)
    finally:
        validator.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        PROGRAM,
        description="Validate Flux jobs from lines of JSON input on stdin",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="show this, and exit")
    parser.add_argument(
        "--jobspec-only", action="store_true", help="expect nothing but jobspecs on stdin"
    )
    parser.add_argument(
        "--list-plugins", action="store_true", help="list the validator plugins, and exit"
    )
    return parser


def _serve(validator: JobValidator, *, jobspec_only: bool) -> int:
    """Answer each line of stdin; returns the exit code."""
    bad = False
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            job = ValidatorJobInfo({"jobspec": value} if jobspec_only else value)
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            text = "no jobspec" if isinstance(exc, KeyError) else str(exc)
            sys.stderr.write(f"{PROGRAM}: ERROR: {text}\n")
            return 1
        result = validator.validate(job)
        bad = bad or not result.success
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    return 1 if bad else 0


def _sentence(exc: Exception) -> str:
    """Return in one line why the plugins cannot be used."""
    if isinstance(exc, OSError) and exc.filename is not None:
        return f"{exc.filename}: {exc.strerror}"
    if isinstance(exc, ValueError | ImportError):
        return str(exc)
    return f"{type(exc).__name__}: {exc}"


if __name__ == "__main__":
    sys.exit(main())
