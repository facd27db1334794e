"""Modules of the scheduler event generator: found by name or path, checked, activated and
deactivated.

A module is a Python file with a descriptor, the name ``seg_module``: an object with the attributes,
or a mapping with the keys, ``name``, ``activate``, ``deactivate`` and ``version``. The last two may
be left out.

``activate()`` registers callbacks with the event driver and returns; ``deactivate()`` returns when
what was under way is over. Both may be coroutine functions. What they return is None or 0 if all
went well.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import pathlib
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flux.seg.errors import SegError, SegErrorType

if TYPE_CHECKING:
    from types import ModuleType

DESCRIPTOR: Final = "seg_module"
SEARCH_PATH: Final = "FLUX_SEG_PATH"
"""Environment variable: directories of modules, separated by colons, before the built-in ones."""

Hook = Callable[[], object]


def _nothing() -> None:
    """A module that has nothing to deactivate."""


@dataclass(frozen=True)
class Descriptor:
    """What a module says of itself; the form of ``seg_module`` that type checkers know."""

    name: str
    activate: Hook
    deactivate: Hook = _nothing
    version: str = ""


class LoadedModule:
    """A module that was loaded. It is activated once, then deactivated once."""

    def __init__(self, descriptor: Descriptor, python: ModuleType) -> None:
        self.descriptor = descriptor
        self._python: ModuleType | None = python
        self.active = False

    async def activate(self) -> None:
        """Activate the module; raises SegError: LOADING_MODULE if it says that it failed or raises
        anything, ALREADY_SET a second time.
        """
        if self.active:
            raise SegError(SegErrorType.ALREADY_SET, f"{self.descriptor.name} is active")
        self.active = True
        try:
            result = await _call(self.descriptor.activate)
        except Exception as exc:
            self.active = False
            raise SegError(SegErrorType.LOADING_MODULE, self._failure("activate", exc)) from exc
        if result:
            self.active = False
            raise SegError(
                SegErrorType.LOADING_MODULE, f"{self.descriptor.name}: activate returned {result!r}"
            )

    async def deactivate(self) -> None:
        """Deactivate the module if it is active, and unload it.

        Raises SegError(INVALID_MODULE) if it raises anything: it is unloaded all the same.
        """
        if not self.active:
            return
        self.active = False
        try:
            await _call(self.descriptor.deactivate)
        except Exception as exc:
            raise SegError(SegErrorType.INVALID_MODULE, self._failure("deactivate", exc)) from exc
        finally:
            python, self._python = self._python, None
            if python is not None and sys.modules.get(python.__name__) is python:
                del sys.modules[python.__name__]

    def _failure(self, hook: str, exc: Exception) -> str:
        return f"{self.descriptor.name}: {hook}: {exc_text(exc)}"


def exc_text(exc: BaseException) -> str:
    """Return what an exception says on one line, with its type unless it says all itself."""
    if isinstance(exc, SegError) or (isinstance(exc, OSError) and exc.strerror):
        return " ".join(str(exc).split())
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}".removesuffix(": ")


async def _call(hook: Hook) -> object:
    result = hook()
    return await result if isinstance(result, Awaitable) else result


def load(name: str) -> LoadedModule:
    """Load the module that a path with a slash or of a ``.py`` file names, or a name does, below
    the directories of FLUX_SEG_PATH and among the built-in ones.

    Raises SegError: LOADING_MODULE if there is none or its code fails, INVALID_MODULE without a
    descriptor that makes sense.
    """
    path = find(name)
    # A name of its own: a module called json must not become everybody's.
    spec = importlib.util.spec_from_file_location(f"flux_seg_module_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SegError(SegErrorType.LOADING_MODULE, f"{path} is no Python file")
    python = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = python
    try:
        spec.loader.exec_module(python)
        descriptor = described(python, str(path))
    except SegError:
        del sys.modules[spec.name]
        raise
    except (Exception, SystemExit) as exc:
        del sys.modules[spec.name]
        raise SegError(SegErrorType.LOADING_MODULE, f"{path}: {exc_text(exc)}") from exc
    return LoadedModule(descriptor, python)


def find(name: str) -> pathlib.Path:
    """Return the file of a module; raises SegError(LOADING_MODULE) if there is none."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a module is a string, not {type(name).__name__}")
    if not name or "\0" in name:
        raise SegError(SegErrorType.LOADING_MODULE, f"{name!r} names no module")
    if "/" in name or name.endswith(".py"):
        tried = [pathlib.Path(name)]
    else:
        folders = [part for part in os.environ.get(SEARCH_PATH, "").split(":") if part]
        folders.append(os.path.join(os.path.dirname(__file__), "modules"))
        tried = [pathlib.Path(folder, f"{name}.py") for folder in folders]
    try:
        for path in tried:
            if path.is_file():
                return path
    except OSError as exc:
        raise SegError(SegErrorType.LOADING_MODULE, f"{name:.200}: {exc.strerror}") from None
    places = ", ".join(str(path) for path in tried)
    raise SegError(SegErrorType.LOADING_MODULE, f"{name}: no such file: {places}")


def described(python: object, where: str) -> Descriptor:
    """Return the descriptor of a module; raises SegError(INVALID_MODULE) if it makes no sense."""
    given = getattr(python, DESCRIPTOR, None)
    if given is None:
        raise SegError(SegErrorType.INVALID_MODULE, f"{where} has no {DESCRIPTOR}")
    if isinstance(given, Mapping):
        get = given.get
    else:

        def get(key: str, default: object = None) -> object:
            return getattr(given, key, default)

    name = get("name")
    if not isinstance(name, str) or not name:
        raise SegError(SegErrorType.INVALID_MODULE, f"{where}: {DESCRIPTOR} has no name")
    return Descriptor(
        name,
        _hook(get("activate"), f"{where}: activate"),
        _hook(get("deactivate", _nothing), f"{where}: deactivate"),
        str(get("version", "")),
    )


def _hook(value: object, what: str) -> Hook:
    if not callable(value) or not _takes_nothing(value):
        raise SegError(SegErrorType.INVALID_MODULE, f"{what} is no function without parameters")
    return value


def _takes_nothing(hook: Callable[..., object]) -> bool:
    try:
        inspect.signature(hook).bind()
    except TypeError:
        return False
    except ValueError:  # built-in functions do not always say what they take
        return True
    return True
