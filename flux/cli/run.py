"""``flux run`` for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.cli import base
from fluxctl.mini.argparse_options import add_options, add_words, options_of_all

if TYPE_CHECKING:
    from argparse import Namespace


class RunCmd(base.SubmitBaseCmd):
    """Submits a job and attaches to it."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        add_options(self.parser, options_of_all("run"), "run")
        add_words(self.parser, "run")

    def main(self, args: Namespace) -> None:
        """Submit a job, and wait for it with its output here."""
        from fluxctl.mini import actions

        self.exitcode = actions.run(self.options(args), self.words(args))
