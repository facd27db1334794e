"""One command template, many inputs: the jobs of ``flux mini bulksubmit``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from fluxctl.mini.inputs import InputReader, count_known, split_command
from fluxctl.mini.request import Options
from fluxctl.mini.template import Template, define, describe

_OWN = ("define", "sep", "shuffle", "dry_run", "verbose")
"""Options in which nothing is replaced."""


class BulkSubmission:
    """The options and commands of all jobs, made one after the other as inputs are read.

    Args:
        options: options as given, which may hold replacement strings.
        words: command template and inputs.
        on_terminal: called before inputs are read from a terminal.

    Raises:
        CommandError: a definition is malformed.
        OSError: a file of inputs cannot be opened.
    """

    def __init__(self, options: Options, words: Sequence[str], on_terminal: Callable[[], None]) -> None:
        self._command, sources = split_command(words)
        self._fixed = {name: options.get(name) for name in _OWN}
        self._options = {name: value for name, value in options.items() if name not in _OWN}
        self._template = Template(define(options.get("define") or ()))
        self._shuffle = bool(options.get("shuffle"))
        blocking = self._shuffle or bool(options.get("dry_run"))
        self._reader = InputReader(sources, options.get("sep"), on_terminal, blocking)
        self.total = None if self._varies_copies() else _times(count_known(sources), options)

    def _varies_copies(self) -> bool:
        return any("{" in str(self._options.get(name) or "") for name in ("cc", "bcc"))

    @property
    def reads_stdin(self) -> bool:
        """Whether inputs come from stdin while jobs are submitted."""
        return self._reader.reads_stdin

    def __iter__(self) -> Iterator[tuple[Options, list[str]] | None]:
        """Yield options and command of each job; None when the next input is not there yet.

        Raises:
            CommandError: a replacement string asks for something that does not exist.
        """
        jobs = self._in_order()
        if self._shuffle:
            everything = [job for job in jobs if job is not None]
            random.shuffle(everything)
            jobs = iter(everything)
        return jobs

    def _in_order(self) -> Iterator[tuple[Options, list[str]] | None]:
        seq = 0
        for inputs in self._reader:
            if inputs is None:
                yield None
                continue
            values = self._template.values(inputs, seq)
            command = self._template.command(self._command, values)
            yield {**self._template.options(self._options, values), **self._fixed}, command
            seq += 1

    def describe(self) -> Iterator[str]:
        """Yield the line of a dry run for each job."""
        return (describe(*job) for job in self if job is not None)


def _times(count: int | None, options: Options) -> int | None:
    """Return the number of jobs when each of `count` is replicated by ``--cc`` or ``--bcc``."""
    from flux.idset import IDset

    copies = options.get("cc") or options.get("bcc")
    if count is None or not copies:
        return count
    try:
        return count * len(IDset(copies))
    except ValueError:
        return None
