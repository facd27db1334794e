"""Substitution of inputs in commands and options of ``flux mini bulksubmit`` (flux-mini(1))."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from fluxctl.mini.options import MiniOptions, failure

if TYPE_CHECKING:
    from types import CodeType


def _no_extension(text: str) -> str:
    return os.path.splitext(text)[0]


_MUSTACHE = re.compile(r"\{\{\s*(?:id|jobid)(?:\.\w+)?\s*\}\}")
_BRACED_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_MUSTACHE_OPTIONS = ("output", "error")
"""Options whose tags, such as ``{{id}}``, the job shell replaces."""

OWN = ("define", "sep")
"""Options about the inputs themselves, in which nothing is replaced."""

Method = Callable[[str], object]
"""What ``{.NAME}`` in a template makes of an input."""

Values = tuple[list[str], dict[str, object]]
"""What a template may ask for: the inputs of a job by position, other things by name."""

_BUILT_IN: dict[str, Method] = {
    "%": _no_extension,
    "/": os.path.basename,
    "/%": lambda text: _no_extension(os.path.basename(text)),
    "//": os.path.dirname,
}


def define(definitions: Iterable[str]) -> dict[str, Method]:
    """Return the methods of ``--define=NAME=CODE``, Python expressions of ``x``.

    Raises CommandError if a definition is malformed.
    """
    methods: dict[str, Method] = {}
    for definition in definitions:
        name, equals, code = definition.partition("=")
        if not (name and equals):
            raise failure(f"--define: {definition}: expected NAME=CODE")
        try:
            compiled = compile(code, f"--define={name}", "eval")
        except UnicodeError:
            raise failure(f"--define: {name}: the code is not valid UTF-8") from None
        except (SyntaxError, ValueError) as error:
            raise failure(f"--define: {name}: {error}") from None
        methods[name] = _method(compiled)
    return methods


def _method(compiled: CodeType) -> Method:
    """Return a function of ``x``; whatever the user's own code raises becomes a CommandError."""

    def method(text: str) -> object:
        try:
            value: object = eval(compiled, {"os": os}, {"x": text})
        except Exception as error:
            raise failure(error) from None
        return value

    return method


def _attribute(method: Method) -> property:
    return property(lambda text: method(str(text)))


class Template:
    """Replaces inputs in texts; ``methods`` are those of ``--define``."""

    def __init__(self, methods: Mapping[str, Method] | None = None) -> None:
        known = {**_BUILT_IN, **(methods or {})}

        # {.NAME} in a template asks an input for an attribute, whose name may be no identifier.
        attributes = {name: _attribute(method) for name, method in known.items()}
        self._input: type[str] = type("Input", (str,), attributes)

    def values(self, inputs: Sequence[str], seq: int) -> Values:
        """Return the positional and the named values of one job."""
        named: dict[str, object] = {"seq": seq, "seq1": seq + 1, "cc": "{cc}"}
        return [self._input(text) for text in inputs], named

    @staticmethod
    def replace(text: str, values: Values, where: str) -> str:
        """Return ``text`` with inputs in place.

        Raises CommandError, which names ``where``, if the text asks for an input that does not
        exist.
        """
        if "{" not in text and "}" not in text:
            return text
        try:
            return text.format(*values[0], **values[1])
        except (IndexError, KeyError, AttributeError, ValueError):
            raise failure(f"Invalid replacement string in {where}: '{text}'") from None

    def command(self, words: Sequence[str], values: Values) -> list[str]:
        """Return the command with inputs in place. Raises CommandError, see ``replace``."""
        return [self.replace(word, values, "command") for word in words]

    def options(self, options: MiniOptions, names: Sequence[str], values: Values) -> MiniOptions:
        """Return options with inputs in place in those of some names.

        Raises CommandError, see ``replace``.
        """
        return options.mapped(names, lambda name, text: self._option(name, text, values))

    def _option(self, name: str, text: str, values: Values) -> str:
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


def replace_cc_options(options: MiniOptions, cc: str) -> MiniOptions:
    """Return options with ``{cc}`` replaced in every text."""
    return options.mapped(options.templated(), lambda _name, text: replace_cc(text, cc))


_SHORT = {
    "ntasks": "-n",
    "nodes": "-N",
    "cores_per_task": "-c",
    "gpus_per_task": "-g",
    "time_limit": "-t",
}
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


def describe(options: MiniOptions, command: Sequence[str]) -> str:
    """Return the line of a dry run: the options that make up the job, and the command."""
    counts = {flag: getattr(options, name) for name, flag in _SHORT.items()}
    words = [f"{flag}{value}" for flag, value in counts.items() if value is not None]
    others = {name: getattr(options, name) for name in _SHOWN}
    words += [
        f"--{name.replace('_', '-')}={list(value) if isinstance(value, tuple) else value}"
        for name, value in others.items()
        if value
    ]
    return " ".join(["submit", *words, *command])
