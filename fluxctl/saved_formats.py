"""Output formats by name: those of a command, and those that its configuration files add.

The files are ``NAME.toml``, ``NAME.yaml`` and ``NAME.json`` in the folders ``flux`` of the XDG base
directories, NAME being ``flux-jobs``, ``flux-resource`` or ``flux-queue``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from fluxctl.command import echo
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.util_config import UtilConfig
    from flux.wire.json import JsonObject

HELP: Final = "NAME is one that is saved: help lists them, get-config=NAME shows one."
"""What the help of an option says of formats with names."""
DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class SavedFormats:
    """The formats of a command by name, each with what it is for; ``default`` is one of them.

    ``tool`` is what the files are called, ``subcommand`` the table in them that counts, ``program``
    what the environment variable of the default is called after.
    """

    tool: str
    builtin: Mapping[str, tuple[str, str]]
    subcommand: str | None = None
    program: str | None = None

    def read(self, text: str | None, default: str | None = None, refusal: str = "") -> str:
        """Return the format that a user has typed, by name or as it is; for None the ``default``,
        else the one called so, unless the environment has another. For ``help`` and
        ``get-config=NAME`` prints what they ask for and ends the command.

        Raises CommandError, which begins with ``refusal``, for a name that there is not, and for
        files that are malformed.
        """
        text = DEFAULT if text is None else text
        if "{" in text:
            return text
        if text == DEFAULT and not os.environ.get(self._variable):
            return default or self.builtin[DEFAULT][1]
        try:
            config = self._config()
            told = config.format_help(text)
            found = config.get_format_string(text) if told is None else ""
        except RecursionError:
            raise CommandError(f"{refusal}{self._variable} names itself") from None
        except (ValueError, OSError) as exc:
            raise CommandError(f"{refusal}{exc}") from None
        if told is not None:
            echo(told)
            raise click.exceptions.Exit(0)
        return found

    def named(self, text: str | None) -> bool:
        """Tell whether what a user has typed, or left to the environment, is one with a name, which
        0.29 does not have.
        """
        if text is None or text == DEFAULT:
            return bool(os.environ.get(self._variable))
        return "{" not in text

    @property
    def _variable(self) -> str:
        name = (self.program or self.tool).replace("-", "_").upper()
        return f"{name}{'' if self.subcommand is None else f'_{self.subcommand.upper()}'}" + (
            "_FORMAT_DEFAULT"
        )

    def _config(self) -> UtilConfig:
        """Return the formats of the command and of the files; raises ValueError, OSError."""
        from flux.util_config import FORMATS, UtilConfig

        entries: dict[str, JsonObject] = {
            name: {"description": description, "format": layout}
            for name, (description, layout) in self.builtin.items()
        }
        where = "" if self.subcommand is None else f"{self.subcommand}."

        class Formats(UtilConfig):
            """The files of this command, which have formats and nothing else."""

            builtin_formats = entries

            def validate(self, path: str, conf: JsonObject) -> None:
                """Check what a file says before it counts."""
                for key in conf:
                    if key != FORMATS:
                        raise ValueError(f"{path}: invalid key {where}{key}")
                self.validate_formats(path, conf[FORMATS])

        tables: JsonObject = {FORMATS: entries}
        if self.subcommand is not None:
            tables = {self.subcommand: tables}
        return Formats(self.tool, self.program, self.subcommand, tables).load()


TODAY: Final = "today"
"""The name of the format that today's flux-core has as its default."""
_JOB: Final = "{id.f58:>12} ?:{queue:<8.8} "
_WHOSE: Final = f"{_JOB}+:{{username:<8}} {{name:<10.10+}} "
_TASKS: Final = " {ntasks:>6} {node_count:>6h} "
_PROGRESS: Final = "{contextual_time!F:>8h} {contextual_info}"
_JOB_FORMATS: Final = {
    TODAY: (
        "What today's flux-core shows: S, not PD, for a job that waits for resources",
        f"{_WHOSE}{{phase_abbrev:>2.2}}{_TASKS}{_PROGRESS}",
    ),
    "cute": (
        "The same with pictures of the states",
        f"{_WHOSE}{{status_emoji:>5}}{_TASKS}{_PROGRESS}",
    ),
    "long": (
        "All that concerns a person who waits",
        f"{_WHOSE}{{phase:>9.9}}{_TASKS}{{t_submit!d:%b%d %R::>12}} {{t_remaining!F:>12h}} "
        f"{_PROGRESS}",
    ),
    "deps": (
        "Urgency, priority, and what a job waits for",
        f"{_JOB}{{name:<10.10+}} {{urgency:<3}} {{priority:<12}} {{state:<8.8}} {{dependencies}}",
    ),
    "endreason": (
        "When and why jobs ended",
        f"{_WHOSE}{{phase_abbrev:>2.2}} {{t_inactive!d:%b%d %R::>12h}} {{inactive_reason}}",
    ),
}


def job_formats(default: str, program: str | None = None, *, full: bool = False) -> SavedFormats:
    """Return the formats of a command that lists jobs, whose own one is ``default``; with ``full``
    the one of today's `flux jobs` is called so, too.
    """
    formats = {DEFAULT: ("What is shown without a format", default), **_JOB_FORMATS}
    if full:
        formats["full"] = _JOB_FORMATS[TODAY]
    return SavedFormats("flux-jobs", formats, program=program)
