"""Files that a jobspec takes along: what a caller names, as an RFC 37 object."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flux.b64 import b64encode
from flux.filearchive import objects
from flux.filearchive.objects import DEFAULT_PERMISSIONS, PERMISSIONS, data_object
from flux.wire import json

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject


def file_object(
    data: str | bytes | JsonMapping, perms: int | None = None, encoding: str | None = None
) -> JsonObject:
    """Return the object of a file, without a path.

    Text with a newline and bytes are the content itself, other text is the path of a local file, a
    mapping becomes JSON. Permissions are ``perms``, else those of the local file, else 0600.
    ``encoding`` is ``utf-8`` or ``base64``, by default what fits.

    Raises OSError if the file cannot be read or is none, ValueError for another encoding, for
    content that is not UTF-8 although it is to be, or for permissions beyond 0777.
    """
    content, mode = _content(data)
    mode = mode if perms is None else perms
    if not 0 <= mode <= PERMISSIONS:
        raise ValueError(f"permissions are from 0 to 0777, not {mode:#o}")
    made = data_object(content, mode)
    match encoding:
        case objects.BASE64:
            made |= {"size": len(content), "encoding": objects.BASE64, "data": b64encode(content)}
        case "utf-8":
            made |= {"size": len(content), "encoding": "utf-8", "data": content.decode("utf-8")}
        case None:
            pass
        case _:
            raise ValueError(f"encoding is utf-8 or base64, not {encoding}")
    return made


def _content(data: str | bytes | JsonMapping) -> tuple[bytes, int]:
    if isinstance(data, bytes):
        return data, DEFAULT_PERMISSIONS
    if isinstance(data, Mapping):
        return json.dumps(data), DEFAULT_PERMISSIONS
    if not isinstance(data, str):
        raise TypeError(f"data is a string, bytes or a mapping, not {type(data).__name__}")
    if "\n" in data:
        return data.encode("utf-8", "surrogateescape"), DEFAULT_PERMISSIONS
    with open(data, "rb") as file:
        return file.read(), os.fstat(file.fileno()).st_mode & PERMISSIONS
