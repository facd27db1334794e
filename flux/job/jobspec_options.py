"""What a jobspec may be told besides its resources and its command: by the keywords of the builders
of `flux.job.JobspecV1`, or as the options of a submission command.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self, TypeAlias, TypedDict, Union, cast

from flux.job.jobspec_attributes import JobspecAttributes
from flux.wire.text import as_text

if TYPE_CHECKING:
    from flux.job.options.configuration import BatchConfig

Duration: TypeAlias = float | str | timedelta
"""Seconds, a Flux standard duration, or a timedelta."""
Path: TypeAlias = str | os.PathLike[str]
Configuration: TypeAlias = Union["BatchConfig", Mapping[str, object], str, None]
"""The configuration of an instance, as `flux.job.BatchConfig` takes it."""


class JobExtras(TypedDict, total=False):
    """The arguments of `JobspecOptions.set_extras`."""

    duration: Duration | None
    environment: Mapping[str, str] | None
    env_expand: Mapping[str, str] | None
    cwd: Path | None
    rlimits: Mapping[str, int] | None
    name: str | None
    input: Path | None
    output: Path | None
    error: Path | None
    label_io: bool
    unbuffered: bool
    queue: str | None
    bank: str | None


_EXTRAS: Final = frozenset(JobExtras.__annotations__)


class JobspecOptions(JobspecAttributes):
    """The part of a jobspec that takes options."""

    def set_extras(
        self,
        *,
        duration: Duration | None = None,
        environment: Mapping[str, str] | None = None,
        env_expand: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        rlimits: Mapping[str, int] | None = None,
        name: str | None = None,
        input: Path | None = None,
        output: Path | None = None,
        error: Path | None = None,
        label_io: bool = False,
        unbuffered: bool = False,
        queue: str | None = None,
        bank: str | None = None,
    ) -> Self:
        """Set what is not None, and return self.

        ``duration`` is the time limit in seconds or as a Flux standard duration, ``environment``
        the job's whole environment, ``env_expand`` variables whose values are templates that the
        job shell fills in, ``rlimits`` soft limits by name, such as ``{"nofile": 1024}``, -1 for
        none. ``input``, ``output`` and ``error`` are files, with ``label_io`` each line of these
        begins with the task rank, ``unbuffered`` passes output on as it comes. ``name``, ``queue``,
        ``bank`` and ``cwd`` are what they are called. Raises ValueError or TypeError.
        """
        if duration is not None:
            self.duration = duration
        if environment is not None:
            self.environment = environment
        for option, mapping in (("env-expand", env_expand), ("rlimit", rlimits)):
            if mapping is not None:
                self.setattr_shell_option(option, dict(mapping))
        self._set_streams(input, output, error, label_io)
        if unbuffered:
            self.unbuffered = True
        if cwd is not None:
            self.cwd = cwd
        for key, text in (("job.name", name), ("queue", queue), ("bank", bank)):
            if text is not None:
                self.setattr(f"system.{key}", as_text(text, key))
        return self

    def _set_streams(
        self, stdin: Path | None, stdout: Path | None, stderr: Path | None, label: bool
    ) -> None:
        if stdin is not None:
            self.stdin = stdin
        for stream, path in (("stdout", stdout), ("stderr", stderr)):
            if path is not None:
                setattr(self, stream, path)
                if label:
                    self.setattr_shell_option(f"output.{stream}.label", True)

    def add_configuration(
        self, conf: Configuration, broker_opts: Iterable[str] | None
    ) -> list[str]:
        """Have the job, an instance, find its configuration; return the options of its brokers."""
        from flux.job.options.configuration import BROKER_OPTION, as_batch_config

        options = list(broker_opts or ())
        made = as_batch_config(conf)
        made.add_to(self)
        return options if made.config is None else [*options, BROKER_OPTION]

    def apply_options(
        self,
        args: object = None,
        *,
        prog: str | None = None,
        _preinit: bool = True,
        env: Iterable[str] | None = None,
        rlimit: Iterable[str] | None = None,
        signal: str | None = None,
        taskmap: str | None = None,
        dependency: Iterable[str] | None = None,
        requires: Iterable[str] | None = None,
        shell_options: Mapping[str, object] | None = None,
        time_limit: Duration | None = None,
        attributes: Mapping[str, object] | None = None,
        add_file: Iterable[str] | None = None,
        **kwargs: object,
    ) -> Self:
        """Apply options as ``flux submit`` does, and return self; None leaves things as they are.

        ``env`` and ``rlimit`` are rules of ``--env`` and ``--rlimit``, ``[]`` for the environment
        and the usual limits of this process. ``signal`` is ``[SIGNAL][@TIME]``, ``taskmap``
        ``SCHEME[:VALUE]``, ``dependency`` a list of URIs, ``requires`` one of constraints, all of
        which hold, ``add_file`` one of ``[NAME[:PERMS]=]PATH|DATA``. ``time_limit`` is in seconds,
        or a Flux standard duration. ``shell_options`` and ``attributes`` are set by their keys;
        those of attributes are the system's unless they begin with ``user.``, ``system.`` or a
        period.

        ``args`` is any object whose attributes have these names, and ``setopt`` and ``setattr``,
        lists of ``KEY=VALUE``; keywords go before it.

        With ``prog``, the name of a command, its plugins take part (docs/cli-plugins.md): further
        keywords are options of theirs, by the names that they have in parsed arguments. They see
        all options before these are applied, unless ``_preinit`` is false, and change the jobspec
        after that.

        Raises ValueError for what is malformed, OSError for files that cannot be read, TypeError
        for an unknown keyword, and whatever a plugin raises.
        """
        from flux.job.options.applying import SubmitOptions, apply_called

        given = SubmitOptions(
            env=env,
            rlimit=rlimit,
            signal=signal,
            taskmap=taskmap,
            dependency=dependency,
            requires=requires,
            shell_options=shell_options,
            time_limit=time_limit,
            attributes=attributes,
            add_file=add_file,
        )
        apply_called(
            self, given if args is None else given.over(args), args, prog, kwargs, _preinit
        )
        return self

    def as_submitted(self, prog: str, keywords: Mapping[str, object], here: bool = False) -> Self:
        """Set the keywords of `set_extras` and of `apply_options`, as the command ``prog`` would;
        with ``here`` the job runs in the present directory if none is named.

        The environment and the resource limits are this process's unless keywords say otherwise.
        Raises TypeError for a keyword that neither has.
        """
        from flux.job.options.applying import NAMES, apply, options_of, unknown_keywords

        unknown = [key for key in keywords if key not in _EXTRAS | NAMES]
        if unknown:
            raise unknown_keywords(f"from_{prog}", unknown)
        own = {"env": [], "rlimit": [], **({"cwd": os.getcwd()} if here else {}), **keywords}
        if own.get("environment") is not None:
            own["env"] = None
        if own.get("rlimits") is not None and "rlimit" not in keywords:
            own["rlimit"] = None
        self._set_given({key: value for key, value in own.items() if key in _EXTRAS})
        apply(self, options_of({key: value for key, value in own.items() if key in NAMES}))
        return self

    def _set_given(self, extras: Mapping[str, object]) -> None:
        # Values of any type: each setter says what it does not take.
        self.set_extras(**cast("JobExtras", extras))

    # The streams by the names that later programs have for them

    @property
    def input(self) -> str | None:
        """File that the tasks read; see ``stdin``."""
        return self.stdin

    @input.setter
    def input(self, path: Path) -> None:
        self.stdin = path

    @property
    def output(self) -> str | None:
        """File that the tasks write; see ``stdout``."""
        return self.stdout

    @output.setter
    def output(self, path: Path) -> None:
        self.stdout = path

    @property
    def error(self) -> str | None:
        """File that the tasks write errors to; see ``stderr``."""
        return self.stderr

    @error.setter
    def error(self, path: Path) -> None:
        self.stderr = path

    @property
    def unbuffered(self) -> bool:
        """Whether the job's shells pass on input and output as they come."""
        from flux.job.options.values import UNBUFFERED

        key, value = next(iter(UNBUFFERED.items()))
        return bool(self._get(f"system.shell.options.{key}") == value)

    @unbuffered.setter
    def unbuffered(self, on: bool) -> None:
        from flux.job.options.values import clear_unbuffered, set_unbuffered

        (set_unbuffered if on else clear_unbuffered)(self)


def batch_script(script: Path | None, content: str | None, wrap: bool) -> tuple[str, str]:
    """Return the text of a batch script and its name, of a file or of the text.

    Raises TypeError unless there is one of both, OSError, ValueError if the file is not text.
    """
    if (script is None) == (content is None):
        text = "from_batch() takes one of 'script' (file path) and 'content' (inline script)"
        raise TypeError(text)
    name = "batch" if script is None else os.path.basename(os.fspath(script))
    if script is not None:
        try:
            with open(script, encoding="utf-8") as file:
                content = file.read()
        except UnicodeDecodeError:
            raise ValueError(f"{name}: does not appear to be a script") from None
    text = str(content)
    return (f"#!/bin/sh\n{text}" if wrap and not text.startswith("#!") else text), name
