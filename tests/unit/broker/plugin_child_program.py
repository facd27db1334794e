"""What `test_plugin_worker` runs in a child: a handler for each way to behave."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time

from broker.plugin_child import PluginChild


def _fail(payload: object) -> object:
    raise OSError(errno.ENOENT, f"no {payload}")


def _spin(_: object) -> object:
    while True:
        pass


def _leave_a_child(_: object) -> object:
    started = subprocess.Popen(["sleep", "1000"])
    child.log(6, f"started {started.pid}")
    time.sleep(1000)
    return None


def _print(payload: object) -> object:
    print(payload)
    return None


child = PluginChild(sys.argv)
child.serve(
    {
        "setup": lambda payload: {"setup": payload, "pid": os.getpid()},
        "echo": lambda payload: payload,
        "fail": _fail,
        "broken": lambda payload: 1 // 0,
        "exit": lambda payload: sys.exit(3),
        "die": lambda payload: os._exit(3),
        "unspeakable": lambda payload: object(),
        "spin": _spin,
        "leave": _leave_a_child,
        "print": _print,
    },
    __file__,
)
