"""What tasks of ``flux modprobe`` work with: the broker, what other tasks left, commands."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING, Protocol

from flux.core.attributes import attribute_of
from flux.treedict import get_treedict
from flux.wire.errors import may_be_unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flux.core.handle import Flux


def _connect() -> Flux:
    from flux.core.handle import Flux

    return Flux()


class Tasks(Protocol):
    """What a context changes by what ``setup`` of a file asks for: a `flux.modprobe.Modprobe`."""

    def enable(self, name: str) -> None:
        """Have a task run whatever it needs."""

    def set_alternative(self, name: str, alternative: str) -> None:
        """Have a task count for a service."""

    def activate_modules(self, modules: Iterable[str]) -> None:
        """Have modules loaded."""

    def set_remove(self, modules: Iterable[str] | None = None) -> None:
        """Have modules unloaded."""


class Context:
    """What tasks work with: the broker, values that they leave for each other, and ways to act.

    The function ``setup`` of a file has it, too, and says by it what runs of ``modprobe``.

    ``connect`` makes a connection, of which each thread has one; by default to the instance that
    FLUX_URI names.
    """

    def __init__(
        self,
        modprobe: Tasks,
        verbose: bool = False,
        dry_run: bool = False,
        connect: Callable[[], Flux] | None = None,
    ) -> None:
        self.modprobe = modprobe
        self._options: dict[str, tuple[list[str], bool]] = {}
        self._connect = _connect if connect is None else connect
        self.verbose = verbose
        self.dry_run = dry_run
        self.tls = threading.local()
        self._values: dict[str, object] = {}
        self._lock = threading.Lock()
        self._rank: int | None = None

    @property
    def handle(self) -> Flux:
        """A connection of this task's thread; raises OSError if there is no instance."""
        found: Flux | None = getattr(self.tls, "handle", None)
        if found is None:
            found = self.tls.handle = self._connect()
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

    def setopt(self, module: str, options: str, overwrite: bool = False) -> None:
        """Have a module loaded with more arguments, words of a text; with ``overwrite`` with these
        and no others.
        """
        before, only = ([], True) if overwrite else self._options.get(module, ([], False))
        self._options[module] = ([*before, *options.split()], only)

    def getopts(
        self,
        name: str,
        default: Iterable[str] | None = None,
        also: Iterable[str] | None = None,
    ) -> list[str]:
        """Return the arguments of a module: ``default``, unless they were overwritten, and those of
        `setopt`, also those for other modules ``also``.
        """
        found, only = self._options.get(name, ([], False))
        more = [word for other in also or () for word in self._options.get(other, ([], False))[0]]
        return [*(() if only or default is None else default), *found, *more]

    def enable(self, name: str) -> None:
        """Have a task or module run whatever it needs, and on any rank; raises ValueError if there
        is none.
        """
        self.modprobe.enable(name)

    def set_alternative(self, name: str, alternative: str) -> None:
        """Have a module count for a service; raises ValueError if it does not provide it."""
        self.modprobe.set_alternative(name, alternative)

    def load_modules(self, modules: Iterable[str]) -> None:
        """Have modules loaded, too; raises ValueError for a name of none."""
        self.modprobe.activate_modules(modules)

    def remove_modules(self, modules: Iterable[str] | None = None) -> None:
        """Have modules unloaded, None for all that are loaded."""
        self.modprobe.set_remove(modules)

    def getenv(self, var: str, default: str | None = None) -> str | None:
        """Return a variable of the environment, of this process or else of the broker; raises
        OSError if the broker cannot be asked.
        """
        found = os.environ.get(var)
        if found is None:
            answer = self._of_broker("broker.getenv", {"names": [var]})
            found = answer["env"].get(var) if isinstance(answer, dict) else None
        return default if found is None else found

    def setenv(self, name_or_env: str | Mapping[str, str | None], value: str | None = None) -> None:
        """Set variables of the environment, None to unset one: of this process, whose later tasks
        and their commands see them, and of the broker, whose initial program and rc3 do.

        Raises ValueError for a value that is neither, OSError if the broker cannot be asked.
        """
        env = {name_or_env: value} if isinstance(name_or_env, str) else dict(name_or_env)
        for name, text in env.items():
            if text is not None and not isinstance(text, str):
                raise ValueError(f"{name}: value must be a string or None")
        for name, text in env.items():
            if text is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = text
        self._of_broker("broker.setenv", {"env": env})

    def _of_broker(self, topic: str, payload: object) -> object:
        """Ask the broker about its environment, of which an older one says nothing."""
        try:
            return self.rpc(topic, payload)
        except OSError as error:
            if not may_be_unknown(error.errno):
                raise
            return None

    def bash(self, command: str) -> None:
        """Run a command in bash; raises RuntimeError if it fails, OSError if there is no bash."""
        status = subprocess.run(["bash", "-c", command], check=False).returncode
        if status < 0:
            raise RuntimeError(f"bash: killed by signal {-status}")
        if status:
            raise RuntimeError(f"bash: exited with exit status {status}")

    def close(self) -> None:
        """Close the connection of this thread, if it has one."""
        found: Flux | None = getattr(self.tls, "handle", None)
        if found is not None:
            found.close()
            self.tls.handle = None
