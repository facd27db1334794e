"""The event log ``resource.eventlog``: what happened to the resources, for administrators and for the next start."""

from __future__ import annotations

import asyncio
import base64
import errno
from collections.abc import Mapping
from typing import Any

from broker.context import Context
from flux import eventlog
from flux.treeobj import decode_val

KEY = "resource.eventlog"
_APPEND = 32


def _value(data: bytes) -> dict[str, Any]:
    return {"ver": 1, "type": "val", "data": base64.b64encode(data).decode("ascii")}


class ResourceLog:
    """Appends entries in the order they are posted, one KVS commit at a time for all that wait."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._waiting: list[tuple[str, str, asyncio.Future[None]]] = []
        self._busy = False

    async def read(self) -> list[eventlog.Entry]:
        """Return the entries of earlier runs, none if there was no earlier run."""
        try:
            answer = await self._ctx.handle.rpc("kvs.lookup", {"key": KEY, "namespace": "primary", "flags": 0})
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.ENOSYS):
                return []
            raise
        try:
            return list(eventlog.decode(decode_val(answer["val"]).decode("utf-8", "replace")))
        except (OSError, ValueError) as exc:
            self._ctx.log.err(f"{KEY} of an earlier run is ignored: {exc}")
            return []

    def post(self, name: str, context: Mapping[str, Any], timestamp: float) -> asyncio.Future[None]:
        """Append an entry; the future is done when it is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((name, eventlog.encode(eventlog.entry(name, context, timestamp)), done))
        if not self._busy:
            self._busy = True
            self._ctx.spawn(self._flush(), "resource-eventlog")
        return done

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            text = "".join(line for _, line, _ in batch).encode()
            try:
                await self.commit([{"key": KEY, "flags": _APPEND, "dirent": _value(text)}])
            except OSError as exc:
                self._ctx.log.err(f"{KEY}: {exc.strerror}")
                for _, _, done in batch:
                    if not done.cancelled():
                        done.set_exception(exc)
                        done.exception()
                continue
            for name, _, done in batch:
                self._ctx.log.debug(f"reslog_cb: {name} event posted")
                if not done.cancelled():
                    done.set_result(None)
        self._busy = False

    async def put(self, key: str, text: bytes) -> None:
        """Store a value; raises OSError."""
        await self.commit([{"key": key, "flags": 0, "dirent": _value(text)}])

    async def commit(self, ops: list[dict[str, Any]]) -> None:
        """Commit KVS operations; raises OSError."""
        await self._ctx.handle.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops})
