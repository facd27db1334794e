"""The plugin stack of a job shell: who is called for which topic (flux-shell(1), PLUGINS).

A plugin has a name and handlers, each for a topic glob; of those that match a topic, the first
that was registered is called. Names are unique: one that is loaded under
a name that is taken replaces the plugin that had it, so that a site's ``pmi`` stands in for the
built-in one. Topics are not a closed set: any plugin may call the stack with one of its own.
"""

from __future__ import annotations

import functools
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    Callback = Callable[..., object]
    Handler = tuple[str, Callback]

TOPICS: Final = (
    "shell.connect",
    "shell.init",
    "shell.post-init",
    "shell.start",
    "shell.finish",
    "shell.exit",
    "shell.log",
    "shell.log-setlevel",
    "task.init",
    "task.fork",
    "task.exec",
    "task.exit",
)
"""The topics that the shell itself calls, besides ``taskmap.SCHEME``."""


METHODS: Final = {topic: topic.replace(".", "_").replace("-", "_") for topic in TOPICS}
"""The method of a built-in plugin that is called for a topic."""


@functools.lru_cache(maxsize=256)
def _having(kinds: tuple[type, ...], topic: str) -> tuple[int, ...]:
    """Return which of the kinds of built-in plugins have a callback for ``topic``. Shells of one
    process mostly have the same ones.
    """
    method = METHODS.get(topic)
    return tuple(
        place for place, kind in enumerate(kinds) if method is not None and hasattr(kind, method)
    )


class Named(Protocol):
    """A built-in plugin, as far as its callbacks are looked up."""

    @property
    def name(self) -> str:
        """What log messages call it, and what a plugin that replaces it registers."""


class PluginStack:
    """The loaded plugins of one shell and their callbacks, called in the order of loading.

    A built-in plugin's callback has no argument, or the task for ``task.`` topics. A handler that
    was registered gets the topic first, then what the topic is called with. ``current`` is the
    plugin that is called, "" for none.
    """

    def __init__(self) -> None:
        self._builtins: dict[str, Named] = {}
        self._handlers: dict[str, list[Handler]] = {}
        self._found: dict[str, list[tuple[str, Callback]]] = {}
        self._plugins: list[Named] = []
        self._kinds: tuple[type, ...] | None = None
        self.current = ""

    def load(self, plugin: Named) -> None:
        """Add a built-in plugin: its callback for ``shell.init`` is its method ``shell_init``."""
        self._builtins[plugin.name] = plugin
        self._handlers[plugin.name] = []
        self._changed()

    def remove(self, name: str) -> None:
        """Forget the plugin ``name``, if there is one."""
        self._builtins.pop(name, None)
        self._handlers.pop(name, None)
        self._changed()

    def _changed(self) -> None:
        self._found.clear()
        self._kinds = None

    def is_builtin(self, name: str) -> bool:
        """Return whether the plugin ``name`` is a built-in one that nothing has replaced."""
        return name in self._builtins

    def push(self, name: str) -> None:
        """Begin the plugin ``name``: whatever has that name is replaced and goes last."""
        self.remove(name)
        self._handlers[name] = []

    def register(self, name: str, glob: str, function: Callback) -> None:
        """Have the plugin ``name`` call ``function``, with the topic first, for every topic that
        matches ``glob`` and none of its globs before; a built-in plugin of that name is replaced.
        """
        if name in self._builtins or name not in self._handlers:
            self.push(name)
        self._handlers[name].append((glob, function))
        self._found.clear()

    def wants(self, topic: str) -> bool:
        """Return whether some plugin has a callback for ``topic``."""
        return bool(self._callbacks(topic))

    def call(self, topic: str, *args: object) -> None:
        """Call back for ``topic``; an exception stops the sequence, ``current`` names the plugin at
        fault.
        """
        for name, callback in self._callbacks(topic):
            # A callback may call the stack itself: what it returns to is still running.
            outer, self.current = self.current, name
            callback(*args)
            self.current = outer

    def _callbacks(self, topic: str) -> list[tuple[str, Callback]]:
        found = self._found.get(topic)
        if found is None:
            found = self._found[topic] = self._search(topic)
        return found

    def _search(self, topic: str) -> list[tuple[str, Callback]]:
        if len(self._builtins) == len(self._handlers):
            return self._search_builtins(topic)
        found: list[tuple[str, Callback]] = []
        for name, handlers in self._handlers.items():
            plugin = self._builtins.get(name)
            if plugin is not None:
                if _having((type(plugin),), topic):
                    found.append((name, getattr(plugin, METHODS[topic])))
                continue
            for glob, function in handlers:
                if fnmatchcase(topic, glob):
                    found.append((name, _with_topic(function, topic)))
                    break
        return found

    def _search_builtins(self, topic: str) -> list[tuple[str, Callback]]:
        if self._kinds is None:
            self._plugins = list(self._builtins.values())
            self._kinds = tuple(map(type, self._plugins))
        places = _having(self._kinds, topic)
        if not places:
            return []
        method, plugins = METHODS[topic], self._plugins
        return [(plugins[place].name, getattr(plugins[place], method)) for place in places]


def _with_topic(function: Callback, topic: str) -> Callback:
    def call(*args: object) -> object:
        return function(topic, *args)

    return call
