"""Loads, lists and unloads the modules of one broker."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib
import inspect
import os
import time
from functools import partial
from typing import TYPE_CHECKING, TypedDict

from msgspec import Struct

from broker.pymodule import PythonModule, load_module_file
from broker.service import Service
from flux.modules import MODULES
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.endpoint import InProcess, ServiceHost
    from broker.log import Logger
    from broker.tracing import Way
    from flux.wire.message import Message


MAX_REMEMBERED = 1000
"""Modules that were removed and can be loaded again as they were."""


class ModuleEntry(TypedDict):
    """A module as ``broker.lsmod`` lists it; ``size`` and ``digest`` (SHA-1) are of its file,
    ``idle`` is in seconds.
    """

    name: str
    size: int
    digest: str
    idle: int
    status: int
    services: list[str]


class TodaysEntry(TypedDict):
    """A module as ``module.list`` lists it; ``services`` are those beside its own name."""

    name: str
    path: str
    idle: int
    status: int
    services: list[str]
    sendqueue: int
    recvqueue: int


class _Loaded(Struct):
    name: str
    path: str
    service: Service | None
    endpoint: InProcess | None
    thread: PythonModule | None = None
    args: tuple[str, ...] = ()
    own: str | None = None


class ModuleHost:
    """The modules of one broker, built-in services and Python files alike."""

    def __init__(self, host: ServiceHost, log: Logger) -> None:
        self._host = host
        self._log = log
        self._loaded: dict[str, _Loaded] = {}
        self._files: dict[str, tuple[int, str]] = {}
        self._removed: dict[str, tuple[str, tuple[str, ...], str | None]] = {}
        self._on_passing: Callable[[str, Way, Message], None] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._loaded

    @property
    def names(self) -> list[str]:
        """Loaded modules in the order they were loaded."""
        return list(self._loaded)

    def add(self, name: str, service: Service, endpoint: InProcess) -> None:
        """List a service that was mounted elsewhere, the local connector, as a module."""
        path = inspect.getsourcefile(type(service)) or ""
        self._loaded[name] = _Loaded(name, path, service, endpoint)

    async def load(self, path: str, args: list[str], own: str | None = None) -> None:
        """Load a built-in module by name or a Python file by path, which may be called by a name of
        its ``own``.

        Raises OSError: ENOENT for an unknown name or file, EEXIST if it is loaded, EINVAL if the
        file is no module or it cannot be called so, or what the module's start raised.
        """
        name = _built_in_name(path)
        if name is None:
            await self._load_file(path, args, own)
            return
        if own not in (None, name):
            raise OSError(errno.EINVAL, f"{name} is built in, it has no other name")
        if name in self._loaded:
            raise os_error(errno.EEXIST)
        service_class = _class_of(name)
        self._log.debug(f"insmod {name}")
        ctx, endpoint = self._host.context(name)
        try:
            service = service_class(ctx)
            source = inspect.getsourcefile(service_class) or ""
            self._loaded[name] = _Loaded(name, source, service, endpoint, args=tuple(args))
            self._watch(self._loaded[name])
            await self._host.mount(service, endpoint, args)
        except BaseException:
            self._loaded.pop(name, None)
            await ctx.cancel_tasks()
            await endpoint.handle.close()
            raise

    async def _load_file(self, path: str, args: list[str], own: str | None) -> None:
        module = await load_module_file(path, own)
        if module.name in self._loaded:
            raise os_error(errno.EEXIST)
        self._log.debug(f"insmod {module.name}")
        loop = asyncio.get_running_loop()
        module.on_exit = partial(_call_in, loop, self._file_exited, module)
        entry = _Loaded(module.name, path, None, None, module, tuple(args), own)
        self._loaded[module.name] = entry
        try:
            await module.start(self._host.attrs.get("local-uri") or "", args)
        except BaseException:
            if self._loaded.pop(module.name, None) is not None:
                self._tell_failure(module)
            raise

    async def check(self, path: str, args: list[str]) -> None:
        """Look whether `load` could succeed with a module that is loaded already.

        Raises OSError for a name or file that is no module, or arguments that it would refuse.
        """
        name = _built_in_name(path)
        if name is None:
            await load_module_file(path)
        else:
            _class_of(name).check_args(args)

    async def restore(self, name: str) -> None:
        """Load a module again as it was when it was last removed; raises OSError as `load` does,
        ENOENT if it never was.
        """
        if name not in self._removed:
            raise os_error(errno.ENOENT)
        path, args, own = self._removed[name]
        await self.load(path, list(args), own)

    def _file_exited(self, module: PythonModule) -> None:
        entry = self._loaded.get(module.name)
        if entry is not None and entry.thread is module:
            del self._loaded[module.name]
            self._log.debug(f"module {module.name} exited")
            self._tell_failure(module)

    def _tell_failure(self, module: PythonModule) -> None:
        if module.failure is None:
            return
        text = f"module {module.name}: {module.failure}"
        if module.error is None:
            self._log.err(text)
        else:
            self._log.exception(text, module.error)

    async def remove(self, name: str) -> None:
        """Unload a module; raises OSError(ENOENT) if it is not loaded."""
        entry = self._loaded.get(name)
        if entry is None:
            raise os_error(errno.ENOENT)
        path = entry.path if entry.thread is not None else entry.name
        self._removed.pop(name, None)
        while len(self._removed) >= MAX_REMEMBERED:
            self._removed.pop(next(iter(self._removed)))
        self._removed[name] = (path, entry.args, entry.own)
        await self._unload(entry)

    async def _unload(self, entry: _Loaded) -> None:
        self._log.debug(f"rmmod {entry.name}")
        if entry.thread is not None:
            if not await entry.thread.stop():
                self._log.err(
                    f"module {entry.name} does not end: it is cut off, its thread stays until the"
                    " broker ends"
                )
            if self._loaded.pop(entry.name, None) is None:
                return  # its end has been logged already
        elif entry.service is not None and entry.endpoint is not None:
            try:
                await self._host.unmount(entry.service, entry.endpoint)
            finally:
                self._loaded.pop(entry.name, None)
        self._log.debug(f"module {entry.name} exited")

    async def unload_all(self, keep: str, patience: float | None = None) -> int:
        """Unload everything but ``keep`` in reverse order, each within its own time limit, or
        ``patience`` seconds.

        Returns how many built-in modules failed to stop, which is logged: what they had to bring to
        safety may be lost.
        """
        failed = 0
        for entry in reversed(tuple(self._loaded.values())):
            if entry.name == keep:
                continue
            limit = (entry.service or Service).stop_timeout
            if (
                patience is not None and limit <= Service.stop_timeout
            ):  # the others bring data to safety
                limit = patience
            try:
                async with asyncio.timeout(limit):
                    await self._unload(entry)
                continue
            except TimeoutError:
                self._log.err(f"{entry.name}: did not stop within {limit:g}s")
            except OSError as exc:
                self._log.crit(f"{entry.name}: {exc.strerror or exc}")
            except Exception as exc:
                self._log.exception(f"{entry.name}: stopping failed: {exc}", exc)
            failed += entry.service is not None
        return failed

    def list_today(self) -> list[TodaysEntry]:
        """Return the loaded modules as ``module.list`` lists them; messages do not queue here."""
        return [
            {
                "name": entry.name,
                "path": entry.path,
                "idle": described["idle"],
                "status": described["status"],
                "services": described["services"],
                "sendqueue": 0,
                "recvqueue": 0,
            }
            for entry in self._loaded.values()
            for described in (self._describe(entry),)
        ]

    def list(self) -> list[ModuleEntry]:
        """Return the loaded modules as ``broker.lsmod`` lists them."""
        return [self._describe(entry) for entry in self._loaded.values()]

    def trace(self, on_passing: Callable[[str, Way, Message], None] | None) -> None:
        """Call ``on_passing`` with the name of a built-in module and each message that it gets or
        sends, those loaded later included; None for nothing any more. Modules in files have a
        connection of their own, whose messages are not seen here.
        """
        self._on_passing = on_passing
        for entry in self._loaded.values():
            self._watch(entry)

    def _watch(self, entry: _Loaded) -> None:
        if entry.endpoint is not None:
            told = self._on_passing
            entry.endpoint.on_passing = None if told is None else partial(told, entry.name)

    def _describe(self, entry: _Loaded) -> ModuleEntry:
        size, digest = self._file_facts(entry.path)
        if entry.endpoint is not None and entry.service is not None:
            idle = int(time.monotonic() - entry.endpoint.last_active)
            services = [entry.service.name, *entry.service.also]
        else:
            idle, services = 0, [entry.name]
        return {
            "name": entry.name,
            "size": size,
            "digest": digest,
            "idle": idle,
            "status": 1,
            "services": services,
        }

    def _file_facts(self, path: str) -> tuple[int, str]:
        if path not in self._files:
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except OSError:
                data = b""
            self._files[path] = (len(data), hashlib.sha1(data).hexdigest())
        return self._files[path]


def _class_of(name: str) -> type[Service]:
    module_name, _, class_name = MODULES[name].target.partition(":")
    found: type[Service] = getattr(importlib.import_module(module_name), class_name)
    return found


def _built_in_name(path: str) -> str | None:
    """Return the built-in module that ``path`` names: itself, or a file of flux-core's name for it;
    None for a Python file.

    Raises OSError: ENOENT if there is no such file, EINVAL for one that is no Python file.
    """
    if path in MODULES:
        return path
    if "\0" in path or len(path) > 4096:
        raise os_error(errno.ENOENT)
    stem, suffix = os.path.splitext(os.path.basename(path))
    if suffix == ".so" and stem in MODULES:
        return stem
    if suffix == ".py":
        return None
    if "/" in path and os.path.isfile(path):
        problem = "a module is a Python file, whose name ends in .py (compiled ones are not loaded)"
        raise OSError(errno.EINVAL, f"{path}: {problem}")
    raise os_error(errno.ENOENT)


def _call_in(
    loop: asyncio.AbstractEventLoop, function: Callable[[PythonModule], None], module: PythonModule
) -> None:
    """Call ``function`` on the loop from another thread."""
    loop.call_soon_threadsafe(function, module)
