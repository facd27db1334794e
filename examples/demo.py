#!/usr/bin/env python3
"""The main job of fluxctl on real input: hash the standard library with a four-broker instance
(`make demo`).

Boots four brokers, pipes the paths of the standard library's Python files through `flux mini
bulksubmit`, one `sha256sum` job a file, and shows them in the dashboard. Without a terminal it
prints progress lines and a summary. Exits with 1 if a job failed or a digest is wrong.

    examples/demo.py [--jobs N] [--brokers N] [--plain]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import flux
from flux.job import JobList

FLUX = pathlib.Path(sys.executable).with_name("flux")
INSIDE = "FLUX_DEMO_INPUTS"
PROGRESS_EVERY = 1.0  # seconds between progress lines
SHOWN = 5  # wrong digests and failed jobs that are listed


@dataclass(frozen=True)
class Summary:
    """How the demo went."""

    jobs: int
    ok: int
    failed: int
    wrong: int
    seconds: float

    def __str__(self) -> str:
        rate = self.ok / self.seconds if self.seconds else 0.0
        return (
            f"demo: {self.jobs} jobs, {self.ok} ok, {self.failed} failed, "
            f"{self.wrong} wrong digests, "
            f"{self.seconds:.1f} s, {rate:.0f} jobs/s"
        )

    @property
    def exit_code(self) -> int:
        return 0 if self.jobs and self.ok == self.jobs and not self.failed and not self.wrong else 1


def inputs(count: int) -> list[pathlib.Path]:
    """The first `count` Python files of the standard library, in order of their paths."""
    library = pathlib.Path(os.__file__).parent
    found = sorted(
        path
        for path in library.rglob("*.py")
        if "site-packages" not in path.parts and path.is_file()
    )
    return found[:count]


def expected_lines(paths: list[pathlib.Path]) -> list[str]:
    """What `sha256sum` prints for `paths`, computed here."""
    return sorted(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}" for path in paths)


def boot(options: argparse.Namespace) -> int:
    """Start the instance with this script as its initial program; returns its exit code."""
    arguments = [f"--jobs={options.jobs}", *(["--plain"] if options.plain else [])]
    command = [
        str(FLUX),
        "start",
        f"-s{options.brokers}",
        sys.executable,
        os.path.abspath(__file__),
        *arguments,
    ]
    path = f"{FLUX.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return subprocess.run(
        command, env={**os.environ, INSIDE: "1", "PATH": path}, check=False
    ).returncode


def submit(paths: list[pathlib.Path], digests: pathlib.Path) -> subprocess.Popen[str]:
    """Pipe `paths` into bulksubmit, one job each; the output of the jobs goes to the file
    `digests`.
    """
    with digests.open("w") as output:
        process = subprocess.Popen(
            [FLUX, "mini", "bulksubmit", "--quiet", "--watch", "sha256sum", "{}"],
            stdin=subprocess.PIPE,
            stdout=output,
            text=True,
        )
    assert process.stdin is not None
    process.stdin.write("".join(f"{path}\n" for path in paths))
    process.stdin.close()
    return process


def counts(handle: flux.Flux) -> tuple[int, int]:
    """Jobs that completed and jobs that failed so far."""
    stats = handle.rpc("job-list.job-stats", {}).get()
    failed = stats["failed"] + stats.get("canceled", 0) + stats.get("timeout", 0)
    return stats["job_states"]["inactive"] - failed, failed


def job_seconds(handle: flux.Flux) -> float:
    """Seconds from the first submission to the last end, as the job list has them."""
    jobs = JobList(
        handle, attrs=["t_submit", "t_inactive"], filters=["inactive"], max_entries=0
    ).jobs()
    return max(job.t_inactive for job in jobs) - min(job.t_submit for job in jobs) if jobs else 0.0


def follow(process: subprocess.Popen[str], handle: flux.Flux, total: int, started: float) -> None:
    """Print a progress line a second until bulksubmit ends."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PROGRESS_EVERY)
        ok, failed = counts(handle)
        elapsed = time.monotonic() - started
        print(
            f"demo: {ok + failed}/{total} done, {failed} failed, {elapsed:.1f} s, "
            f"{(ok + failed) / elapsed:.0f} jobs/s",
            flush=True,
        )
        if process.poll() is not None:
            return


def watch_in_dashboard(process: subprocess.Popen[str]) -> None:
    """Show the dashboard until the user leaves it, then wait for what is still running."""
    subprocess.run([FLUX, "top"], check=False)
    if process.poll() is None:
        print("demo: waiting for the jobs that still run", flush=True)
    process.wait()


def inside(options: argparse.Namespace) -> int:
    """The initial program: submit, show, check. Returns the exit code of the demo."""
    paths = inputs(options.jobs)
    handle = flux.Flux()
    with tempfile.TemporaryDirectory(prefix="fluxctl-demo-") as directory:
        digests = pathlib.Path(directory, "digests")
        started = time.monotonic()
        process = submit(paths, digests)
        if sys.stdout.isatty() and sys.stdin.isatty() and not options.plain:
            watch_in_dashboard(process)
        else:
            follow(process, handle, len(paths), started)
        seconds = job_seconds(handle)
        lines = sorted(digests.read_text().splitlines())
    ok, failed = counts(handle)
    differing = sorted(set(expected_lines(paths)) ^ set(lines))
    wrong = len(differing)
    summary = Summary(len(paths), ok, failed, wrong, seconds)
    print(summary, flush=True)
    for line in differing[:SHOWN]:
        print(f"demo: {'surplus' if line in lines else 'missing'}: {line}", file=sys.stderr)
    for job in JobList(handle, filters=["failed"], max_entries=SHOWN).jobs():
        print(f"demo: {job.id} {job.name} failed with {job.returncode}", file=sys.stderr)
    return summary.exit_code


def main() -> int:
    """Parse the command line and run; inside the instance when it was started by us."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--jobs", type=int, default=500, help="number of files to hash (default: %(default)s)"
    )
    parser.add_argument(
        "--brokers", type=int, default=4, help="number of brokers (default: %(default)s)"
    )
    parser.add_argument("--plain", action="store_true", help="progress lines even on a terminal")
    options = parser.parse_args()
    return inside(options) if os.environ.pop(INSIDE, None) else boot(options)


if __name__ == "__main__":
    sys.exit(main())
