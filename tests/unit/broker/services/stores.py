"""The store behind the services, for tests that damage it or fill its disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.services.content_sqlite.service import ContentSqliteService

if TYPE_CHECKING:
    from broker.services.content_sqlite.store import BlobStore
    from tests.unit.broker.services.wired import Wired


def store_behind(wired: Wired) -> BlobStore:
    """Return the open store of rank 0."""
    service = wired.ranks[0].services["content-sqlite"]
    assert isinstance(service, ContentSqliteService)
    store = service._store  # noqa: SLF001 - tests look into it
    assert store is not None
    return store
