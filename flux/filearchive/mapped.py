"""Archives whose content stays in its files, which the broker of rank 0 maps: the tag of these is
the archive's name.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING, Final

from flux import treeobj
from flux.core.attributes import attribute_of
from flux.filearchive.regions import CHUNK

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.rpc import RPC

AHEAD: Final = 32
"""Files that the broker is asked to map before it has answered."""


class FileMapper:
    """Maps files of the archive ``name``: `note` them while they are packed, then `map_all`.

    Paths are those on the host of rank 0, where the caller has to be.
    """

    def __init__(self, handle: Flux, name: str) -> None:
        self._handle = handle
        self._name = name
        self._algorithm = attribute_of(handle, "content.hash") or treeobj.DEFAULT_HASH
        self._directory = os.getcwd()
        self._paths: list[str] = []

    def ref(self, data: bytes) -> str:
        """Return the blobref of a piece."""
        return treeobj.blobref(data, self._algorithm)

    def note(self, path: str) -> None:
        """Have ``path``, relative to the directory in which this was made, mapped by `map_all`."""
        self._paths.append(os.path.normpath(os.path.join(self._directory, path)))

    def map_all(self, *, keep: bool) -> None:
        """Have the broker map the files, all or, unless ``keep``, none of the archive; raises
        OSError with its sentence.
        """
        try:
            self._map()
        except OSError:
            if not keep:
                unmap(self._handle, self._name)
            raise

    def _map(self) -> None:
        asked: deque[RPC] = deque()
        for path in self._paths:
            if len(asked) >= AHEAD:
                asked.popleft().get()
            payload = {"path": path, "chunksize": CHUNK, "tag": self._name}
            asked.append(self._handle.rpc("content.mmap-add", payload, nodeid=0))
        for one in asked:
            one.get()


def unmap(handle: Flux, name: str) -> None:
    """Have the files of the archive ``name`` unmapped, if it has any."""
    try:
        handle.rpc("content.mmap-remove", {"tag": name}, nodeid=0).get()
    except OSError as error:
        if error.errno != errno.ENOSYS:  # a broker that maps no files
            raise
