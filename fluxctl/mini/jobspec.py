"""From the options of ``flux mini`` to a jobspec (flux-mini(1), RFC 25).

Options arrive as text and become numbers here.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.debugged import get_mpir_being_debugged
from flux.duration import parse_datetime
from flux.job.Jobspec import JobspecV1
from flux.job.jobspec_v1 import BATCH_OUTPUT
from flux.job.options import values
from flux.job.options.environment import UnknownValue, build_environment
from flux.job.options.rlimits import build_rlimits
from flux.job.options.values import parse_value
from flux.wire import json
from fluxctl.command import current_directory
from fluxctl.mini.counts import slots_of, tasks_of
from fluxctl.mini.options import MiniOptions, failure
from fluxctl.mini.program import is_todays, program, reason
from fluxctl.mini.shape import counted, shape
from fluxctl.mini.subinstance import broker_options, configuration
from fluxctl.standard_input import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_TO_KVS = ("none", "kvs")


def _attribute(text: str, options: MiniOptions) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not key or not (equals or options.todays):
        raise failure(f"--setattr: Missing value for attr {key}")
    found = parse_value(value) if equals else 1
    if key.startswith("^"):
        key, found = key[1:], _read_value("--setattr", key[1:], value)
    path = values.attribute_key(key) if options.todays else key
    return f"attributes.{path}", found


def _read_value(option: str, key: str, path: str) -> object:
    """Return the JSON in a file."""
    with open(path, encoding="utf-8") as file:
        try:
            value: object = json.loads(file.read())
        except ValueError as error:
            raise failure(f"{option}: {key}: {path}: {error}") from None
    return value


def _shell_option(text: str, options: MiniOptions) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if options.todays and key.startswith("^"):
        return key[1:], _read_value("--setopt", key[1:], value)
    return key, parse_value(value) if equals else 1


@contextmanager
def _refusals() -> Iterator[None]:
    """Report what the library refuses, in its words, as a failure of the command."""
    try:
        yield
    except UnknownValue as error:
        text = f"--env: Unable to substitute {error.rule}"
        if not is_todays():  # two messages, of which today's flux-core has the first
            text += f"\n{program()}: ERROR: {error.reason}"
        raise failure(text) from None
    except (ValueError, TypeError) as error:
        raise failure(error) from None


class JobspecBuilder:
    """Builds jobspecs; what is the same for all jobs of a bulk submission is computed once.

    ``cwd`` is the working directory of the jobs, None for that of this process.
    """

    def __init__(self, cwd: str | None = None) -> None:
        self._cwd = current_directory() if cwd is None else cwd
        self._environments: dict[tuple[str, ...], dict[str, str]] = {}

    def tasks(self, options: MiniOptions, command: Sequence[str]) -> JobspecV1:
        """Return the jobspec of ``run`` and ``submit``: N copies of a command.

        Raises CommandError if there is no command or an option is malformed.
        """
        if not command:
            raise failure("job command and arguments are missing")
        with _refusals():
            jobspec = tasks_of(counted(options), command)
        return self._finished(jobspec, options)

    def batch(self, options: MiniOptions, script: Script) -> JobspecV1:
        """Return the jobspec of ``batch``: a script that runs in an instance of its own.

        Raises CommandError for malformed options.
        """
        slots = slots_of(counted(options))
        with _refusals():
            jobspec = JobspecV1.from_batch_command(
                script.text,
                script.name,
                script.args,
                broker_opts=broker_options(options),
                **slots,
            )
            configuration(options).add_to(jobspec)
        if options.todays:
            name = "batch" if script.name == FROM_STDIN else script.name
            jobspec.setattr("system.job.name", name)
        return self._finished(jobspec, options, output=BATCH_OUTPUT)

    def alloc(
        self, options: MiniOptions, command: Sequence[str], interactive: bool = False
    ) -> JobspecV1:
        """Return the jobspec of ``alloc``: an instance with a command, or a shell on a terminal.

        Raises CommandError if an option is malformed.
        """
        slots = slots_of(counted(options))
        with _refusals():
            jobspec = JobspecV1.from_nest_command(
                command, broker_opts=broker_options(options), **slots
            )
            configuration(options).add_to(jobspec)
        if interactive:
            jobspec.setattr_shell_option("pty", 1)
        return self._finished(jobspec, options)

    def environment(self, rules: Iterable[str]) -> dict[str, str]:
        """Return the environment that rules make; the same rules are worked out once."""
        key = tuple(rules)
        if key not in self._environments:
            try:
                with _refusals():
                    self._environments[key] = build_environment(key)
            except OSError as error:
                if is_todays():
                    raise failure(f"--env: {reason(error)}") from None
                raise
        return self._environments[key]

    def _finished(
        self, jobspec: JobspecV1, options: MiniOptions, output: str | None = None
    ) -> JobspecV1:
        """Add what all kinds of jobs have; ``output`` is where it goes if no option says so."""
        shape(jobspec, options)
        if options.time_limit is not None:
            with _refusals():
                limit = options.time_limit
                jobspec.duration = values.time_limit(limit) if options.todays else limit
        jobspec.cwd = self._cwd if options.cwd is None else os.path.join(self._cwd, options.cwd)
        jobspec.environment = self.environment(options.env)
        if options.job_name is not None:
            jobspec.setattr("system.job.name", options.job_name)
        if options.queue is not None:
            jobspec.queue = options.queue
        if options.bank is not None:
            jobspec.setattr("system.bank", options.bank)
        if options.requires:
            with _refusals():
                jobspec.setattr("system.constraints", values.parse_requires(options.requires))
        self._set_dependencies(jobspec, options)
        self._set_io(jobspec, options, options.output or output)
        self._set_shell(jobspec, options)
        for text in options.add_file:
            with _refusals():
                values.add_file(jobspec, text)
        if get_mpir_being_debugged() or options.debug_emulate:
            jobspec.setattr_shell_option("stop-tasks-in-exec", 1)
        # Last, so that a user may override whatever was set above.
        for text in options.setopt:
            jobspec.setattr_shell_option(*_shell_option(text, options))
        for text in options.setattr:
            jobspec.setattr(*_attribute(text, options))
        if options.plugins is not None:
            options.plugins.modify(jobspec)
        return jobspec

    @staticmethod
    def _set_dependencies(jobspec: JobspecV1, options: MiniOptions) -> None:
        with _refusals():
            found = [
                values.parse_dependency(uri, alone=options.todays) for uri in options.dependency
            ]
        if options.begin_time is not None:
            with _refusals():
                moment = parse_datetime(options.begin_time).timestamp()
            found.append({"scheme": "begin-time", "value": str(moment)})
        if found:
            jobspec.setattr("system.dependencies", found)

    @staticmethod
    def _set_shell(jobspec: JobspecV1, options: MiniOptions) -> None:
        with _refusals():
            if options.taskmap is not None:
                taskmap = values.parse_taskmap(options.taskmap)
                jobspec.setattr_shell_option("taskmap", taskmap)
            if options.signal is not None:
                jobspec.setattr_shell_option("signal", values.parse_signal(options.signal))
            if options.rlimit:
                jobspec.setattr_shell_option("rlimit", build_rlimits(options.rlimit))

    @staticmethod
    def _set_io(jobspec: JobspecV1, options: MiniOptions, output: str | None) -> None:
        if options.input and not (options.todays and values.is_ranks(options.input)):
            jobspec.stdin = options.input
        if options.unbuffered:
            values.set_unbuffered(jobspec)
        for path, stream in ((output, "stdout"), (options.error, "stderr")):
            if path and path not in _TO_KVS:
                setattr(jobspec, stream, path)
                if options.label_io:
                    jobspec.setattr_shell_option(f"output.{stream}.label", True)


FROM_STDIN: Final = "batchscript"
"""The name of a script that has none."""


class Script(NamedTuple):
    """A batch script: its text, the name of its file or program, its arguments."""

    text: str
    name: str
    args: list[str]


def read_script(words: Sequence[str], wrap: bool) -> Script:
    """Return a batch script.

    ``words`` are a file name and arguments; with ``wrap`` they are a command to put into a
    script. Without words the script comes from stdin.

    Raises OSError if the file cannot be read, CommandError if it is not text.
    """
    header = "#!/bin/sh\n" if wrap else ""
    if not words:
        return Script(header + read_text("the script"), FROM_STDIN, [])
    if wrap:
        return Script(f"{header}{' '.join(words)}\n", words[0], list(words[1:]))
    try:
        with open(words[0], encoding="utf-8") as file:
            return Script(file.read(), words[0], list(words[1:]))
    except UnicodeDecodeError:
        text = f"{words[0]}: does not appear to be a script, failed to read as UTF-8"
        raise failure(text) from None
