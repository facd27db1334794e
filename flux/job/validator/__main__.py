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
    except (ValueError, ImportError) as exc:
        sys.stderr.write(f"flux-job-validator: {exc}\n")
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


if __name__ == "__main__":
    sys.exit(main())
