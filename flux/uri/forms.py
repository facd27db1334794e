"""The URI of a broker, for programs on its machine and on others."""

from __future__ import annotations

import os


def host_name() -> str:
    """Return how this host is called in a URI."""
    return os.uname().nodename


def local_form(uri: str) -> str:
    """Return ``local://PATH`` for any URI of a broker."""
    from urllib.parse import urlsplit

    return f"local://{urlsplit(uri).path}"


def remote_form(uri: str) -> str:
    """Return ``ssh://HOST/PATH`` for a URI of a broker, this host's if it is local."""
    return f"ssh://{host_name()}{uri.removeprefix('local://')}" if uri.startswith("local") else uri


def reachable(uri: str) -> str:
    """Return the local form of an ``ssh://`` URI that names this host, others as they are."""
    from urllib.parse import urlsplit

    parts = urlsplit(uri)
    here = (host_name().lower(), "localhost")
    if parts.scheme == "ssh" and parts.hostname in here and parts.port is None:
        return local_form(uri)
    return uri
