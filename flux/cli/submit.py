"""``flux submit`` for programs."""

from __future__ import annotations

from flux.cli import base
from fluxctl.mini.argparse_options import add_words


class SubmitCmd(base.SubmitBulkCmd):
    """Submits a job, or copies of it."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        add_words(self.parser, "submit")
