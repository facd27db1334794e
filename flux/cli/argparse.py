"""The parser of the submission commands: one of argparse whose help is laid out as theirs."""

from __future__ import annotations

import argparse
from typing import Any

from flux.command_options import help_formatter


class FluxArgumentParser(argparse.ArgumentParser):
    """An ``ArgumentParser`` that gives options up to 40 columns, unless told otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", help_formatter(argwidth=40))
        super().__init__(*args, **kwargs)
