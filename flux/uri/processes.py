"""From a process of this machine to the URI of the broker it belongs to."""

from __future__ import annotations

import os
import re

from flux.uri.errors import UnresolvedURI

BROKER_WORDS = frozenset({b"broker", b"start"})
"""Words near the start of a broker's command line."""

PID_MAX = 1 << 22
_PID = re.compile("[0-9]{1,9}", re.ASCII)


def uri_of_process(text: str) -> str:
    """Return the URI of the instance that the process with the id ``text`` belongs to.

    A process belongs to the instance that its FLUX_URI names; a broker to the one it makes, which
    the programs it has started can tell. Raises UnresolvedURI if there is no such process, if it is
    another user's or in no instance.
    """
    pid = int(text) if _PID.fullmatch(text) else 0
    if not 0 < pid <= PID_MAX:
        raise UnresolvedURI(f"pid:{text}: not a process id")
    try:
        environ = _environ(pid)
    except OSError as exc:
        raise UnresolvedURI(f"pid:{text}: {exc.strerror}") from None
    uri = (_uri_of_broker(pid) if _is_broker(pid) else None) or _value(environ, b"FLUX_URI")
    if not uri:
        raise UnresolvedURI(f"pid:{text}: no FLUX_URI found in the environment of the process")
    return uri


def uri_among(name: str, value: str) -> str | None:
    """Return the URI of the instance among the processes in whose environment ``name`` has
    ``value``; of several, one in the other, that of the outermost.

    None if there is none, or it cannot be told yet.
    """
    wanted = f"{name}={value}".encode()
    found = [pid for pid in _processes() if wanted in _entries(pid) and _is_broker(pid)]
    uris = (_uri_of_broker(pid) for pid in sorted(found, key=_started))
    return next((uri for uri in uris if uri), None)


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _entries(pid: int) -> list[bytes]:
    try:
        return _environ(pid)
    except OSError:
        return []  # another user's, or it has ended


def _environ(pid: int) -> list[bytes]:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")


def _value(entries: list[bytes], name: bytes) -> str | None:
    found = (entry.partition(b"=")[2] for entry in entries if entry.startswith(name + b"="))
    return next((os.fsdecode(value) for value in found if value), None)


def _is_broker(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")[:4]
    except OSError:
        return False
    flux = any(os.path.basename(word) in (b"flux", b"fluxctl") for word in words)
    real = any(os.path.basename(word) == b"flux-broker" for word in words)
    return real or (flux and not BROKER_WORDS.isdisjoint(words))


def _uri_of_broker(pid: int) -> str | None:
    """Return what the children of a broker have for FLUX_URI: its own is that of its parent."""
    own = _value(_entries(pid), b"FLUX_URI")
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            children = [int(word) for word in file.read().split()]
    except OSError:
        return None
    uris = (_value(_entries(child), b"FLUX_URI") for child in children)
    found = next((uri for uri in uris if uri and uri != own), None)
    return found or next(filter(None, map(_uri_of_broker, filter(_is_broker, children))), None)


def _started(pid: int) -> int:
    """Return when a process began, in clock ticks since the machine did."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except OSError:
        return 0
