"""The callbacks of a job shell's plugins by topic, as flux-shell(1) names them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.task import ShellTask

    Callback = Callable[..., object]

TOPICS: Final = (
    "shell.init",
    "shell.start",
    "shell.exit",
    "task.init",
    "task.fork",
    "task.exec",
    "task.exit",
)


class Named(Protocol):
    """A built-in plugin, as far as its callbacks are looked up."""

    @property
    def name(self) -> str:
        """What log messages call it."""


class PluginStack:
    """The loaded plugins of one shell and their callbacks, called in the order of loading.

    A ``shell.`` callback has no argument, a ``task.`` callback the task; those that were registered
    get the topic first. ``current`` is the plugin that is called, "" for none.
    """

    def __init__(self) -> None:
        self._callbacks: dict[str, list[tuple[str, Callback]]] = {topic: [] for topic in TOPICS}
        self.current = ""

    def load(self, plugin: Named) -> None:
        """Add the callbacks of a built-in plugin: ``shell.init`` is its method ``shell_init``."""
        for topic, callbacks in self._callbacks.items():
            method = getattr(plugin, topic.replace(".", "_"), None)
            if method is not None:
                callbacks.append((plugin.name, method))

    def register(self, name: str, glob: str, function: Callback) -> None:
        """Add ``function``, called with the topic first, for every topic that matches ``glob``."""
        for topic, callbacks in self._callbacks.items():
            if fnmatchcase(topic, glob):
                callbacks.append((name, _with_topic(function, topic)))

    def wants(self, topic: str) -> bool:
        """Return whether some plugin has a callback for ``topic``."""
        return bool(self._callbacks[topic])

    def call(self, topic: str, *args: ShellTask) -> None:
        """Call back for ``topic``; an exception stops the sequence, ``current`` names the plugin at
        fault.
        """
        for name, callback in self._callbacks[topic]:
            self.current = name
            callback(*args)
        self.current = ""


def _with_topic(function: Callback, topic: str) -> Callback:
    def call(*args: object) -> object:
        return function(topic, *args)

    return call
