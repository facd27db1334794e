"""Substitution of inputs in the command and the options of ``flux mini bulksubmit`` (flux-mini(1), BULKSUBMIT)."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fluxctl.mini.request import Options, failure


def _no_extension(text: str) -> str:
    return os.path.splitext(text)[0]


_MUSTACHE = re.compile(r"\{\{\s*(?:id|jobid)(?:\.\w+)?\s*\}\}")
_BRACED_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_MUSTACHE_OPTIONS = ("output", "error")
"""Options whose tags, such as ``{{id}}``, the job shell replaces."""

_BUILT_IN: dict[str, Callable[[str], Any]] = {
    "%": _no_extension,
    "/": os.path.basename,
    "/%": lambda text: _no_extension(os.path.basename(text)),
    "//": os.path.dirname,
}


def define(definitions: Iterable[str]) -> dict[str, Callable[[str], Any]]:
    """Return the methods of ``--define=NAME=CODE``, Python expressions of ``x``; CommandError if one is malformed."""
    methods: dict[str, Callable[[str], Any]] = {}
    for definition in definitions:
        name, equals, code = definition.partition("=")
        if not (name and equals):
            raise failure(f"--define: {definition}: expected NAME=CODE")
        try:
            compiled = compile(code, f"--define={name}", "eval")
        except (SyntaxError, ValueError) as error:
            raise failure(f"--define: {name}: {error}") from None
        methods[name] = _method(compiled)
    return methods


def _method(compiled: Any) -> Callable[[str], Any]:
    """Return a function of ``x``; whatever the user's own code raises becomes a CommandError."""

    def method(text: str) -> Any:
        try:
            return eval(compiled, {"os": os}, {"x": text})
        except Exception as error:
            raise failure(error) from None

    return method


def _attribute(method: Callable[[str], Any]) -> property:
    return property(lambda text: method(str(text)))


class Template:
    """Replaces inputs in texts.

    Args:
        methods: what ``--define`` added.
    """

    def __init__(self, methods: Mapping[str, Callable[[str], Any]] | None = None) -> None:
        known = {**_BUILT_IN, **(methods or {})}

        # {.NAME} in a template asks an input for an attribute; attribute names need not be identifiers here.
        attributes = {name: _attribute(method) for name, method in known.items()}
        self._input: type[str] = type("Input", (str,), attributes)

    def values(self, inputs: Sequence[str], seq: int) -> tuple[list[str], dict[str, Any]]:
        """Return the positional and the named values of one job."""
        return [self._input(text) for text in inputs], {"seq": seq, "seq1": seq + 1, "cc": "{cc}"}

    @staticmethod
    def replace(text: str, values: tuple[list[str], dict[str, Any]], where: str) -> str:
        """Return `text` with inputs in place; CommandError if it asks for one that does not exist."""
        if "{" not in text and "}" not in text:
            return text
        try:
            return text.format(*values[0], **values[1])
        except (IndexError, KeyError, AttributeError, ValueError):
            raise failure(f"Invalid replacement string in {where}: '{text}'") from None

    def command(self, words: Sequence[str], values: tuple[list[str], dict[str, Any]]) -> list[str]:
        """Return the command with inputs in place."""
        return [self.replace(word, values, "command") for word in words]

    def options(self, options: Options, values: tuple[list[str], dict[str, Any]]) -> Options:
        """Return the options with inputs in place."""
        made: Options = {}
        for name, value in options.items():
            if isinstance(value, str):
                made[name] = self._option(name, value, values)
            elif isinstance(value, list | tuple):
                made[name] = [self._option(name, text, values) for text in value]
            else:
                made[name] = value
        return made

    def _option(self, name: str, text: str, values: tuple[list[str], dict[str, Any]]) -> str:
        if "{" not in text:
            return text
        if name in _MUSTACHE_OPTIONS:
            text = _MUSTACHE.sub(lambda tag: tag[0].replace("{", "{{").replace("}", "}}"), text)
        elif name == "env" and "${" in text:
            # ${VAR} is the environment's own syntax.
            text = _BRACED_VARIABLE.sub(r"${{\1}}", text)
        return self.replace(text, values, f"--{name.replace('_', '-')}")


def replace_cc(text: str, cc: str) -> str:
    """Return `text` with ``{cc}`` replaced."""
    return text.replace("{cc}", cc) if "{cc}" in text else text


def replace_cc_options(options: Options, cc: str) -> Options:
    """Return options with ``{cc}`` replaced in every text."""
    made: Options = {}
    for name, value in options.items():
        if isinstance(value, str):
            made[name] = replace_cc(value, cc)
        elif isinstance(value, list | tuple):
            made[name] = [replace_cc(text, cc) for text in value]
        else:
            made[name] = value
    return made


_SHORT = {"ntasks": "-n", "nodes": "-N", "cores_per_task": "-c", "gpus_per_task": "-g", "time_limit": "-t"}
_SHOWN = (
    "urgency",
    "input",
    "output",
    "error",
    "begin_time",
    "setopt",
    "setattr",
    "env",
    "dependency",
    "log",
    "log_stderr",
)


def describe(options: Options, command: Sequence[str]) -> str:
    """Return the line of a dry run: the options that make up the job, and the command."""
    words = [f"{flag}{options[name]}" for name, flag in _SHORT.items() if options.get(name) is not None]
    words += [f"--{name.replace('_', '-')}={_shown(options[name])}" for name in _SHOWN if options.get(name)]
    return " ".join(["submit", *words, *command])


def _shown(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
