"""Actions of argparse that the options of the submission commands need: several of them write into
the list of another.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from flux.duration import parse_datetime
from flux.job.options.configuration import BatchConfig

if TYPE_CHECKING:
    from collections.abc import Sequence


def _append(namespace: argparse.Namespace, dest: str, text: str) -> None:
    """Add to a list of the arguments, which may not be there yet."""
    setattr(namespace, dest, [*(getattr(namespace, dest, None) or []), text])


class _Prefixed(argparse.Action):
    """Adds its values as rules to those of ``--env``, whose order counts."""

    prefix = ""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        _append(namespace, "env", f"{self.prefix}{values}")


class EnvFilterAction(_Prefixed):
    """The action of ``--env-remove``."""

    prefix = "-"


class EnvFileAction(_Prefixed):
    """The action of ``--env-file``."""

    prefix = "^"


class BeginTimeAction(argparse.Action):
    """The action of ``--begin-time``: one more dependency."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            moment = parse_datetime(str(values)).timestamp()
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        _append(namespace, "dependency", f"begin-time:{moment}")


class ConfAction(argparse.Action):
    """The action of ``--conf``: a `BatchConfig` to which each value adds."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        found = getattr(namespace, self.dest, None) or BatchConfig()
        try:
            setattr(namespace, self.dest, found.update(str(values)))
        except ValueError as error:
            text = str(error).removeprefix("--conf: ")
            raise argparse.ArgumentError(self, text) from None
