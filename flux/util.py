"""What the manual puts into flux.util: encodings of message parts, durations, output formats, the
frame of a command.
"""

from __future__ import annotations

import errno
import functools
import importlib
import sys
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from flux.duration import fsd, parse_datetime, parse_fsd
from flux.output_format import OutputFormat
from flux.output_values import MISSING, UtilFormatter
from flux.treedict import del_treedict, dict_merge, get_treedict, set_treedict
from flux.waitstatus import INTERRUPTED
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from flux.command_options import HelpFormatterFactory
    from flux.command_options import TreedictAction as TreedictAction
    from flux.display import AltField as AltField
    from flux.display import Deduplicator as Deduplicator
    from flux.display import DisplayValue as DisplayValue
    from flux.display import Tree as Tree
    from flux.filearchive.fileref import Fileref as Fileref
    from flux.option_actions import ColorAction as ColorAction
    from flux.option_actions import FilterAction as FilterAction
    from flux.option_actions import FilterActionSetUpdate as FilterActionSetUpdate
    from flux.option_actions import FilterActionUser as FilterActionUser
    from flux.option_actions import FilterTrueAction as FilterTrueAction
    from flux.option_actions import YesNoAction as YesNoAction
    from flux.util_config import UtilConfig as UtilConfig
    from flux.util_config import xdg_searchpath as xdg_searchpath
    from flux.util_datetime import UtilDatetime as UtilDatetime

P = ParamSpec("P")
T = TypeVar("T")

__all__ = [
    "AltField",
    "CLIMain",
    "ColorAction",
    "Deduplicator",
    "DisplayValue",
    "Fileref",
    "FilterAction",
    "FilterActionSetUpdate",
    "FilterActionUser",
    "FilterTrueAction",
    "OutputFormat",
    "Tree",
    "TreedictAction",
    "UtilConfig",
    "UtilDatetime",
    "UtilFormatter",
    "YesNoAction",
    "check_future_error",
    "del_treedict",
    "dict_merge",
    "empty_outputs",
    "encode_payload",
    "encode_topic",
    "fsd",
    "get_treedict",
    "help_formatter",
    "interruptible",
    "parse_datetime",
    "parse_fsd",
    "set_treedict",
    "xdg_searchpath",
]


def encode_payload(payload: object) -> bytes | None:
    """Return a message payload as bytes: None and bytes unchanged, a string as UTF-8, anything else
    as JSON. Raises TypeError if JSON cannot express it.
    """
    if payload is None or isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return payload.encode("utf-8", errors="surrogateescape")
    return json.dumps(payload)


def encode_topic(topic: str | bytes | None) -> bytes:
    """Return a topic as bytes, a string in UTF-8. Raises OSError(EINVAL) for None, TypeError for
    what is neither a string nor bytes.
    """
    if topic is None:
        raise OSError(errno.EINVAL, "Topic must not be None/NULL")
    if isinstance(topic, bytes):
        return topic
    if isinstance(topic, str):
        return topic.encode("utf-8")
    raise TypeError(f"Topic must be a string, not {type(topic).__name__}")


def check_future_error(func: Callable[P, T]) -> Callable[P, T]:
    """Decorate a method of a future: an OSError it raises carries the future's own error text, if
    it has one.
    """

    @functools.wraps(func)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return func(*args, **kwargs)
        except OSError as error:
            text = getattr(args[0], "error_string", lambda: None)() if args else None
            if not text:
                raise
            raise OSError(error.errno, text) from None

    return wrapper


def interruptible(func: Callable[P, T]) -> Callable[P, T]:
    """Return a method that Ctrl+C ends while it waits; here all do, so it is ``func`` itself."""
    return func


def help_formatter(argwidth: int = 40, raw_description: bool = False) -> HelpFormatterFactory:
    """Return a ``formatter_class`` for an ArgumentParser that gives options up to ``argwidth``
    columns; with ``raw_description`` the lines of the description stay as they are.
    """
    from flux import command_options

    return command_options.help_formatter(argwidth, raw_description)


def empty_outputs() -> tuple[str, ...]:
    """Return the texts that formats take for missing values."""
    return tuple(sorted(MISSING - {"None"}))


LAZY: Final = {
    "flux.command_options": ("TreedictAction",),
    "flux.display": ("AltField", "Deduplicator", "DisplayValue", "Tree"),
    "flux.filearchive.fileref": ("Fileref",),
    "flux.option_actions": (
        *("ColorAction", "FilterAction", "FilterActionSetUpdate", "FilterActionUser"),
        *("FilterTrueAction", "YesNoAction"),
    ),
    "flux.util_config": ("UtilConfig", "xdg_searchpath"),
    "flux.util_datetime": ("UtilDatetime",),
}
"""Where the names are that few programs want: loaded when one is named."""


def __getattr__(name: str) -> object:
    for module, names in LAZY.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'flux.util' has no attribute {name!r}")


class CLIMain:
    """Decorator of a command's main function: errors become one line and exit code 1. The line goes
    to ``logger``, by default to stderr with the program's name before it.
    """

    def __init__(self, logger: Logger | None = None) -> None:
        self.logger = logger

    def __call__(self, main_func: Callable[[], object]) -> None:
        """Run `main_func` and exit with its status; never returns normally."""
        try:
            main_func()
        except SystemExit:
            raise
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except Exception as error:
            self._report(error)
            sys.exit(1)
        sys.exit(0)

    def _report(self, error: Exception) -> None:
        if self.logger is not None:
            self.logger.error(str(error))
        else:
            print(f"{sys.argv[0]}: {error}", file=sys.stderr)
