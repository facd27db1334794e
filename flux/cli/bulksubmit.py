"""``flux bulksubmit`` for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.cli import base
from fluxctl.mini.argparse_options import add_options, add_words, options_of_all

if TYPE_CHECKING:
    from argparse import Namespace


class BulkSubmitCmd(base.SubmitBulkCmd):
    """Submits a job for each of many inputs."""

    command = "bulksubmit"

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        add_options(self.parser, options_of_all("bulksubmit"), "bulksubmit")
        add_words(self.parser, "bulksubmit")

    def main(self, args: Namespace) -> None:
        """Submit the jobs, as ``flux bulksubmit`` does."""
        from fluxctl.mini import actions

        self.exitcode = actions.bulksubmit(self.options(args), self.words(args))
