"""Run tests beside each other, and what fails there once more alone.

``python -m tests.alone PYTEST-ARGUMENTS`` exits as pytest does. When a few tests fail, they alone
are run again, by one worker in a new process: what fails again, or cannot be tried, is a failure.
What passes is named at the end, for it is a defect too: of the test, or of what it tests
(docs/decisions/alone.md).
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 10
"""More failures than this are no accident, and are not tried again."""

FAILED = "v/cache/lastfailed"
"""Where pytest keeps the failures of a run, in its cache directory."""


def _pytest(cache: str, *arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"cache_dir={cache}", *arguments]
    return subprocess.run(command, check=False).returncode


def _failed(cache: str) -> list[str]:
    path = pathlib.Path(cache) / FAILED
    return sorted(json.loads(path.read_text())) if path.exists() else []


def run(arguments: Sequence[str], beside: Sequence[str]) -> int:
    """Run pytest with the arguments, first with those ``beside`` that start its workers.

    Returns its exit code, that of the second run where there was one.
    """
    with tempfile.TemporaryDirectory() as cache:
        code = _pytest(cache, *beside, *arguments)
        failed = _failed(cache)
        if code != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed) <= MOST:
            return code
        print(f"\n== {len(failed)} failed among the others; once more, alone", flush=True)
        code = _pytest(cache, "--last-failed", "--last-failed-no-failures=none", *arguments)
        if code == pytest.ExitCode.OK:
            print("== These passed alone, but failed among the others: each is to be mended.")
            print("\n".join(failed), flush=True)
        return code


def main(arguments: Sequence[str]) -> int:
    """Split the arguments at ``--``: before it what is only for the run beside each other."""
    if "--" not in arguments:
        return run(arguments, ())
    cut = list(arguments).index("--")
    return run(arguments[cut + 1 :], arguments[:cut])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
