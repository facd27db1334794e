"""What `test_plugin_worker` runs in a child: a handler for each way to behave."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
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


def _daemon(then: object) -> object:
    """Start a process that is nobody's, with all that is open here."""
    if os.fork() == 0:
        os.setsid()
        if (started := os.fork()) == 0:
            time.sleep(1000)
        child.log(6, f"started {started}")
        os._exit(0)
    os.wait()
    if then == "die":
        os._exit(3)
    return _spin(None) if then == "spin" else None


def _raw(texts: object) -> object:
    """Write what is no answer to the broker."""
    assert isinstance(texts, list)
    os.write(int(sys.argv[-1]), bytes(texts))
    return None


def _chatter(_: object) -> object:
    def talk(letter: str) -> None:
        for _ in range(50):
            child.log(6, letter * 100_000)

    threads = [threading.Thread(target=talk, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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
        "daemon": _daemon,
        "raw": _raw,
        "chatter": _chatter,
    },
    __file__,
)
