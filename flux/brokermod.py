"""Modules of the broker as classes (docs/modules.md; flux.brokermod of today's flux-core)."""

from __future__ import annotations

import errno
import inspect
import syslog
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from flux.constants import (
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_ROLE_OWNER,
    FLUX_ROLE_USER,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from flux.core.handle import Flux

F = TypeVar("F", bound="Callable[..., object]")

_MARK: Final = "_flux_handler"


@dataclass(frozen=True, slots=True)
class _Handler:
    """What a method handles."""

    msgtype: int
    topic: str
    prefix: bool
    allow_guest: bool = False


def request_handler(topic: str, prefix: bool = True, allow_guest: bool = False) -> Callable[[F], F]:
    """Have a method called with each request for ``MODULE.TOPIC``, or with ``prefix`` False for the
    topic as it is; ``allow_guest`` lets users other than the owner in.
    """
    return _marked(_Handler(FLUX_MSGTYPE_REQUEST, topic, prefix, allow_guest))


def event_handler(topic: str, prefix: bool = True) -> Callable[[F], F]:
    """Have a method called with each event ``MODULE.TOPIC``, or with ``prefix`` False of the topic
    as it is.
    """
    return _marked(_Handler(FLUX_MSGTYPE_EVENT, topic, prefix))


def _marked(handler: _Handler) -> Callable[[F], F]:
    def mark(method: F) -> F:
        setattr(method, _MARK, handler)
        return method

    return mark


class BrokerLogger:
    """Writes to the broker's log what is as urgent as ``level``, a number of syslog(3) or its name,
    or more; by default everything.
    """

    LEVEL_NAMES: ClassVar[dict[str, int]] = {
        "emerg": syslog.LOG_EMERG,
        "alert": syslog.LOG_ALERT,
        "crit": syslog.LOG_CRIT,
        "err": syslog.LOG_ERR,
        "warning": syslog.LOG_WARNING,
        "notice": syslog.LOG_NOTICE,
        "info": syslog.LOG_INFO,
        "debug": syslog.LOG_DEBUG,
    }

    def __init__(self, h: Flux) -> None:
        self._handle = h
        self._level = syslog.LOG_DEBUG

    @property
    def level(self) -> int:
        """The least urgent level that is written."""
        return self._level

    @level.setter
    def level(self, value: int | str) -> None:
        if isinstance(value, str):
            if value not in self.LEVEL_NAMES:
                known = ", ".join(self.LEVEL_NAMES)
                raise ValueError(f"invalid log level {value!r}: expected one of {known}")
            value = self.LEVEL_NAMES[value]
        self._level = value

    @property
    def level_name(self) -> str:
        """The name of `level`, its number if it has none."""
        names = {number: name for name, number in self.LEVEL_NAMES.items()}
        return names.get(self._level, str(self._level))

    def __call__(self, level: int, msg: str) -> None:
        """Write a message; raises OSError if the connection is lost."""
        if level <= self._level:
            self._handle.log(level, msg)

    def debug(self, msg: str) -> None:
        """Write at level debug."""
        self(syslog.LOG_DEBUG, msg)

    def info(self, msg: str) -> None:
        """Write at level info."""
        self(syslog.LOG_INFO, msg)

    def notice(self, msg: str) -> None:
        """Write at level notice."""
        self(syslog.LOG_NOTICE, msg)

    def warning(self, msg: str) -> None:
        """Write at level warning."""
        self(syslog.LOG_WARNING, msg)

    def error(self, msg: str) -> None:
        """Write at level err."""
        self(syslog.LOG_ERR, msg)

    def critical(self, msg: str) -> None:
        """Write at level crit."""
        self(syslog.LOG_CRIT, msg)

    def alert(self, msg: str) -> None:
        """Write at level alert."""
        self(syslog.LOG_ALERT, msg)

    def emerg(self, msg: str) -> None:
        """Write at level emerg."""
        self(syslog.LOG_EMERG, msg)


class BrokerModule:
    """Base class of modules: methods with `request_handler` and `event_handler` are called until
    the module ends. ``log`` writes to the broker's log.
    """

    def __init__(self, h: Flux, *args: str) -> None:
        self._handle = h
        self._args = args
        self.log = BrokerLogger(h)
        for _, method in inspect.getmembers(self, inspect.ismethod):
            handler: _Handler | None = getattr(method, _MARK, None)
            if handler is not None:
                self._register(handler, method)

    @property
    def handle(self) -> Flux:
        """The connection of the module."""
        return self._handle

    @property
    def name(self) -> str:
        """The name under which the module is loaded."""
        return self._handle.log_name

    @property
    def args(self) -> tuple[str, ...]:
        """The words after the module's name in ``flux module load``."""
        return self._args

    def _register(self, handler: _Handler, method: Callable[..., object]) -> None:
        topic = f"{self.name}.{handler.topic}" if handler.prefix else handler.topic
        if handler.msgtype == FLUX_MSGTYPE_EVENT:
            self._handle.event_subscribe(topic)
        roles = FLUX_ROLE_OWNER | (FLUX_ROLE_USER if handler.allow_guest else 0)
        self._handle.msg_watcher_create(
            lambda _handle, _watcher, message, _args: method(message),
            type_mask=handler.msgtype,
            topic_glob=topic,
            rolemask=roles if handler.msgtype == FLUX_MSGTYPE_REQUEST else None,
        ).start()

    def set_running(self) -> None:
        """Let ``flux module load`` return, before `run` does."""
        self._handle.module_set_running()

    def debug_test(self, flag: int, clear: bool = False) -> bool:
        """Return whether a debug flag is set, which ``flux module debug`` changes; ``clear`` clears
        it.
        """
        return self._handle.debug_test(flag, clear=clear)

    def stop(self) -> None:
        """Have `run` return."""
        self._handle.reactor_stop()

    def stop_error(self) -> None:
        """Have `run` raise OSError."""
        self._handle.reactor_stop_error()

    def run(self) -> None:
        """Call the handlers until the module ends. Raises OSError after `stop_error`, and what a
        handler raises.
        """
        if self._handle.reactor_run() == -1:
            raise OSError(errno.EIO, f"{self.name}: the reactor was stopped with an error")


def resolve_entry_point(mod: ModuleType) -> Callable[..., object]:
    """Return what a file's module runs as: its ``mod_main``, or its only class of `BrokerModule`.

    Raises ValueError if it has neither, or several classes.
    """
    main: Callable[..., object] | None = getattr(mod, "mod_main", None)
    if callable(main):
        return main
    found = [
        kind
        for _, kind in inspect.getmembers(mod, inspect.isclass)
        if issubclass(kind, BrokerModule) and kind.__module__ == mod.__name__
    ]
    if not found:
        raise ValueError("no mod_main() or BrokerModule subclass found")
    if len(found) > 1:
        names = ", ".join(kind.__name__ for kind in found)
        raise ValueError(f"multiple BrokerModule subclasses found ({names}); define mod_main()")
    return lambda h, *args: found[0](h, *args).run()
