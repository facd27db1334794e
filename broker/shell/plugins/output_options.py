"""What a job's options say of its output (flux-shell(1), output.*)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from broker.shell import eventlog
from broker.shell.levels import ERROR, WARNING
from broker.shell.mustache import TagScope, scope_of
from broker.shell.plugin import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.context import ShellContext

    Refused = Callable[[str, object, str], OSError]

KVS: Final = "kvs"
FILE: Final = "file"
TERM: Final = "term"
APPEND: Final = "append"
TRUNCATE: Final = "truncate"
_SIZE: Final = re.compile(r"(\d+\.?\d*|\.\d+)([kKMG]?)", re.ASCII)
_UNITS: Final = {"": 1, "k": 1000, "K": 1024, "M": 1024**2, "G": 1024**3}
LARGEST: Final = 1024**3
"""The largest limit that may be asked for, in bytes."""


@dataclass
class Destination:
    """Where one stream of the job goes.

    ``template`` is the name of a file. What is beyond ``limit`` bytes of this shell's tasks is not
    stored, ``seen`` have come so far.
    """

    kind: str
    template: str = ""
    label: bool = False
    unbuffered: bool = False
    limit: int | None = None
    seen: int = 0

    @property
    def scope(self) -> TagScope:
        """For what there is a file of its own."""
        return scope_of(self.template)

    def allowed(self, size: int) -> int:
        """Count ``size`` bytes that come and return how many of them are within the limit."""
        before, self.seen = self.seen, self.seen + size
        return size if self.limit is None else max(0, min(size, self.limit - before))


def parse_size(value: object) -> int | None:
    """Return the bytes of a size such as ``10M``, None if it is none or too large."""
    match = _SIZE.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if match is None or isinstance(value, bool):
        return None
    size = int(float(match[1]) * _UNITS[match[2]])
    return size if size <= LARGEST else None


def destinations(shell: ShellContext, refused: Refused) -> dict[str, Destination]:
    """Return where each stream goes; stderr follows stdout unless it has a type of its own.

    Raises the error of ``refused`` for a wrong value.
    """
    return {stream: _destination(shell, stream, refused) for stream in eventlog.STREAMS}


def _destination(shell: ShellContext, stream: str, refused: Refused) -> Destination:
    option = shell.option
    source = stream if option(f"output.{stream}.type") is not None else "stdout"
    kind = option(f"output.{source}.type", TERM if shell.standalone else KVS)
    if kind not in (KVS, FILE, TERM):
        raise refused(f"output.{source}.type", kind, "it is kvs, file or term")
    path = option(f"output.{source}.path", "")
    if kind == FILE and not (isinstance(path, str) and path):
        raise refused(f"output.{source}.type", kind, f"it needs output.{source}.path")
    label = option(f"output.{source}.label", kind == TERM)
    if label not in (True, False):
        raise refused(f"output.{source}.label", label, "it is true or false")
    limit = option("output.limit")
    size = parse_size(limit)
    if limit is not None and size is None:
        raise refused("output.limit", limit, "it is a size up to 1G")
    return Destination(str(kind), str(path), bool(label), _unbuffered(shell, stream), size)


def _unbuffered(shell: ShellContext, stream: str) -> bool:
    kind = shell.option(f"output.{stream}.buffer.type", "line")
    if isinstance(kind, str) and kind.lower() in ("none", "line"):
        return kind.lower() == "none"
    shell.log(ERROR, f"invalid buffer type specified: {shown(kind)}", "output")
    return False


def open_mode(shell: ShellContext) -> str:
    """Return how files are opened, `TRUNCATE` or `APPEND`."""
    mode = shell.option("output.mode", TRUNCATE)
    if mode in (TRUNCATE, APPEND):
        return str(mode)
    shell.log(WARNING, f"ignoring invalid output.mode={shown(mode)}", "output")
    return TRUNCATE
