"""Applies options of submission commands to a jobspec (``JobspecV1.apply_options``)."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from flux.job.options import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from flux.job.jobspec_attributes import JobspecAttributes


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """What was asked for; None means not given."""

    env: Iterable[str] | None = None
    rlimit: Iterable[str] | None = None
    signal: str | None = None
    taskmap: str | None = None
    dependency: Iterable[str] | None = None
    requires: Iterable[str] | None = None
    shell_options: Mapping[str, object] | None = None
    time_limit: float | str | timedelta | None = None
    attributes: Mapping[str, object] | None = None
    add_file: Iterable[str] | None = None
    setopt: Iterable[str] | None = None
    setattr: Iterable[str] | None = None

    def over(self, args: object) -> SubmitOptions:
        """Return these options, and the attributes of an object for those that are not given.

        An environment and limits that it does not name are those of this process, as on a command
        line.
        """
        found = {
            field.name: getattr(args, field.name, None)
            for field in fields(self)
            if getattr(self, field.name) is None
        }
        for name in ("env", "rlimit"):
            if name in found and found[name] is None:
                found[name] = []
        return replace(self, **found)


NAMES: Final = frozenset(field.name for field in fields(SubmitOptions)) - {"setopt", "setattr"}
"""What a keyword may be called."""


def apply(jobspec: JobspecAttributes, options: SubmitOptions) -> None:
    """Apply options; raises ValueError for what is malformed, OSError for files that cannot be
    read.
    """
    _environment(jobspec, options)
    if options.time_limit is not None:
        jobspec.duration = options.time_limit
    _placement(jobspec, options)
    _shell(jobspec, options)
    for text in _list("add_file", options.add_file):
        values.add_file(jobspec, text)
    for key, value in (options.attributes or {}).items():
        jobspec.setattr(f"attributes.{values.attribute_key(key)}", value)
    for text in _list("setattr", options.setattr):
        key, equals, value = text.partition("=")
        jobspec.setattr(
            f"attributes.{values.attribute_key(key)}", values.parse_value(value) if equals else 1
        )


def unknown_keywords(function: str, names: Iterable[str]) -> TypeError:
    """Return the error about keywords that a function does not have."""
    words = ", ".join(sorted(repr(name) for name in names))
    return TypeError(f"{function}() got unexpected keyword argument(s): {words}")


def apply_called(
    jobspec: JobspecAttributes,
    options: SubmitOptions,
    args: object,
    prog: str | None,
    keywords: Mapping[str, object],
    preinit: bool,
) -> None:
    """Do what ``apply_options`` does, and raise what it raises: ``options`` are those of ``args``,
    ``keywords`` what it does not know itself.
    """
    if prog is not None:
        # By name, as plugins are: they act, and a jobspec is plain data.
        plugins = importlib.import_module("flux.job.options.plugins")
        plugins.apply_with_plugins(jobspec, prog, options, args, keywords, preinit)
    elif keywords:
        raise unknown_keywords("apply_options", keywords)
    else:
        apply(jobspec, options)


def options_of(keywords: Mapping[str, object]) -> SubmitOptions:
    """Return options by their names, of values that are checked when they are applied."""
    made = SubmitOptions()
    for name, value in keywords.items():
        object.__setattr__(made, name, value)
    return made


def _list(name: str, given: Iterable[str] | None) -> list[str]:
    """Return a list of texts; a single dependency or constraint may stand alone, any other text in
    place of a list would be taken letter by letter.
    """
    if isinstance(given, str) and name in ("dependency", "requires"):
        return [given]
    if isinstance(given, str | bytes):
        raise TypeError(f"{name} must be a list of strings")
    return list(given or ())


def _environment(jobspec: JobspecAttributes, options: SubmitOptions) -> None:
    from flux.job.options.environment import build_environment

    if options.env is not None:
        rules = _list("env", options.env)
        found = build_environment([rule for rule in rules if not _is_template(rule)])
        jobspec.environment = found
        templates = dict(_pair(rule) for rule in rules if _is_template(rule))
        if templates:
            jobspec.setattr_shell_option("env-expand", templates)
    if options.rlimit is not None:
        from flux.job.options.rlimits import build_rlimits

        limits = build_rlimits(_list("rlimit", options.rlimit))
        jobspec.setattr_shell_option("rlimit", limits)


def _is_template(rule: str) -> bool:
    """Whether a rule sets a variable to what the job shell is to fill in."""
    name, equals, value = rule.partition("=")
    return bool(equals) and name[:1] not in ("-", "^") and "{{" in value and "}}" in value


def _pair(rule: str) -> tuple[str, str]:
    name, _, value = rule.partition("=")
    return name, os.path.expandvars(value)


def _placement(jobspec: JobspecAttributes, options: SubmitOptions) -> None:
    dependencies = _list("dependency", options.dependency)
    if dependencies:
        found = [values.parse_dependency(uri) for uri in dependencies]
        jobspec.setattr("system.dependencies", found)
    requires = _list("requires", options.requires)
    if requires:
        jobspec.setattr("system.constraints", values.parse_requires(requires))


def _shell(jobspec: JobspecAttributes, options: SubmitOptions) -> None:
    if options.signal is not None:
        jobspec.setattr_shell_option("signal", values.parse_signal(options.signal))
    if options.taskmap is not None:
        jobspec.setattr_shell_option("taskmap", values.parse_taskmap(options.taskmap))
    for key, value in (options.shell_options or {}).items():
        jobspec.setattr_shell_option(key, value)
    for text in _list("setopt", options.setopt):
        key, equals, word = text.partition("=")
        jobspec.setattr_shell_option(key, values.parse_value(word) if equals else 1)
