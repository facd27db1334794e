"""The configuration that ``--conf`` makes for a new instance: tables, each adding to those
before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.treedict import dict_merge, get_treedict
from fluxctl.mini.subinstance import read_configuration

if TYPE_CHECKING:
    from typing import Self

    from flux.wire.json import JsonObject


class BatchConfig:
    """Tables of a configuration, ``config``, and how more are added."""

    def __init__(self) -> None:
        self.config: JsonObject | None = None

    def update(self, value: str) -> Self:
        """Add ``KEY=VALUE``, lines of TOML or JSON, a file, or one by its name. Raises CommandError
        for one that cannot be read.
        """
        if self.config is None:
            self.config = {}
        dict_merge(self.config, read_configuration(value))
        return self

    def get(self, key: str, default: object = None) -> object:
        """Return the value of a key, whose periods separate the levels."""
        return get_treedict(self.config or {}, key, default)
