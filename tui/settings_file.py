"""The file of settings and the places where the dashboard keeps what it remembers."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tui.model.settings import MOST_BYTES, TopSettings, read_settings

if TYPE_CHECKING:
    from tui.model.settings import SavedView

Stamp = tuple[int, int, int]
"""What tells one state of a file from another."""


def default_path() -> Path:
    """Return where the settings are unless told otherwise."""
    return _base("XDG_CONFIG_HOME", ".config") / "flux" / "top.toml"


def state_path(name: str) -> Path:
    """Return where the dashboard remembers something."""
    return _base("XDG_STATE_HOME", ".local/state") / "flux" / name


def _base(variable: str, otherwise: str) -> Path:
    """Return a directory of the XDG base directory specification: what is not absolute is not
    valid there.
    """
    given = os.environ.get(variable, "")
    return Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~")) / otherwise


def load(path: Path) -> tuple[TopSettings, list[str]]:
    """Return the settings in a file, and what is wrong with it.

    Raises OSError: why it cannot be read, or EINVAL if it is not TOML.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"{path}: is too long to be a file of settings")
        text = data.decode()
    except UnicodeDecodeError:
        raise OSError(errno.EINVAL, f"{path}: is not text in UTF-8") from None
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise
        raise OSError(error.errno, f"{path}: {error.strerror}") from None
    return read_settings(text, str(path))


def stamp(path: Path) -> Stamp | None:
    """Return what changes when the file does, None while there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def save_view(path: Path, view: SavedView) -> None:
    """Write a view into the file, which keeps its comments and order, and is made if need be.

    Raises OSError: why that cannot be done; the file is as it was then.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    text = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        document = tomlkit.parse(text)
        if "views" not in document:
            document["views"] = tomlkit.table(is_super_table=True)
        table = tomlkit.table()
        for key, value in (("query", view.query), ("sort", view.sort), ("columns", view.columns)):
            if value:
                table[key] = value
        if view.group is not None:
            table["group"] = view.group
        document["views"][view.name] = table
        replace(path, tomlkit.dumps(document))
    except (TOMLKitError, ValueError, TypeError) as error:
        raise OSError(errno.EINVAL, f"{path}: {error}") from None


def replace(path: Path, text: str) -> None:
    """Write a file anew, all of it or nothing; where ``path`` is a symbolic link, what it names.

    Raises OSError.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{path.parent}/.{path.name}.{os.urandom(6).hex()}"
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(descriptor, os.stat(path).st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def chosen(named: str | None) -> tuple[TopSettings, list[str], Path]:
    """Return the settings to begin with, what is wrong with them, and their file: the one that was
    named, else the usual one, which need not be there.

    A mistake costs no more than what is wrong. Whoever names a file means it, and has it checked
    first (`tui.settings_checks`).
    """
    path = Path(named) if named else default_path()
    try:
        settings, problems = load(path)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        return TopSettings(), [] if missing else [str(error.strerror)], path
    return settings, problems, path
