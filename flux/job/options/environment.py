"""The environment of a job: rules of ``--env``, ``--env-remove`` and ``--env-file`` (flux-mini(1),
ENV RULES).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re


class UnknownValue(ValueError):
    """The value of a rule cannot be made; ``rule`` is the rule, ``reason`` why."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"--env: Unable to substitute {rule}: {reason}")
        self.rule = rule
        self.reason = reason


class _Scope(Mapping[str, str]):
    """Variables that a VALUE may refer to: the environment being built, then the one of this
    process.
    """

    def __init__(self, built: Mapping[str, str], process: Mapping[str, str]) -> None:
        self._built = built
        self._process = process

    def __getitem__(self, name: str) -> str:
        return self._built[name] if name in self._built else self._process[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._process, **self._built})

    def __len__(self) -> int:
        return len({**self._process, **self._built})


def _matcher(rule: str) -> Callable[[str], object]:
    """Return a test for variable names: a regular expression if between slashes, or a glob."""
    if rule.startswith("/"):
        body = rule[1:-1] if len(rule) > 1 and rule.endswith("/") else rule[1:]
        return _compiled(body, f"--env: invalid regular expression {rule}").search
    return _compiled(translate(rule), f"--env: invalid pattern {rule}").match


def _compiled(text: str, refusal: str) -> re.Pattern[str]:
    from flux.patterns import compiled

    try:
        return compiled(text)
    except ValueError as error:
        raise ValueError(f"{refusal}: {error}") from None


def _assign(env: dict[str, str], process: Mapping[str, str], rule: str) -> None:
    name, _, value = rule.partition("=")
    if not name:
        raise ValueError(f"--env: no variable name in {rule}")
    try:
        env[name] = Template(value).substitute(_Scope(env, process))
    except KeyError as error:
        raise ValueError(f"--env: Variable {error} not found in {rule}") from None
    except ValueError as error:
        raise UnknownValue(rule, str(error)) from None


def _apply(env: dict[str, str], process: Mapping[str, str], rule: str) -> None:
    if rule.startswith("-"):
        matches = _matcher(rule[1:])
        for name in [name for name in env if matches(name)]:
            del env[name]
    elif rule.startswith("^"):
        for line in read_rules(rule[1:]):
            _apply(env, process, line)
    elif "=" in rule:
        _assign(env, process, rule)
    else:
        matches = _matcher(rule)
        for name, value in process.items():
            if name not in env and matches(name):
                env[name] = value


def read_rules(path: str) -> list[str]:
    """Return the rules of a file, one a line; blank lines and comments are skipped.

    Values may hold any bytes, as the environment may. OSError if it cannot be read.
    """
    with open(os.path.expanduser(path), encoding="utf-8", errors="surrogateescape") as file:
        lines = (line.strip() for line in file)
        return [line for line in lines if line and not line.startswith("#")]


def build_environment(
    rules: Iterable[str], process: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment that rules make of the one of this process.

    The rules are in command line order: ``-PATTERN``, ``^FILE``, ``VAR=VALUE`` or ``PATTERN``.
    ``process`` is the environment to start from, None for ``os.environ``.

    Raises ValueError if a rule is malformed or refers to an unset variable, OSError if a file of
    rules cannot be read.
    """
    process = os.environ if process is None else process
    env = dict(process)
    for rule in rules:
        _apply(env, process, rule)
    return env
