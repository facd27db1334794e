"""One command template, many inputs: the jobs of ``flux mini bulksubmit``."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from fluxctl.mini.inputs import InputReader, count_known, split_command, told_sources
from fluxctl.mini.options import failure
from fluxctl.mini.template import OWN, Template, define, describe, describe_replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fluxctl.mini.options import MiniOptions


class BulkSubmission:
    """The options and commands of all jobs, made one after the other as inputs are read.

    ``options`` may hold replacement strings, ``words`` are the command template and the inputs,
    and ``on_terminal`` is called before inputs are read from a terminal.

    Raises CommandError if a definition or separator is malformed, OSError if a file of inputs
    cannot be opened.
    """

    def __init__(
        self, options: MiniOptions, words: Sequence[str], on_terminal: Callable[[], None]
    ) -> None:
        self._command, sources = split_command(words)
        if options.todays:
            sources = told_sources(sources)
        if options.sep == "":
            raise failure("empty separator")
        self._options = options
        self._varying = [name for name in options.templated() if name not in OWN]
        self._template = Template(define(options.define), todays=options.todays)
        blocking = options.shuffle or options.dry_run
        self._reader = InputReader(
            sources, options.sep, on_terminal, blocking, skip_empty=options.todays
        )
        self.total = None if self._varies_copies() else _times(count_known(sources), options)

    def _varies_copies(self) -> bool:
        return "{" in f"{self._options.cc or ''}{self._options.bcc or ''}"

    @property
    def reads_stdin(self) -> bool:
        """Whether inputs come from stdin while jobs are submitted."""
        return self._reader.reads_stdin

    def __iter__(self) -> Iterator[tuple[MiniOptions, list[str]] | None]:
        """Yield options and command of each job; None when the next input is not available yet.

        Raises CommandError if a replacement string asks for something that does not exist and, in
        today's spelling, if there are no inputs.
        """
        jobs = self._in_order()
        if self._options.shuffle:
            everything = [job for job in jobs if job is not None]
            random.shuffle(everything)
            jobs = iter(everything)
        return jobs

    def _in_order(self) -> Iterator[tuple[MiniOptions, list[str]] | None]:
        seq = 0
        for inputs in self._reader:
            if inputs is None:
                yield None
                continue
            values = self._template.values(inputs, seq)
            command = self._template.command(self._command, values)
            yield self._template.options(self._options, self._varying, values), command
            seq += 1
        if self._options.todays and seq == 0:
            raise failure("no jobs provided for bulk submission")

    def describe(self) -> Iterator[str]:
        """Yield the line of a dry run for each job."""
        for job in self:
            if job is None:
                continue
            options, command = job
            if options.todays:
                yield describe_replaced(options, self._varying, command)
            else:
                yield describe(options, command)


def _times(count: int | None, options: MiniOptions) -> int | None:
    """Return the number of jobs when each of ``count`` is replicated by ``--cc`` or ``--bcc``."""
    from flux.idset import IDset

    ids = options.cc or options.bcc
    if count is None or not ids:
        return count
    try:
        return count * len(IDset(ids))
    except ValueError:
        return None
