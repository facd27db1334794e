"""What tasks of ``flux modprobe`` work with: the broker, what other tasks left, commands."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING

from flux.core.attributes import attribute_of
from flux.treedict import get_treedict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flux.core.handle import Flux


def _connect() -> Flux:
    from flux.core.handle import Flux

    return Flux()


class Context:
    """What tasks work with: the broker, values that they leave for each other, and ways to act.

    ``connect`` makes a connection, of which each thread has one; by default to the instance that
    FLUX_URI names.
    """

    def __init__(
        self,
        verbose: bool = False,
        dry_run: bool = False,
        connect: Callable[[], Flux] | None = None,
    ) -> None:
        self._connect = _connect if connect is None else connect
        self.verbose = verbose
        self.dry_run = dry_run
        self._tls = threading.local()
        self._values: dict[str, object] = {}
        self._lock = threading.Lock()
        self._rank: int | None = None

    @property
    def handle(self) -> Flux:
        """A connection of this task's thread; raises OSError if there is no instance."""
        found: Flux | None = getattr(self._tls, "handle", None)
        if found is None:
            found = self._tls.handle = self._connect()
        return found

    @property
    def rank(self) -> int:
        """The rank of the broker; raises OSError if there is no instance."""
        with self._lock:
            if self._rank is None:
                self._rank = self.handle.get_rank()
            return self._rank

    def print(self, *args: object) -> None:
        """Print something if this is to be verbose."""
        if self.verbose:
            print(*args, flush=True)

    def get(self, key: str, default: object = None) -> object:
        """Return a value that a task left."""
        return self._values.get(key, default)

    def set(self, key: str, value: object) -> None:
        """Leave a value for other tasks."""
        self._values[key] = value

    def attr_get(self, attr: str, default: str | None = None) -> str | None:
        """Return a broker attribute; raises OSError if the broker cannot be asked."""
        value = attribute_of(self.handle, attr)
        return default if value is None else value

    def conf_get(self, key: str, default: object = None) -> object:
        """Return a value of the configuration, by a key whose periods separate the levels; raises
        OSError if the broker cannot be asked.
        """
        return get_treedict(self.handle.rpc("config.get").get(), key, default)

    def rpc(self, topic: str, payload: object = None, nodeid: int | None = None) -> object:
        """Send a request and return the answer; raises OSError as the service does."""
        if nodeid is None:
            return self.handle.rpc(topic, payload).get()
        return self.handle.rpc(topic, payload, nodeid).get()

    def getenv(self, var: str, default: str | None = None) -> str | None:
        """Return a variable of the environment."""
        return os.environ.get(var, default)

    def setenv(self, name_or_env: str | Mapping[str, str], value: str | None = None) -> None:
        """Set variables of the environment, which the commands of later tasks see."""
        if isinstance(name_or_env, str):
            os.environ[name_or_env] = value or ""
        else:
            os.environ.update(name_or_env)

    def bash(self, command: str) -> None:
        """Run a command in bash; raises RuntimeError if it fails, OSError if there is no bash."""
        status = subprocess.run(["bash", "-c", command], check=False).returncode
        if status < 0:
            raise RuntimeError(f"bash: killed by signal {-status}")
        if status:
            raise RuntimeError(f"bash: exited with exit status {status}")

    def close(self) -> None:
        """Close the connection of this thread, if it has one."""
        found: Flux | None = getattr(self._tls, "handle", None)
        if found is not None:
            found.close()
            self._tls.handle = None
