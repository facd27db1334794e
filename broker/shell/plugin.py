"""Shell plugins: callbacks by topic, as flux-shell(1) names them.

A built-in plugin is a class with methods named after topics (``shell.init`` is `shell_init`). Others register callables for topic
globs. Callbacks run in the order of loading.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from broker.shell.shell import Shell
    from broker.shell.task import Task

TOPICS = (
    "shell.init",
    "shell.start",
    "shell.exit",
    "task.init",
    "task.fork",
    "task.exec",
    "task.exit",
)


class Plugin:
    """Base of the built-in plugins; each handles one concern and overrides the callbacks it needs."""

    name: ClassVar[str]

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def wanted(self) -> bool:
        """Return False when the job's options make the plugin pointless; it is then not loaded."""
        return True


class PluginStack:
    """The loaded plugins of one shell and their callbacks."""

    def __init__(self) -> None:
        self._callbacks: dict[str, list[tuple[str, Callable[..., Any]]]] = {
            topic: [] for topic in TOPICS
        }
        self.current = ""

    def load(self, plugin: Plugin) -> None:
        """Add the callbacks of a built-in plugin."""
        for topic, callbacks in self._callbacks.items():
            method = getattr(plugin, topic.replace(".", "_"), None)
            if method is not None:
                callbacks.append((plugin.name, method))

    def register(self, name: str, glob: str, function: Callable[..., Any]) -> None:
        """Add `function`, called with the topic first, for every topic that matches `glob`."""
        for topic, callbacks in self._callbacks.items():
            if fnmatchcase(topic, glob):
                callbacks.append((name, _with_topic(function, topic)))

    def wants(self, topic: str) -> bool:
        """Return True when some plugin has a callback for `topic`."""
        return bool(self._callbacks[topic])

    def call(self, topic: str, *args: Task) -> None:
        """Call back for `topic`; an exception stops the sequence, `current` names the plugin at fault."""
        for name, callback in self._callbacks[topic]:
            self.current = name
            callback(*args)
        self.current = ""


def _with_topic(function: Callable[..., Any], topic: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        return function(topic, *args)

    return call
