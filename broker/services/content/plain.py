"""Large directories of the KVS for those who read blobs by themselves.

The KVS stores them hashed, as *hdir* objects (RFC 11, `flux.dirblob`), which flux-core's programs
do not know: "at this time, hdir objects have not been implemented". Whoever loads one gets the
*dir* object with the same entries, as it would be stored without hashing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux import dirblob, treeobj
from flux.dirblob import Buckets, Entries
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HASHED: Final = b'{"data":{"bucket":['
"""What the KVS begins a hashed directory with."""


async def plain(ref: str, blob: bytes, load: Callable[[str], Awaitable[bytes]]) -> bytes:
    """Return a blob as flux-core's programs know it; ``load`` gets the blobs of buckets.

    What only looks like a hashed directory, or has lost a bucket, is returned as it is.
    """
    try:
        entries = dirblob.parse(ref, blob)
        if not isinstance(entries, Buckets):
            return blob
        found: Entries = {}
        pending = [entries]
        while pending:
            above = pending.pop()
            for bucket in above.refs().values():
                below = dirblob.parse(bucket, await load(bucket))
                dirblob.check_below(above, below)
                if isinstance(below, Buckets):
                    pending.append(below)
                else:
                    found.update(below)
    except OSError:
        return blob
    data = {name: found[name] for name in sorted(found)}
    return json.dumps({"data": data, "type": "dir", "ver": treeobj.VERSION})
