"""Files that a job brings along in its jobspec (``attributes.system.files``, RFC 37): they are in
FLUX_JOB_TMPDIR on each of its nodes before a task starts (flux-mini(1), --add-file).
"""

from __future__ import annotations

from broker.shell.levels import ERROR
from broker.shell.plugin import ShellPlugin


class FilesPlugin(ShellPlugin):
    """Writes the files."""

    name = "files"

    def wanted(self) -> bool:
        return bool(self.shell.info.system.get("files"))

    def shell_init(self) -> None:
        """Write them; raises OSError for one that is malformed or leads out of the directory."""
        from flux.filearchive.unpacking import unpack

        try:
            unpack(self.shell.info.system["files"], self.shell.tmpdir)
        except OSError as error:
            self.shell.log(ERROR, str(error.strerror), self.name)
            raise
