"""The attributes of a jobspec, read and written: time limit, directory, environment, shell options
(RFC 14, RFC 25).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from flux.duration import parse_fsd
from flux.job.jobspec_rules import require
from flux.util import set_treedict

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject


_MISSING: Final = object()
_SECTIONS: Final = ("system", "user")
_PREFIXES: Final = tuple(f"{name}." for name in _SECTIONS)


def _path(key: str) -> str:
    """Return the path below ``attributes`` that a key stands for."""
    if key.startswith("attributes."):
        return key.removeprefix("attributes.")
    return key if key.startswith(_PREFIXES) else f"system.{key}"


class JobspecAttributes:
    """The part of a jobspec that knows its section ``attributes``; ``jobspec`` is the whole object.

    Keys are paths whose periods separate levels. Levels that do not exist are made when something
    is set below them.
    """

    jobspec: JsonObject

    @property
    def attributes(self) -> JsonObject | None:
        """The attribute section, None if there is none."""
        return self.jobspec.get("attributes")

    def setattr(self, key: str, val: object) -> None:
        """Set an attribute; periods in the key separate levels.

        It is one of the system's, ``system.KEY``, unless the key begins with ``system.``,
        ``user.`` or ``attributes.``; ``system`` and ``user`` alone are the whole table if ``val``
        is one.
        """
        path = key if key in _SECTIONS and isinstance(val, Mapping) else _path(key)
        set_treedict(self.jobspec, f"attributes.{path}", val)

    def setattr_shell_option(self, key: str, val: object) -> None:
        """Set a shell option; periods in the key separate levels."""
        self.setattr("system.shell.options." + key, val)

    def add_file(
        self,
        path: str,
        data: str | bytes | JsonMapping,
        perms: int | None = None,
        encoding: str | None = None,
    ) -> None:
        """Have the job find a file at ``path`` in its directory FLUX_JOB_TMPDIR; ``path`` stays
        within that.

        ``data`` is content if it is bytes or has a newline, otherwise the path of a local file, or
        a mapping that becomes JSON. Permissions are ``perms``, else those of the local file, else
        0600. ``encoding`` is ``utf-8`` or ``base64``, by default what fits (RFC 37).

        Raises OSError if the file cannot be read or ``path`` leads elsewhere, ValueError for wrong
        permissions or another encoding.
        """
        from flux.filearchive.objects import safe_path
        from flux.filearchive.source import file_object

        made = file_object(data, perms, encoding)
        # Not by setattr(), to which the period of a name would be a level.
        self.setattr("system.files", {**self._get("system.files", {}), safe_path(path): made})

    def getattr(self, key: str) -> Any:
        """Return an attribute, by a key as in `setattr` or from the level of ``attributes`` on;
        KeyError if it is not set.
        """
        ways = (key, _path(key)) if key in _SECTIONS else (_path(key), key)
        for path in ways:
            value: object = self.attributes or {}
            for name in path.split("."):
                value = value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
            if value is not _MISSING:
                return value
        raise KeyError(key)

    def _get(self, key: str, default: object = None) -> Any:
        try:
            return self.getattr(key)
        except KeyError:
            return default

    @property
    def duration(self) -> float:
        """Time limit in seconds, 0 for none. May be set to a number, a timedelta or a Flux standard
        duration, which are finite: ValueError.
        """
        duration: float = self._get("system.duration", 0)
        return duration

    @duration.setter
    def duration(self, duration: float | str | timedelta) -> None:
        if isinstance(duration, timedelta):
            seconds: float = duration.total_seconds()
        elif isinstance(duration, str):
            seconds = parse_fsd(duration)
        elif isinstance(duration, int | float):
            seconds = duration
        else:
            raise TypeError("duration must be a number or a string in Flux Standard Duration")
        text = "duration must be a normal, finite value"
        require(math.isfinite(seconds), ValueError, text)
        require(seconds >= 0, ValueError, "duration must be >= 0")
        self.setattr("system.duration", float(seconds))

    @property
    def queue(self) -> str | None:
        """Name of the queue that the job is for, None for the default one."""
        queue: str | None = self._get("system.queue")
        return queue

    @queue.setter
    def queue(self, queue: str) -> None:
        require(isinstance(queue, str), TypeError, "queue must be a string")
        self.setattr("system.queue", queue)

    @property
    def cwd(self) -> str | None:
        """Working directory of the job."""
        cwd: str | None = self._get("system.cwd")
        return cwd

    @cwd.setter
    def cwd(self, cwd: str | os.PathLike[str]) -> None:
        self.setattr("system.cwd", os.fspath(cwd))

    @property
    def environment(self) -> dict[str, str] | None:
        """Environment of the job."""
        environment: dict[str, str] | None = self._get("system.environment")
        return environment

    @environment.setter
    def environment(self, environ: Mapping[str, str]) -> None:
        require(isinstance(environ, Mapping), ValueError, "environment must be a mapping")
        self.setattr("system.environment", dict(environ))

    def _io_path(self, section: str, stream: str) -> str | None:
        path: str | None = self._get(f"system.shell.options.{section}.{stream}.path")
        return path

    def _set_io_path(self, section: str, stream: str, path: str | os.PathLike[str]) -> None:
        name = f"{section}.{stream}"
        self.setattr_shell_option(f"{name}.type", "file")
        self.setattr_shell_option(f"{name}.path", os.fspath(path))

    @property
    def stdin(self) -> str | None:
        """File that the tasks read, None for the input of the KVS."""
        return self._io_path("input", "stdin")

    @stdin.setter
    def stdin(self, path: str | os.PathLike[str]) -> None:
        self._set_io_path("input", "stdin", path)

    @property
    def stdout(self) -> str | None:
        """File that the tasks write, a template; None for the KVS."""
        return self._io_path("output", "stdout")

    @stdout.setter
    def stdout(self, path: str | os.PathLike[str]) -> None:
        self._set_io_path("output", "stdout", path)

    @property
    def stderr(self) -> str | None:
        """File that the tasks write errors to, a template; None for the place of stdout."""
        return self._io_path("output", "stderr")

    @stderr.setter
    def stderr(self, path: str | os.PathLike[str]) -> None:
        self._set_io_path("output", "stderr", path)
