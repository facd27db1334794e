"""Unpacks archives of the key-value store for a job (option ``stage-in``, flux-archive(1)).

Each node of the job writes them to its own FLUX_JOB_TMPDIR, or where ``destination`` says:
``local:PATH`` on each node, ``global:PATH`` on the first one only, for a file system that all of
them share.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.shell.levels import DEBUG, ERROR, TRACE, WARNING
from broker.shell.plugin import ShellPlugin, shown, switch

if TYPE_CHECKING:
    from flux.future_base import Future
    from flux.wire.json import JsonObject

KEYS: Final = frozenset({"names", "tags", "pattern", "destination"})
MAIN: Final = "main"


class StageInPlugin(ShellPlugin):
    """Unpacks the archives before a task starts."""

    name = "stage-in"

    def wanted(self) -> bool:
        option = self.shell.option("stage-in")
        return isinstance(option, dict) or switch(option) is not False

    def shell_init(self) -> None:
        """Unpack them; raises OSError for a wrong option, an archive that is not there, or a file
        that cannot be written.
        """
        options = self._options()
        names, pattern = self._names(options), options.get("pattern")
        if pattern is not None and not (isinstance(pattern, str) and pattern):
            raise self.refused("stage-in.pattern", pattern, "it is a wildcard pattern")
        directory, everywhere = self._destination(options)
        if not (everywhere or self.shell.leader):
            return
        try:
            self._unpack(names, pattern, directory)
        except OSError as error:
            self.shell.log(ERROR, str(error.strerror), self.name)
            raise

    def _options(self) -> JsonObject:
        option = self.shell.option("stage-in")
        if not isinstance(option, dict):
            if switch(option) is None:
                raise self.refused("stage-in", option, "it is true, false or an object")
            return {}
        if unknown := sorted(option.keys() - KEYS):
            name = f"stage-in.{unknown[0]}"
            raise self.refused(name, option[unknown[0]], "there is no such option")
        return option

    def _names(self, options: JsonObject) -> list[str]:
        names = options.get("names")
        if names is None and (names := options.get("tags")) is not None:
            text = "Setting stage-in.names to the value of deprecated option stage-in.tags."
            self.shell.log(WARNING, text, self.name)
        if names is None:
            return [MAIN]
        found = names.split(",") if isinstance(names, str) else names
        if not (isinstance(found, list) and found and all(found)) or not all(
            isinstance(name, str) for name in found
        ):
            raise self.refused("stage-in.names", names, "it is names with commas between them")
        return found

    def _destination(self, options: JsonObject) -> tuple[str, bool]:
        """Return the directory, and whether each node has its own."""
        value = options.get("destination")
        if value is None:
            return self.shell.tmpdir, True
        prefix, colon, path = str(value).partition(":")
        if not colon:
            prefix, path = "local", str(value)
        if not isinstance(value, str) or not path or prefix not in ("local", "global"):
            text = f"destination prefix must be local: or global:, not {shown(value)}"
            self.shell.log(ERROR, text, self.name)
            raise OSError(errno.EINVAL, text)
        return path, prefix == "local"

    def _unpack(self, names: list[str], pattern: str | None, directory: str) -> None:
        from flux.filearchive.stored import StoredBlobs, chosen, described, fetched
        from flux.filearchive.unpacking import ArchiveUnpacker

        shell = self.shell
        handle = shell.flux
        shell.log(DEBUG, f"=> {directory}", self.name)
        objects = [
            one for name in names for one in chosen(fetched(handle, name, wait=self._wait), pattern)
        ]
        blobs = StoredBlobs(handle, objects, self._wait)
        with ArchiveUnpacker(directory, blobs.load, overwrite=True) as unpacker:
            for one in objects:
                shell.log(TRACE, described(one), self.name)
                unpacker.write(one)
            unpacker.finish()
        shell.log(DEBUG, f"{len(objects)} files", self.name)

    def _wait(self, future: Future) -> None:
        """Let the shell go on until there is a result, or the job is ended."""
        ready: list[bool] = []
        future.then(lambda _: ready.append(True))
        self.shell.wait_for(lambda: bool(ready))
