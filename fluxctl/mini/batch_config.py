"""The configuration that ``--conf`` makes for a new instance: tables, each adding to those
before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.treedict import dict_merge, get_treedict
from flux.wire import json
from fluxctl.mini.subinstance import read_configuration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from flux.wire.json import JsonObject


class BatchConfig:
    """Tables of a configuration, ``config``, and how more are added."""

    def __init__(self) -> None:
        self.config: JsonObject | None = None

    @classmethod
    def of(cls, texts: Iterable[object]) -> Self:
        """Return what the values of some options ``--conf`` make."""
        found = cls()
        for text in texts:
            found.update(str(text))
        return found

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

    def __bool__(self) -> bool:
        return self.config is not None

    def texts(self) -> tuple[str, ...]:
        """Return it as the value of one option ``--conf``, or of none."""
        return () if self.config is None else (json.dumps_str(self.config),)
