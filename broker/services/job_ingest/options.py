"""What the module is told about checking jobspecs, by its arguments and the configuration."""

from __future__ import annotations

import errno
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from broker.configuration.tables import ValidatorConfig

DEFAULT_WORKERS: Final = 2
DISABLE: Final = "disable-validator"
"""The argument of the module by which nothing checks jobspecs."""
DEFAULT_PLUGIN: Final = "jobspec"
"""What arguments for plugins are for if no plugin is named."""
MAX_WORKERS: Final = 64


class ValidatorOptions(Struct, frozen=True):
    """Which plugins check jobspecs, with which arguments, in how many processes.

    ``disabled`` is for an instance that takes any jobspec.
    """

    plugins: str = ""
    args: tuple[str, ...] = ()
    count: int = DEFAULT_WORKERS
    disabled: bool = False

    @property
    def any_version(self) -> bool:
        """Whether the plugins are told to take jobspecs of any version."""
        words = " ".join(self.args).replace("=", " ").split()
        return ("--require-version", "any") in pairwise(words)

    @classmethod
    def of(cls, args: list[str], table: ValidatorConfig) -> ValidatorOptions:
        """Return what the module's arguments ask for, and, where they are silent, the table
        ``[ingest.validator]``.

        Raises OSError(EINVAL) for an argument that is not known.
        """
        options = {"validator-plugins": "", "validator-args": "", "worker-count": ""}
        disabled = False
        for arg in args:
            if arg == DISABLE:
                disabled = True
                continue
            key, equals, value = arg.partition("=")
            if key not in options or not equals:
                raise OSError(errno.EINVAL, f"unknown module option {arg}")
            options[key] = value
        count = options["worker-count"]
        if count and not (count.isascii() and count.isdigit() and 0 < int(count) <= MAX_WORKERS):
            raise OSError(errno.EINVAL, f"invalid worker-count {count}")
        words = tuple(word for word in options["validator-args"].split(",") if word)
        if disabled:
            return cls(disabled=True)
        configured = "" if table.disable else ",".join(table.plugins or ())
        plugins = options["validator-plugins"] or configured
        return cls(
            plugins or (DEFAULT_PLUGIN if words else ""),
            words or table.args or (),
            int(count) if count else table.workers or DEFAULT_WORKERS,
        )
