"""``flux archive``: files in the key-value store (flux-archive(1), RFC 37)."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Final, Unpack

import click

from flux.terminal_text import terminal_line
from fluxctl.color import Paint
from fluxctl.command import FluxCommand, FluxGroup, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import print_json, print_json_lines
from fluxctl.list_output import ListTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flux.core.handle import Flux
    from flux.filearchive.objects import FileObject
    from flux.wire.json import JsonObject
    from fluxctl.color import Role
    from fluxctl.list_output import ListChoice

MAIN: Final = "main"
_FILES = ListTable(
    {"path": "PATH", "type": "TYPE", "mode": "MODE", "size": "SIZE"},
    "{path}",
    headed=False,
)


@click.group(cls=FluxGroup)
def command() -> None:
    """Keep files in the key-value store, for jobs to find on all of their nodes."""


def _named(function: Callable[..., None]) -> Callable[..., None]:
    name = click.option("-n", "--name", metavar="NAME", default=MAIN, help="Archive (main).")
    anywhere = click.option(
        "--no-force-primary",
        is_flag=True,
        help="Use the namespace of FLUX_KVS_NAMESPACE, not the primary one.",
    )
    return name(anywhere(function))


def _namespace(no_force_primary: bool) -> str | None:
    from flux.kvs_flags import PRIMARY

    return None if no_force_primary else PRIMARY


@contextlib.contextmanager
def _in_directory(path: str | None) -> Iterator[None]:
    """Be in the directory ``path`` for a while."""
    if path is None:
        yield
        return
    try:
        with contextlib.chdir(path):
            yield
    except OSError as error:
        if error.filename != path:
            raise
        raise CommandError(f"chdir {path}: {error.strerror}") from None


@command.command("create", cls=FluxCommand)
@_named
@click.option("-C", "--directory", metavar="DIR", help="Change to DIR before reading files.")
@click.option("-v", "--verbose", count=True, help="Name each file on standard error.")
@click.option("--overwrite", is_flag=True, help="Replace an archive that is there.")
@click.option("--append", is_flag=True, help="Add to the archive if it is there.")
@click.option("--preserve", is_flag=True, help="Keep it over a restart, which is always done.")
@click.option(
    "--mmap",
    "mapped",
    is_flag=True,
    help="Leave the content of files where it is: they are read when somebody asks for it.",
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
def create_command(
    name: str,
    no_force_primary: bool,
    directory: str | None,
    verbose: int,
    overwrite: bool,
    append: bool,
    preserve: bool,
    mapped: bool,
    paths: tuple[str, ...],
) -> None:
    """Put files, links and directories, with all that is in them, into an archive.

    It is the key archive.NAME. Shells of jobs with the option stage-in unpack it, and flux archive
    extract does. Permissions are kept, holes of sparse files stay holes.

    With --mmap, on the host of rank 0, large files are not copied. Who unpacks one that was changed
    or removed since gets an error. They are there until the archive is removed or the instance
    ends.
    """
    # Otherwise there is nothing to do for it: what the key-value store refers to is kept with it.
    if mapped and preserve:
        raise CommandError("--mmap cannot work with --preserve")
    if mapped and no_force_primary:
        raise CommandError("--mmap cannot work with --no-force-primary")
    from flux.filearchive.mapped import FileMapper
    from flux.filearchive.packing import pack
    from flux.filearchive.stored import ArchiveWriter, key_of

    with handle() as h:
        if mapped and h.get_rank() != 0:
            raise CommandError("--mmap only works on the rank 0 broker")
        before = _present(h, name, _namespace(no_force_primary))
        if before is not None and not (overwrite or append):
            raise CommandError(f"{key_of(name)}: key exists")
        writer = ArchiveWriter(h, name, _namespace(no_force_primary))
        objects = list(before or []) if append else []
        with _in_directory(directory), _named_files():
            mapper = FileMapper(h, name) if mapped else None
            packed = (
                pack(paths, writer.store)
                if mapper is None
                else pack(paths, mapper.ref, mapper.note)
            )
            for one in packed:
                if verbose:
                    echo(one["path"], err=True)
                objects.append(one)
        if before is not None and not append:
            _unmap(h, name, no_force_primary)
        if mapper is not None:
            mapper.map_all(keep=append)
        writer.commit(objects, keep=append)


def _unmap(h: Flux, name: str, no_force_primary: bool) -> None:
    """Have the broker forget the files of an archive: only those of the primary namespace have
    any.
    """
    from flux.filearchive.mapped import unmap
    from flux.kvs_flags import PRIMARY
    from flux.kvs_rpc import namespace_of

    if namespace_of(_namespace(no_force_primary)) == PRIMARY:
        unmap(h, name)


@contextlib.contextmanager
def _named_files() -> Iterator[None]:
    """Have errors of system calls name their file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise CommandError(f"{error.filename}: {error.strerror}") from None


def _present(h: Flux, name: str, namespace: str | None) -> list[JsonObject] | None:
    """Return what an archive has in it, None if there is none."""
    from flux.filearchive.stored import lookup

    try:
        found = lookup(h, name, namespace)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    if isinstance(found, dict):
        return [{"path": path, **one} for path, one in found.items()]
    if not (isinstance(found, list) and all(isinstance(one, dict) for one in found)):
        raise CommandError(f"archive.{name} is no archive")
    return found


def _lookup(h: Flux, name: str, no_force_primary: bool, create: float | None = None) -> object:
    from flux.filearchive.stored import lookup

    try:
        return lookup(h, name, _namespace(no_force_primary), create=create)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise CommandError(f"KVS lookup archive.{name}: {reason}") from None


def _objects(value: object, pattern: str | None) -> list[FileObject]:
    from flux.filearchive.objects import parse_archive
    from flux.filearchive.stored import chosen

    found = chosen(parse_archive(value), pattern)
    if pattern is not None and not found:
        echo(f"flux-archive: No files matched pattern '{pattern}'", err=True)
    return found


@command.command("list", cls=FluxCommand)
@_named
@click.option("-l", "--long", is_flag=True, help="Show type, permissions and size too.")
@click.option("--raw", is_flag=True, help="Show the objects of RFC 37 as they are, one a line.")
@_FILES.options(short=False)
@click.argument("pattern", metavar="[PATTERN]", required=False)
def list_command(
    name: str,
    no_force_primary: bool,
    long: bool,
    raw: bool,
    pattern: str | None,
    **choice: Unpack[ListChoice],
) -> None:
    """List what is in an archive, or what matches PATTERN.

    In a format the type is f, d or l, and the mode is a number: {mode:04o}.
    """
    from fnmatch import fnmatchcase

    from flux.filearchive.stored import described

    _FILES.format_of(choice)  # before there is a connection

    with handle() as h:
        value = _lookup(h, name, no_force_primary)
    if not raw:
        found = _objects(value, pattern)
        if long and choice["layout"] is None and not choice["as_json"]:
            paint = Paint(choice["color"])
            for one in found:
                role = _role(_facts(one))
                echo(paint(terminal_line(described(one)), role), raw=True)
            return
        rows = (_facts(one) for one in found)
        if choice["as_json"]:
            print_json_lines(rows)
        else:
            _FILES.show(rows, choice, _role)
        return
    for item in value if isinstance(value, list) else [value]:
        path = item.get("path", "") if isinstance(item, dict) else ""
        if pattern is None or fnmatchcase(str(path), pattern):
            print_json(item)


def _role(row: Mapping[str, object]) -> Role:
    """Return the color of an object: directories stand out, links stand back."""
    roles: dict[object, Role] = {"d": "heading", "l": "faint"}
    return roles.get(row["type"], "")


def _facts(one: FileObject) -> dict[str, object]:
    """Return what a list tells of a file, a directory or a link."""
    from flux.filearchive.objects import ArchivedDirectory, ArchivedFile

    facts: dict[str, object] = {"path": one.path, "type": "l", "mode": 0o777, "size": 0}
    if isinstance(one, ArchivedFile):
        facts |= {"type": "f", "mode": one.mode, "size": one.size}
    elif isinstance(one, ArchivedDirectory):
        facts |= {"type": "d", "mode": one.mode}
    return facts


@command.command("extract", cls=FluxCommand)
@_named
@click.option("-C", "--directory", metavar="DIR", default=".", help="Write below DIR.")
@click.option("-v", "--verbose", count=True, help="Name each file on standard error.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option(
    "--waitcreate",
    metavar="[FSD]",
    is_flag=False,
    flag_value="inf",
    help="Wait for the archive, not longer than FSD.",
)
@click.option("-t", "--list-only", is_flag=True, help="List what would be written.")
@click.argument("pattern", metavar="[PATTERN]", required=False)
def extract_command(
    name: str,
    no_force_primary: bool,
    directory: str,
    verbose: int,
    overwrite: bool,
    waitcreate: str | None,
    list_only: bool,
    pattern: str | None,
) -> None:
    """Write the files of an archive, or those that match PATTERN.

    Nothing is written outside of the directory, whatever the archive or links in the directory
    say.
    """
    from flux.filearchive.stored import StoredBlobs
    from flux.filearchive.unpacking import ArchiveUnpacker

    with handle() as h:
        objects = _objects(_lookup(h, name, no_force_primary, _patience(waitcreate)), pattern)
        if list_only:
            for one in objects:
                echo(one.path)
            return
        blobs = StoredBlobs(h, objects)
        with ArchiveUnpacker(directory, blobs.load, overwrite=overwrite) as unpacker:
            for one in objects:
                if verbose:
                    echo(one.path, err=True)
                unpacker.write(one)
            unpacker.finish()


def _patience(text: str | None) -> float | None:
    """Return the seconds of --waitcreate, -1 for no end, None without it."""
    import math

    from flux.duration import parse_fsd

    if text is None:
        return None
    try:
        seconds = parse_fsd(text)
    except ValueError:
        raise CommandError(f"invalid --waitcreate={text}: it is a duration") from None
    return -1.0 if math.isinf(seconds) else seconds


@command.command("remove", cls=FluxCommand)
@_named
@click.option("-f", "--force", is_flag=True, help="Say nothing if there is none.")
def remove_command(name: str, no_force_primary: bool, force: bool) -> None:
    """Remove an archive, with the content of its files."""
    from flux.filearchive.stored import ArchiveWriter

    with handle() as h:
        namespace = _namespace(no_force_primary)
        if _present(h, name, namespace) is None:
            if force:
                return
            raise CommandError(f"archive.{name} does not exist")
        ArchiveWriter(h, name, namespace).remove()
        _unmap(h, name, no_force_primary)


EXAMPLES = """
# Put a directory where jobs can have it, and run one with it on each node
flux archive create -C /etc ssl/openssl.cnf
flux mini run -o stage-in sh -c 'ls $FLUX_JOB_TMPDIR/ssl'
# Look at it, and remove it
flux archive list --long
flux archive remove
"""
