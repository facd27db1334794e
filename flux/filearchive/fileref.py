"""A file of a jobspec as an object (RFC 37; ``flux.util.Fileref`` of today's flux-core)."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from flux.filearchive.objects import BASE64, DEFAULT_PERMISSIONS
from flux.filearchive.source import file_object

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping


class Fileref(dict[str, object]):
    """The object of a file, without its path.

    ``data`` is a mapping, which becomes JSON; or, with ``encoding``, content in that encoding; or
    the path of a file, whose permissions count more than ``perms``. Raises OSError for a file that
    cannot be read, ValueError for an unknown encoding.
    """

    def __init__(
        self,
        data: str | bytes | JsonMapping,
        perms: int = DEFAULT_PERMISSIONS,
        encoding: str | None = None,
    ) -> None:
        if encoding not in (None, "utf-8", BASE64):
            raise ValueError(f"invalid encoding: {encoding}")
        if encoding is not None:
            text = data.decode() if isinstance(data, bytes) else data
            made: JsonMapping = {"mode": stat.S_IFREG | perms, "data": text, "encoding": encoding}
        elif isinstance(data, str | bytes):
            made = file_object(data, None, None)
        else:
            made = {"mode": stat.S_IFREG | perms, "data": data}
        super().__init__(made)
