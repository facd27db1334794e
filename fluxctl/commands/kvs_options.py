"""What the sub-commands of ``flux kvs`` have in common: options and the wording of failures."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.treeobj import TreeObj

namespace_option = click.option(
    "-N", "--namespace", metavar="NS", help="The namespace, default primary."
)
SUBJECT_LENGTH = 200
snapshot_option = click.option(
    "-a", "--at", metavar="TREEOBJ", help="Look up relative to an RFC 11 snapshot."
)


@contextmanager
def failing(subject: str, told: int = 0) -> Iterator[None]:
    """Report an OSError as ``subject: reason``, the reason in the system's words unless a bound of
    the KVS is told, or the error number is ``told``.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        words = exc.strerror if exc.errno in (errno.ENAMETOOLONG, errno.EFBIG, told) else None
        if len(subject) > SUBJECT_LENGTH:
            subject = subject[:SUBJECT_LENGTH] + "..."
        raise CommandError(f"{subject}: {words or os.strerror(exc.errno or 0)}") from None


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
