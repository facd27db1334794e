"""``flux alloc`` for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flux.cli import base
from fluxctl.mini.argparse_options import add_options, add_words, options_of_all
from fluxctl.mini.namespace import options_of

if TYPE_CHECKING:
    from argparse import Namespace

    from flux.job.Jobspec import JobspecV1


class AllocCmd(base.BatchAllocCmd):
    """Starts an instance as a job, and attaches to it."""

    command = "alloc"

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description, exclude_io=False)
        add_options(self.parser, options_of_all("alloc"), "alloc")
        add_words(self.parser, "alloc")

    def init_jobspec(self, args: Namespace) -> JobspecV1:
        """Return the jobspec of parsed arguments, without what plugins change; raises ValueError
        for what cannot be.
        """
        options = options_of(args)
        interactive = not options.bg and sys.stdin.isatty() and sys.stdout.isatty()
        with base.refused_as_values():
            return self._builder.alloc(options, self.words(args), interactive)

    def main(self, args: Namespace) -> None:
        """Start the instance, as ``flux alloc`` does."""
        from fluxctl.mini import actions

        self.exitcode = actions.alloc(self.options(args), self.words(args))
