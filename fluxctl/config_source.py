"""The tables that ``flux config load`` sends to a broker: from files, or from text; and those of
``--conf`` of ``flux start`` and ``flux broker``.
"""

from __future__ import annotations

import math
import os
import tomllib
from typing import TYPE_CHECKING, Final

from flux.treedict import dict_merge
from flux.wire import json
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.wire.json import JsonObject

INTEGERS: Final = (-(1 << 63), (1 << 63) - 1)
"""The least and the greatest integer of a configuration."""
CONF_HELP: Final = (
    "Add to the configuration: KEY=VALUE, lines of TOML or JSON, or a file; what comes later "
    "counts more, and all of it more than PATH."
)
"""What the help says of ``--conf``."""


def given_tables(values: Iterable[str]) -> JsonObject:
    """Return the tables that the values of ``--conf`` make together; raises CommandError for one
    that is malformed.
    """
    values = tuple(values)
    if not values:
        return {}
    from flux.job.options.configuration import BatchConfig

    made = BatchConfig()
    try:
        for value in values:
            if os.path.isfile(value):
                made.update_file(value)
            else:
                made.update(value)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    return made.config or {}


def tables_in_files(path: str) -> JsonObject:
    """Return what is in ``path``: a TOML file, a JSON file called ``*.json``, or a directory whose
    files ``*.toml`` are merged in the order of their names.

    Raises OSError for what cannot be read, ValueError with the file for one that is malformed.
    """
    if not os.path.isdir(path):
        return _in_file(path)
    tables: JsonObject = {}
    for name in sorted(os.listdir(path)):
        if name.endswith(".toml"):
            dict_merge(tables, _in_file(os.path.join(path, name)))
    return tables


def tables_in_text(text: str) -> JsonObject:
    """Return what a text has, a JSON object or TOML; raises ValueError if it is neither."""
    return _json(text) if text.lstrip().startswith("{") else _toml(text)


def _in_file(path: str) -> JsonObject:
    with open(path, encoding="utf-8") as file:
        try:
            text = file.read()
            return _json(text) if path.endswith(".json") else _toml(text)
        except UnicodeDecodeError:
            raise ValueError(f"{path}: it is not UTF-8 text") from None
        except ValueError as exc:
            raise ValueError(f"{path}: {exc}") from None


def _toml(text: str) -> JsonObject:
    """Return tables as JSON has them: dates and times as text."""
    tables = tomllib.loads(text)
    if not _fit(tables):
        raise ValueError("numbers must be finite, and integers have 64 bits at most")
    try:
        return _json(json.dumps_str(tables))
    except TypeError as exc:
        raise ValueError(str(exc)) from None


def _fit(value: object) -> bool:
    """Whether JSON has all numbers of a value as they are."""
    if isinstance(value, dict | list):
        return all(map(_fit, value.values() if isinstance(value, dict) else value))
    return math.isfinite(value) if isinstance(value, float) else _in_range(value)


def _in_range(value: object) -> bool:
    return not isinstance(value, int) or INTEGERS[0] <= value <= INTEGERS[1]


def _json(text: str) -> JsonObject:
    tables: object = json.loads(text)
    if not isinstance(tables, dict):
        raise ValueError("the configuration must be an object")
    return tables
