"""CURVE certificates in files, as flux-keygen(1) writes them: ZeroMQ's property list (its RFC 4).

Files that flux-core and ZeroMQ's libraries write are read as well, and theirs read ours.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING, Final

import zmq

from broker.overlay.keys import KeyPair

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_BYTES: Final = 1 << 16
_KEY: Final = re.compile(r"[A-Za-z0-9_+./-]+")
_SECTION: Final = re.compile(r"([A-Za-z0-9_+./-]+)\s*(?:#.*)?\Z")
_VALUE: Final = re.compile(r"""\s+([A-Za-z0-9_+./-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")


def text_of(keys: KeyPair, metadata: Mapping[str, str]) -> str:
    """Return the text of a certificate."""
    facts = "".join(f'    {name} = "{_plain(value)}"\n' for name, value in metadata.items())
    return (
        "#  CURVE certificate of a Flux instance, made by flux keygen\n"
        "#  It holds a secret key: whoever can read it can join the instance.\n"
        "#  Give every broker the same copy, owned by the instance owner, mode 0600.\n"
        "\n"
        f"metadata\n{facts}"
        f'curve\n    public-key = "{keys.public}"\n    secret-key = "{keys.secret}"\n'
    )


def is_key(name: str) -> bool:
    """Whether a value of a certificate can be called ``name``."""
    return _KEY.fullmatch(name) is not None


def _plain(value: str) -> str:
    """Return a value without what would end its line or its quotes."""
    return "".join(char for char in value if char.isprintable() and char != '"')


def write_certificate(path: str, keys: KeyPair, metadata: Mapping[str, str]) -> None:
    """Write a certificate with mode 0600 in place of what was there; raises OSError.

    Who reads meanwhile sees the old one or the new one. A file that is no regular one, such as
    ``/dev/stdout``, is written to as it is.
    """
    data = text_of(keys, metadata).encode()
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:
            file.write(data)
        return
    path = os.path.realpath(path)
    new = f"{path}.{os.getpid()}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o600)
            os.fsync(file.fileno())
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise


def read_certificate(path: str) -> KeyPair:
    """Return the keys of a certificate.

    Raises OSError, beginning with the path: why it cannot be read, EPERM if others than the owner
    may read or change it, EINVAL if it is no certificate or has no secret key.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MOST_BYTES)
    except OSError as exc:
        raise OSError(exc.errno, f"{path}: {exc.strerror}") from None
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise OSError(errno.EPERM, f"{path}: readable by group/other")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise OSError(errno.EPERM, f"{path}: writable by group/other")
    keys = _keys(data.decode("utf-8", "replace"))
    if keys is None:
        raise OSError(errno.EINVAL, f"{path}: invalid CURVE certificate")
    return keys


def _keys(text: str) -> KeyPair | None:
    section, found = "", dict[str, str]()
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section = match[1]
        elif section == "curve" and (match := _VALUE.match(line)):
            found[match[1]] = match[2] or match[3] or match[4] or ""
    public, secret = found.get("public-key", ""), found.get("secret-key", "")
    if len(public) != 40 or len(secret) != 40:
        return None
    try:
        matches = zmq.curve_public(secret.encode("ascii")) == public.encode("ascii")
    except (ValueError, zmq.ZMQError):
        return None
    return KeyPair(public, secret) if matches else None
