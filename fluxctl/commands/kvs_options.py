"""What the sub-commands of ``flux kvs`` have in common: options and the wording of failures."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.errors import CommandError, ReaderGone
from fluxctl.hints import did_you_mean, namespaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.treeobj import TreeObj

namespace_option = click.option(
    "-N",
    "--namespace",
    metavar="NS",
    help="The namespace, default primary.",
    shell_complete=completions.namespaces,
)
SUBJECT_LENGTH = 200
snapshot_option = click.option(
    "-a", "--at", metavar="TREEOBJ", help="Look up relative to an RFC 11 snapshot."
)


@contextmanager
def failing(subject: str, told: int = 0) -> Iterator[None]:
    """Report an OSError as ``subject: reason``, the reason in the system's words unless a bound of
    the KVS is told, or the error number is ``told``.

    On a terminal it is said what to do about a namespace that does not exist; a program that reads
    our errors gets those of flux-core.
    """
    try:
        yield
    except ReaderGone:
        raise
    except OSError as exc:
        words = exc.strerror if exc.errno in (errno.ENAMETOOLONG, errno.EFBIG, told) else None
        if len(subject) > SUBJECT_LENGTH:
            subject = subject[:SUBJECT_LENGTH] + "..."
        reason = f"{words or os.strerror(exc.errno or 0)}{namespace_hint(exc)}"
        raise CommandError(f"{subject}: {reason}") from None


def namespace_hint(error: OSError) -> str:
    """Return, for after the message of ``error`` on a terminal, that the namespace a command was
    given may not exist, if that is what the error tells.
    """
    if error.errno != errno.ENOTSUP or not sys.stderr.isatty():
        return ""
    params = click.get_current_context().params
    given = [params.get(name) for name in ("namespace", "src_namespace", "dst_namespace")]
    names = [name for name in (*given, os.environ.get("FLUX_KVS_NAMESPACE")) if name]
    if not names:
        return ""
    near = did_you_mean(names[0], namespaces)
    return near or f" (is there a namespace {names[0]!r}? flux kvs namespace list shows all)"


def parse_at(text: str | None) -> TreeObj | None:
    """Return the snapshot object of ``--at``; raises CommandError if it is not one."""
    if text is None:
        return None
    from flux import treeobj
    from flux.wire import json

    try:
        return treeobj.check(json.loads(text))
    except (ValueError, OSError):
        raise CommandError(f"{text}: Invalid argument") from None


def treeobj_text(obj: TreeObj) -> str:
    """Return an RFC 11 object as canonical JSON; raises OSError(EINVAL) if it is not one."""
    from flux import treeobj
    from flux.wire import json

    return json.dumps_str(treeobj.check(obj))
