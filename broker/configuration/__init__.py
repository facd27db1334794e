"""The configuration of a broker: TOML files (flux-config(5)), read into typed tables.

A table that has a class in `broker.configuration.tables` is checked: an unknown key, a value of the
wrong type or an impossible one fails the start, and the error names file, line and key. So does the
one of a value that only the module that it is for can tell to be impossible (`setting_error`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from broker.configuration.document import Document, read
from broker.configuration.tables import Config, checked
from flux.wire.json import loads

if TYPE_CHECKING:
    from flux.toml_positions import Path
    from flux.wire.json import JsonObject

__all__ = ["Config", "from_payload", "from_tables", "load", "setting_error"]


def load(path: str | None, given: JsonObject | None = None) -> Config:
    """Return the configuration in ``path``, a TOML file or a directory whose ``*.toml`` files are
    merged in the order of their names; the empty one for None. Tables that the command line has
    ``given`` count more.

    Raises OSError saying which file, and which key in it, is wrong.
    """
    return checked(read(path, given), given) if path or given else Config()


@lru_cache(maxsize=1)
def from_payload(payload: bytes) -> Config:
    """Return the configuration in a message to a module; raises OSError(EINVAL) if it is not fit.

    All modules of a broker get the same message one after the other: it is checked once.
    """
    tables: JsonObject = loads(payload.removesuffix(b"\0"))
    return from_tables(tables)


def from_tables(tables: JsonObject) -> Config:
    """Return the configuration that a broker sends to its modules; raises OSError(EINVAL) for one
    that is not fit.
    """
    document = Document([])
    document.tables = tables
    return checked(document)


def setting_error(path: str | None, key: Path, error: OSError) -> OSError:
    """Return ``error``, about the value of ``key`` in the files at ``path``, with file, line and
    key; without a place if the files do not have the key any more.
    """
    try:
        document = read(path) if path else Document([])
    except OSError:
        document = Document([])
    text = document.error(key, error.strerror or str(error)).strerror
    return OSError(error.errno, text)
