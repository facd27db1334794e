"""Substitution of inputs in commands and options of ``flux mini bulksubmit`` (flux-mini(1))."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from fluxctl.mini.options import MiniOptions, failure

if TYPE_CHECKING:
    from types import CodeType


def _no_extension(text: str) -> str:
    return os.path.splitext(text)[0]


_MUSTACHE = re.compile(r"\{\{\s*(?:id|jobid)(?:\.\w+)?\s*\}\}")
_BRACED_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_DOUBLE = re.compile(r"\{\{([^{}]*)\}\}")
_MUSTACHE_OPTIONS = ("output", "error")
"""Options whose tags, such as ``{{id}}``, the job shell replaces."""

OWN = ("define", "sep")
"""Options about the inputs themselves, in which nothing is replaced."""

Method = Callable[[str], object]
"""What ``{.NAME}`` in a template makes of an input."""

Values = tuple[list[str], dict[str, object]]
"""What a template may ask for: the inputs of a job by position, other things by name."""

Refusal = Callable[[LookupError], str]
"""The sentence about an input that a template asks for and that is not there."""

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


def _no_method(_text: str, name: str) -> object:
    raise ValueError(f"Unknown input string method '.{name}'")


class Template:
    """Replaces inputs in texts; ``methods`` are those of ``--define``.

    With ``todays`` doubled braces stay as they are, and what is wrong is told as today's Flux does.
    """

    def __init__(
        self, methods: Mapping[str, Method] | None = None, *, todays: bool = False
    ) -> None:
        self._todays = todays
        known = {**_BUILT_IN, **(methods or {})}

        # {.NAME} in a template asks an input for an attribute, whose name may be no identifier.
        attributes = {name: _attribute(method) for name, method in known.items()}
        self._input: type[str] = type("Input", (str,), {**attributes, "__getattr__": _no_method})

    def values(self, inputs: Sequence[str], seq: int) -> Values:
        """Return the positional and the named values of one job."""
        named: dict[str, object] = {"seq": seq, "seq1": seq + 1, "cc": "{cc}"}
        return [self._input(text) for text in inputs], named

    def _kept(self, text: str) -> str:
        """Return a template that leaves doubled braces as they are, in today's spelling."""
        return _DOUBLE.sub(r"{{{{\1}}}}", text) if self._todays else text

    @staticmethod
    def replace(text: str, values: Values, refused: Refusal) -> str:
        """Return ``text`` with inputs in place.

        Raises CommandError if it is no template, or asks for an input that does not exist: with
        what ``refused`` makes of that.
        """
        if "{" not in text and "}" not in text:
            return text
        try:
            return text.format(*values[0], **values[1])
        except (IndexError, KeyError) as error:
            raise failure(refused(error)) from None
        except (AttributeError, TypeError, ValueError) as error:
            raise failure(error) from None

    def command(self, words: Sequence[str], values: Values) -> list[str]:
        """Return the command with inputs in place. Raises CommandError, see ``replace``."""
        return [
            self.replace(self._kept(word), values, partial(_invalid, "command", word))
            for word in words
        ]

    def options(self, options: MiniOptions, names: Sequence[str], values: Values) -> MiniOptions:
        """Return options with inputs in place in those of some names.

        Raises CommandError, see ``replace``.
        """
        return options.mapped(
            names,
            lambda name, text: self._option(
                name, text, values, lambda error: self._refused(options, name, text, error)
            ),
        )

    def _refused(self, options: MiniOptions, name: str, text: str, error: LookupError) -> str:
        if not self._todays:
            return _invalid(f"--{name.replace('_', '-')}", text)
        shown = _shown(options, name)
        if isinstance(error, KeyError):
            return f"Replacement key {error} not found in '{shown}'"
        return f"Invalid replacement index in '{shown}'"

    def _option(self, name: str, text: str, values: Values, refused: Refusal) -> str:
        if "{" not in text:
            return text
        text = self._kept(text)
        if name in _MUSTACHE_OPTIONS and not self._todays:
            text = _MUSTACHE.sub(lambda tag: tag[0].replace("{", "{{").replace("}", "}}"), text)
        elif name == "env" and "${" in text:
            # ${VAR} is the environment's own syntax.
            text = _BRACED_VARIABLE.sub(r"${{\1}}", text)
        return self.replace(text, values, refused)


def _invalid(where: str, text: str, _error: LookupError | None = None) -> str:
    return f"Invalid replacement string in {where}: '{text}'"


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
    words += [_long(name, value) for name, value in others.items() if value]
    return " ".join(["submit", *words, *command])


def _long(name: str, value: object) -> str:
    return f"--{name.replace('_', '-')}={list(value) if isinstance(value, tuple) else value}"


_TODAYS_SHORT = {**_SHORT, "queue": "-q", "bank": "-B", "setopt": "-o "}
_TODAYS_ORDER = (
    "queue",
    "bank",
    "ntasks",
    "nodes",
    "cores_per_task",
    "gpus_per_task",
    "cores",
    "tasks_per_node",
    "tasks_per_core",
    "gpus_per_node",
    "time_limit",
    "env",
    "urgency",
    "setopt",
    "setattr",
    "job_name",
    "input",
    "output",
    "error",
    "cc",
    "bcc",
    "log",
    "log_stderr",
    "dependency",
    "begin_time",
    "taskmap",
    "requires",
    "wait_event",
    "cwd",
    "flags",
    "signal",
)


def _shown(options: MiniOptions, name: str) -> str:
    """Return an option as today's Flux shows it."""
    value = getattr(options, name)
    short = _TODAYS_SHORT.get(name)
    if short is None:
        return _long(name, value)
    return f"{short}{list(value) if isinstance(value, tuple) else value}"


def describe_replaced(options: MiniOptions, replaced: Sequence[str], command: Sequence[str]) -> str:
    """Return the line of a dry run as today's Flux has it: of the options, only those in which
    something was replaced, and ``--cc``.
    """
    shown = [
        _shown(options, name)
        for name in _TODAYS_ORDER
        if name in replaced or (name == "cc" and options.cc)
    ]
    return " ".join(["submit", *shown, *command])
