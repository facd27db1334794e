"""The archives that rank 0 reads its key-value store from when it starts (``content.restore``) and
writes it to when it ends (``content.dump``).
"""

from __future__ import annotations

import errno
import os
import shlex
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from broker.attributes import Attributes
    from broker.scripts import Scripts

AUTO: Final = "auto"
"""The value by which archives are in the folder below, and the last one is read once."""
FOLDER: Final = "dump"
LAST: Final = "RESTORE"
RESTORE: Final = "exec flux restore -q --checkpoint --"
DUMP: Final = "exec flux dump -q --"


class Archives:
    """Reads and writes them, with ``scripts`` to run ``flux restore`` and ``flux dump``."""

    def __init__(self, attrs: Attributes, scripts: Scripts) -> None:
        self._attrs = attrs
        self._scripts = scripts

    def _folder(self) -> str:
        return os.path.join(self._attrs.get("statedir") or "", FOLDER)

    @property
    def to_restore(self) -> bool:
        """Whether the store may have to be read from an archive."""
        return bool(self._attrs.get("content.restore"))

    async def restore(self) -> None:
        """Read the archive that is to be read, if any, into the store that nobody uses yet; raises
        OSError if that fails, for which ``flux restore`` has said the reason.
        """
        path = self._attrs.get("content.restore")
        if not path:
            return
        link = os.path.join(self._folder(), LAST) if path == AUTO else None
        if link is not None:
            if not os.path.lexists(link):
                return
            path = os.path.join(self._folder(), os.readlink(link))
        code = await self._scripts.rc("restore", f"{RESTORE} {shlex.quote(path)}")
        if code:
            raise OSError(errno.EINVAL, f"content.restore: {path} was not read")
        if link is not None:
            os.unlink(link)  # it is in the store now, and older than what comes

    async def dump(self) -> int | None:
        """Write the archive that is to be written and return the exit code, None if none is."""
        path = self._attrs.get("content.dump")
        if not path:
            return None
        auto = path == AUTO
        if auto:
            os.makedirs(self._folder(), exist_ok=True)
            path = os.path.join(self._folder(), time.strftime("%Y%m%d_%H%M%S.tgz"))
        code = await self._scripts.rc("dump", f"{DUMP} {shlex.quote(path)}")
        if auto and not code:
            self._remember(path)
        return code

    def _remember(self, path: str) -> None:
        link = os.path.join(self._folder(), LAST)
        fresh = f"{link}.new"
        if os.path.lexists(fresh):
            os.unlink(fresh)
        os.symlink(os.path.basename(path), fresh)
        os.replace(fresh, link)
