"""What the browser of the key-value store asks an instance."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from flux import kvs_flags
from flux.kvs_limits import check_key, check_namespace
from flux.kvs_txn import commit_request, normalize, put_op, unlink_op
from flux.treeobj import decode_val

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.base import Feed


def _request(namespace: str, key: str, flags: int) -> JsonObject:
    return {"key": key, "namespace": namespace, "flags": flags}


def _object(answer: JsonMapping) -> JsonObject:
    found = answer.get("val")
    if not isinstance(found, dict):
        raise OSError(errno.EPROTO, "the answer has no value")
    return found


async def root(feed: Feed, namespace: str) -> str:
    """Return which version of a namespace is the newest; raises OSError."""
    answer = await feed.ask("kvs.getroot", {"namespace": namespace, "flags": 0})
    return str(answer["rootref"])


async def read_directory(feed: Feed, namespace: str, key: str) -> JsonObject:
    """Return the entries of a directory (RFC 11); raises OSError."""
    request = _request(namespace, key, kvs_flags.READDIR)
    found: JsonObject = _object(await feed.ask("kvs.lookup", request, timeout=60.0))["data"]
    return found


async def read_value(feed: Feed, namespace: str, key: str) -> bytes:
    """Return a value; raises OSError."""
    request = _request(namespace, key, 0)
    return decode_val(_object(await feed.ask("kvs.lookup", request, timeout=60.0)))


async def watch_value(feed: Feed, namespace: str, key: str) -> AsyncIterator[bytes]:
    """Return a value, and what it becomes with each change; raises OSError, ENOENT when it is
    gone.
    """
    request = _request(namespace, key, kvs_flags.WATCH)
    answers = feed.listen("kvs-watch.lookup", request, cancel="kvs-watch.cancel")
    async with contextlib.aclosing(answers):
        async for answer in answers:
            yield decode_val(_object(answer))


async def namespaces(feed: Feed) -> list[str]:
    """Return the names of all namespaces; raises OSError."""
    answer = await feed.ask("kvs.namespace-list")
    return [str(told["namespace"]) for told in answer["namespaces"]]


def checked_namespace(name: str) -> str:
    """Return the name of a namespace; raises OSError if it cannot be one."""
    check_namespace(name)
    return name


async def put(feed: Feed, namespace: str, key: str, value: str) -> str:
    """Set a key to a text; returns the key as the store knows it, and raises OSError."""
    name = normalize(key)
    check_key(name)
    await feed.ask("kvs.commit", commit_request([put_op(name, value.encode())], 0, namespace))
    return name


async def unlink(feed: Feed, namespace: str, keys: Sequence[str]) -> None:
    """Remove keys, directories with all below them, in one transaction; raises OSError."""
    await feed.ask("kvs.commit", commit_request([*map(unlink_op, keys)], 0, namespace))
