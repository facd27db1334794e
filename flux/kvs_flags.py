"""Numbers and names of the KVS protocol (flux_kvs_lookup(3), flux_kvs_commit(3), RFC 11)."""

from __future__ import annotations

from typing import Final

READDIR: Final = 1
READLINK: Final = 2
WATCH: Final = 4
WAITCREATE: Final = 8
TREEOBJ: Final = 16
APPEND: Final = 32
WATCH_FULL: Final = 64
WATCH_UNIQ: Final = 128
WATCH_APPEND: Final = 256
STREAM: Final = 512
"""The value comes in pieces, and then ENODATA: today's ``flux kvs get --stream``."""

NO_MERGE: Final = 1
TXN_COMPACT: Final = 2
"""Changes of one key within a transaction may become one; the answer is the same."""
SYNC: Final = 4

PRIMARY: Final = "primary"
"""The namespace that every instance has."""
PRIMARY_CHECKPOINT: Final = "kvs-primary"
"""The checkpoint of that namespace, which a restart begins with."""
