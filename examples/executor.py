#!/usr/bin/env python3
"""Jobs as futures: count the lines of files with one job each and collect the results.

flux start -s2 examples/executor.py FILE...
"""

from __future__ import annotations

import concurrent.futures
import sys

from flux.job import FluxExecutor, JobspecV1


def main(files: list[str]) -> int:
    """Run one `wc -l` a file; returns 1 if one of them failed."""
    with FluxExecutor() as executor:
        futures = [executor.submit(JobspecV1.from_command(["wc", "-l", name])) for name in files]
        concurrent.futures.wait(futures)
    failed = 0
    for name, future in zip(files, futures, strict=True):
        failed += future.result() != 0
        print(f"{name}: exit code {future.result()}, job {future.jobid()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
