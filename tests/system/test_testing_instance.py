"""An instance for tests ends with the process that started it, even if that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import psutil

from tests.system.watching import has_ended, until

PROGRAM = """
from flux.testing.instance import running_instance
with running_instance(2) as instance:
    print(instance.process.pid, flush=True)
    input()
"""


def test_it_ends_when_whoever_started_it_is_killed() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    started = psutil.Process(int(process.stdout.readline()))
    brokers = started.children(recursive=True)
    assert len(brokers) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until(lambda: all(map(has_ended, [started, *brokers])))
