"""From the options of ``flux mini`` to a job request: jobspec, urgency, flags (flux-mini(1)).

Options arrive as text, as typed or as a bulk template made them, and become numbers here, so that a template may
stand in any of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flux import constants
from flux.debugged import get_mpir_being_debugged
from flux.duration import parse_datetime
from flux.job.Jobspec import JobspecV1
from flux.wire import json
from fluxctl.command import current_directory
from fluxctl.errors import CommandError
from fluxctl.mini.environment import build_environment

Options = dict[str, Any]
"""Option name to text, list of texts, flag or count; None and empty mean not given."""

_URGENCIES = {
    "hold": constants.FLUX_JOB_URGENCY_HOLD,
    "default": constants.FLUX_JOB_URGENCY_DEFAULT,
    "expedite": constants.FLUX_JOB_URGENCY_EXPEDITE,
}
_FLAGS = {
    "debug": constants.FLUX_JOB_DEBUG,
    "waitable": constants.FLUX_JOB_WAITABLE,
    "novalidate": constants.FLUX_JOB_NOVALIDATE,
}
_TO_KVS = ("none", "kvs")


def failure(text: object) -> CommandError:
    """Return the failure of a command with flux-mini's prefix."""
    return CommandError(f"ERROR: {text}")


def _integer(options: Options, name: str, default: int | None) -> int | None:
    text = options.get(name)
    if text is None:
        return default
    try:
        number = int(text)
    except ValueError:
        raise failure(f"--{name.replace('_', '-')}: invalid integer: {text!r}") from None
    if abs(number) > 0x7FFFFFFF:
        raise failure(f"--{name.replace('_', '-')}: integer out of range: {text!r}")
    return number


def _count(options: Options, name: str) -> int:
    value = _integer(options, name, 1)
    return 1 if value is None else value


def parse_urgency(text: str | None) -> int:
    """Return the urgency that an option names; CommandError if it is neither a number nor a name."""
    if text is None:
        return constants.FLUX_JOB_URGENCY_DEFAULT
    if text.lower() in _URGENCIES:
        return _URGENCIES[text.lower()]
    try:
        return int(text)
    except ValueError:
        raise failure(f"--urgency: invalid value: {text}") from None


def parse_flags(options: Options) -> int:
    """Return the flags of ``--flags`` and ``--debug``; CommandError if a name is unknown."""
    flags = constants.FLUX_JOB_DEBUG if options.get("debug") else 0
    for text in options.get("flags") or ():
        for name in text.split(","):
            if name not in _FLAGS:
                raise failure(f"--flags: Unknown flag {name!r}")
            flags |= _FLAGS[name]
    return flags


def parse_dependency(uri: str) -> dict[str, Any]:
    """Return the RFC 26 object of a dependency URI ``SCHEME:VALUE[?KEY=VAL[&KEY=VAL...]]``."""
    scheme, colon, rest = uri.partition(":")
    value, _, query = rest.partition("?")
    if not (scheme and colon):
        raise failure(f'Invalid dependency URI "{uri}"')
    entry: dict[str, Any] = {"scheme": scheme, "value": value}
    for pair in filter(None, query.split("&")):
        key, _, text = pair.partition("=")
        entry[key] = parse_value(text)
    return entry


def parse_value(text: str) -> Any:
    """Return JSON where the text is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _attribute(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise failure(f"--setattr: Missing value for attr {key}")
    if not key.startswith("^"):
        return key, parse_value(value)
    with open(value, encoding="utf-8") as file:
        try:
            return key[1:], json.loads(file.read())
        except ValueError as error:
            raise failure(f"--setattr: {key[1:]}: {value}: {error}") from None


def _shell_option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    return key, parse_value(value) if equals else 1


@dataclass(slots=True)
class Request:
    """What is sent to the broker for one job."""

    jobspec: JobspecV1
    urgency: int
    flags: int


class RequestBuilder:
    """Builds requests; what does not change from job to job of a bulk submission is computed once.

    Args:
        cwd: working directory of the jobs.
    """

    def __init__(self, cwd: str | None = None) -> None:
        self._cwd = current_directory() if cwd is None else cwd
        self._environments: dict[tuple[str, ...], dict[str, str]] = {}

    # -- the sub-commands ------------------------------------------------------------------------------------------

    def tasks(self, options: Options, command: Sequence[str]) -> Request:
        """Return the request of ``run`` and ``submit``: N copies of a command."""
        if not command:
            raise failure("job command and arguments are missing")
        jobspec = self._made(
            JobspecV1.from_command,
            command,
            num_tasks=_count(options, "ntasks"),
            cores_per_task=_count(options, "cores_per_task"),
            gpus_per_task=_integer(options, "gpus_per_task", None),
            num_nodes=_integer(options, "nodes", None),
        )
        return self._finish(jobspec, options)

    def batch(self, options: Options, words: Sequence[str]) -> Request:
        """Return the request of ``batch``: a script that runs in an instance of its own."""
        slots = self._slots(options)
        script, name, args = read_script(words, bool(options.get("wrap")))
        jobspec = self._made(
            JobspecV1.from_batch_command,
            script,
            name,
            args,
            num_slots=slots,
            cores_per_slot=_count(options, "cores_per_slot"),
            gpus_per_slot=_integer(options, "gpus_per_slot", None),
            num_nodes=_integer(options, "nodes", None),
            broker_opts=options.get("broker_opts"),
        )
        options = {**options, "output": options.get("output") or "flux-{{id}}.out"}
        return self._finish(jobspec, options)

    def alloc(self, options: Options, command: Sequence[str], interactive: bool = False) -> Request:
        """Return the request of ``alloc``: an instance with a command, or a shell on a terminal."""
        slots = self._slots(options)
        jobspec = self._made(
            JobspecV1.from_nest_command,
            command,
            num_slots=slots,
            cores_per_slot=_count(options, "cores_per_slot"),
            gpus_per_slot=_integer(options, "gpus_per_slot", None),
            num_nodes=_integer(options, "nodes", None),
            broker_opts=options.get("broker_opts"),
        )
        if interactive:
            jobspec.setattr_shell_option("pty", 1)
        return self._finish(jobspec, options)

    # -- common parts ----------------------------------------------------------------------------------------------

    @staticmethod
    def _slots(options: Options) -> int:
        if options.get("nslots") is None:
            raise failure("Number of slots to allocate must be specified")
        return _count(options, "nslots")

    @staticmethod
    def _made(factory: Any, *args: Any, **kwargs: Any) -> JobspecV1:
        try:
            jobspec: JobspecV1 = factory(*args, **kwargs)
        except (ValueError, TypeError) as error:
            raise failure(error) from None
        return jobspec

    def environment(self, rules: Iterable[str]) -> dict[str, str]:
        """Return the environment that rules make; the same rules are worked out once."""
        key = tuple(rules)
        if key not in self._environments:
            self._environments[key] = build_environment(key)
        return self._environments[key]

    def _finish(self, jobspec: JobspecV1, options: Options) -> Request:
        if options.get("time_limit") is not None:
            try:
                jobspec.duration = options["time_limit"]
            except ValueError as error:
                raise failure(error) from None
        jobspec.cwd = self._cwd
        jobspec.environment = self.environment(options.get("env") or ())
        self._set_dependencies(jobspec, options)
        self._set_io(jobspec, options)
        if get_mpir_being_debugged():
            jobspec.setattr_shell_option("stop-tasks-in-exec", 1)
        for text in options.get("setopt") or ():
            jobspec.setattr_shell_option(*_shell_option(text))
        for text in options.get("setattr") or ():
            jobspec.setattr(*_attribute(text))
        return Request(jobspec, constants.FLUX_JOB_URGENCY_DEFAULT, 0)

    @staticmethod
    def _set_dependencies(jobspec: JobspecV1, options: Options) -> None:
        found = [parse_dependency(uri) for uri in options.get("dependency") or ()]
        begin_time = options.get("begin_time")
        if begin_time is not None:
            try:
                moment = parse_datetime(begin_time)
            except ValueError as error:
                raise failure(error) from None
            found.append({"scheme": "begin-time", "value": str(moment.timestamp())})
        if found:
            jobspec.setattr("system.dependencies", found)

    @staticmethod
    def _set_io(jobspec: JobspecV1, options: Options) -> None:
        if options.get("input"):
            jobspec.stdin = options["input"]
        for name, stream in (("output", "stdout"), ("error", "stderr")):
            path = options.get(name)
            if path and path not in _TO_KVS:
                setattr(jobspec, stream, path)
                if options.get("label_io"):
                    jobspec.setattr_shell_option(f"output.{stream}.label", True)

    @staticmethod
    def rate(request: Request, options: Options) -> Request:
        """Set urgency and flags, which a dry run does not look at."""
        request.urgency = parse_urgency(options.get("urgency"))
        request.flags = parse_flags(options)
        return request


def read_script(words: Sequence[str], wrap: bool) -> tuple[str, str, list[str]]:
    """Return text, name and arguments of a batch script.

    Args:
        words: file name and arguments, or with `wrap` a command; none reads the script from stdin.
        wrap: put the command into a shell script.

    Raises:
        OSError: the file cannot be read.
        CommandError: the file is no text.
    """
    header = "#!/bin/sh\n" if wrap else ""
    if not words:
        return header + sys.stdin.read(), "batchscript", []
    if wrap:
        return f"{header}{' '.join(words)}\n", words[0], list(words[1:])
    try:
        with open(words[0], encoding="utf-8") as file:
            return file.read(), words[0], list(words[1:])
    except UnicodeDecodeError:
        raise failure(f"{words[0]}: does not appear to be a script, failed to read as UTF-8") from None
