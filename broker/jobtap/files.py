"""Jobtap plugins in files: where they are looked for, and how they are read."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from itertools import count
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.faults import FAILURES, PLUGIN_MODULE, described
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE: Final = "FLUX_JOBTAP_PATH"
INIT: Final = "flux_plugin_init"
BUILTINS: Final = {
    ".priority-default": "broker.jobtap.priority_default",
    ".dependency-after": "broker.jobtap.dependency_after",
    ".begin-time": "broker.jobtap.begin_time",
}
MULTIFACTOR: Final = ".priority-multifactor"
ON_DEMAND: Final = {MULTIFACTOR: "broker.slurm.priority.plugin"}
"""Built-in plugins that are loaded if the configuration asks for them."""
_BUILT_IN: Final = {**BUILTINS, **ON_DEMAND}
MAX_BYTES: Final = 1 << 24
_ELF: Final = b"\x7fELF"
_NUMBERS: Final = count(1)


class PluginFile(NamedTuple):
    """A plugin that can be begun: its name, the file it came from, its ``flux_plugin_init``, and
    the name of its module.
    """

    name: str
    path: str
    init: Callable[..., object]
    module: str


def search_path(attribute: str) -> list[str]:
    """Return the directories in which plugins are looked for: those of the variable `VARIABLE` of
    the broker, or of the attribute ``conf.jobtap_pluginpath``, with colons between.
    """
    path = os.environ.get(VARIABLE) or attribute
    return [folder for folder in path.split(":") if folder]


def name_of(path: str) -> str:
    """Return the name under which the plugin that ``path`` leads to is listed."""
    return path if path in _BUILT_IN else os.path.basename(path)


def load_plugin(path: str, folders: list[str]) -> PluginFile:
    """Read a plugin by the name of a built-in one, an absolute path, or a name in ``folders``.

    Raises OSError: ENOENT when there is none, EACCES when it may not be read, EINVAL when it is no
    plugin.
    """
    if path in _BUILT_IN:
        module = importlib.import_module(_BUILT_IN[path])
        return PluginFile(path, module.__file__ or path, module.flux_plugin_init, "")
    places = [Path(path)] if os.path.isabs(path) else [Path(root, path) for root in folders]
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        text = "Not a file" if any(place.exists() for place in places) else "No such plugin found"
        raise OSError(errno.ENOENT, f"{path}: {text}")
    return _run(place)


def _run(place: Path) -> PluginFile:
    """Run a file as a module of its own.

    Not by an import: that may take what was compiled of an earlier version, and leaves its own
    files beside those of others.
    """
    module = ModuleType(f"{PLUGIN_MODULE}{next(_NUMBERS)}_{place.stem}")
    module.__file__ = str(place)
    code = _compiled(place, _source(place))
    sys.modules[module.__name__] = module  # where dataclasses, for one, look names up
    try:
        exec(code, module.__dict__)
    except FAILURES as exc:
        del sys.modules[module.__name__]
        text = f"{place.name}: {described(exc, str(place))}"
        raise OSError(errno.EINVAL, text) from exc
    init: Callable[..., object] | None = getattr(module, INIT, None)
    if not callable(init):
        del sys.modules[module.__name__]
        raise OSError(errno.EINVAL, f"{place.name}: not a plugin: {INIT} is not defined")
    return PluginFile(place.name, str(place), init, module.__name__)


def _compiled(place: Path, source: bytes) -> CodeType:
    try:
        return compile(source, place, "exec")
    except SyntaxError as exc:
        text = f"{place.name}: not a Python plugin: {exc.msg} (line {exc.lineno})"
        raise OSError(errno.EINVAL, text) from None


def _source(place: Path) -> bytes:
    """Return the text of a plugin; raises OSError for what cannot be one."""
    try:
        with place.open("rb") as file:
            source = file.read(MAX_BYTES + 1)
    except OSError as exc:
        reason = os_error(exc.errno or errno.EIO).strerror
        raise OSError(exc.errno or errno.EIO, f"{place.name}: {reason}") from None
    if source.startswith(_ELF):
        text = "compiled plugins cannot be loaded, only ones in Python (docs/jobtap-plugins.md)"
        raise OSError(errno.EINVAL, f"{place.name}: {text}")
    if len(source) > MAX_BYTES:
        raise OSError(errno.EINVAL, f"{place.name}: not a Python plugin: it is too large")
    try:
        if b"\0" in source:
            raise ValueError("it holds null bytes")
        source.decode()
    except ValueError:
        text = f"{place.name}: not a Python plugin, which is text in UTF-8"
        raise OSError(errno.EINVAL, text) from None
    return source


def forget(file: PluginFile) -> None:
    """Drop the module of a plugin that is removed; built-in ones are part of the broker."""
    sys.modules.pop(file.module, None)
