"""The worker of job-ingest: reads a JSON object per line, answers with one per line, in order."""

from __future__ import annotations

import errno
import sys

from flux.job.validator.validator import JobValidator, ValidatorJobInfo, ValidatorResult


def main() -> int:
    """Validate jobs from stdin until it ends; returns the exit code."""
    validator = JobValidator(sys.argv[1:])
    try:
        validator.start()
    except Exception as exc:  # a plugin is anybody's code
        sys.stderr.write(f"flux-job-validator: {_sentence(exc)}\n")
        return 1
    for line in sys.stdin.buffer:
        try:
            result = validator.validate(ValidatorJobInfo(line))
        except (ValueError, KeyError, TypeError) as exc:
            result = ValidatorResult()
            result.push_result(errno.EPROTO, f"malformed request: {exc}")
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
    validator.stop()
    return 0


def _sentence(exc: Exception) -> str:
    """Return in one line why the plugins cannot be used."""
    if isinstance(exc, OSError) and exc.filename is not None:
        return f"{exc.filename}: {exc.strerror}"
    if isinstance(exc, ValueError | ImportError):
        return str(exc)
    return f"{type(exc).__name__}: {exc}"


if __name__ == "__main__":
    sys.exit(main())
