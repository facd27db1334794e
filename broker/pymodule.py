"""Modules that are Python files: ``mod_name`` and ``mod_main(h, *args)``, run in a thread of their
own with a blocking handle (docs/modules.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import re
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Final

from broker.faults import described
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux

READY_TIMEOUT: Final = 2.0
"""Seconds after which a module counts as loaded though it neither waits for messages nor ended."""
STOP_TIMEOUT: Final = 1.0
"""Seconds that a module gets to end when it is asked to, and again when it is interrupted."""
_NAME: Final = re.compile(r"[^\s.\x00-\x1f\x7f!/]{1,256}")


class PythonModule:
    """One loaded file and the thread that runs its ``mod_main``.

    ``failure`` is why it ended, if it did not end as modules do; ``error`` is the exception that
    ended it.
    """

    def __init__(self, name: str, path: str, main: Callable[..., object]) -> None:
        self.name = name
        self.path = path
        self.failure: str | None = None
        self.error: BaseException | None = None
        self.on_exit: Callable[[], None] = lambda: None
        self._main = main
        self._thread: threading.Thread | None = None
        self._registered = False
        self._ready = threading.Event()
        self._stopping = False
        self._handle: Flux | None = None

    async def start(self, uri: str, args: list[str]) -> None:
        """Start the thread and wait until the module can answer: it has begun to wait for messages,
        or it goes on with something else for `READY_TIMEOUT`.

        Raises OSError if it failed by then: EEXIST if its name is taken, EINVAL for what it raised
        or returned.
        """
        self._thread = threading.Thread(
            target=self._run, args=(uri, args), name=f"module-{self.name}", daemon=True
        )
        self._thread.start()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._ready.wait, READY_TIMEOUT)
        if self.failure is not None:
            number = errno.EINVAL
            if isinstance(self.error, OSError) and not self._registered:
                number = self.error.errno or number
            raise OSError(number, f"{self.name}: {self.failure}")

    def _run(self, uri: str, args: list[str]) -> None:
        from flux.core.handle import Flux

        try:
            handle = self._handle = Flux(uri)
            own, broker = str(handle.rpc("broker.ping", {}).get()["route"]).split("!")[:2]
            handle.service_register(self.name).get()
            self._registered = True
            handle.module_basics(self.name, (broker, own), self._ready.set)
            returned = self._main(handle, *args)
            if returned not in (None, 0):
                self.failure = f"mod_main returned {returned!r:.100}"
        except BaseException as exc:
            # Asked to end, a module loses its connection and may be interrupted.
            asked = self._stopping and isinstance(exc, ConnectionResetError | SystemExit)
            if not asked and not (isinstance(exc, SystemExit) and not exc.code):
                self.error = exc
                self.failure = described(exc, self.path)
        finally:
            self._ready.set()
            if self._handle is not None:
                self._handle.close()
            self.on_exit()

    async def stop(self) -> bool:
        """Ask the module to end, as ``<name>.shutdown`` does, and interrupt it if it does not.

        Returns whether its thread has ended. One that does not return to Python, from a call that
        blocks, is left behind; it has lost its connection, and so its service.
        """
        thread = self._thread
        if thread is None or not thread.is_alive():
            return True
        self._stopping = True
        if self._handle is not None:
            self._handle.request_stop()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, thread.join, STOP_TIMEOUT)
        if thread.is_alive() and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
            )
            await loop.run_in_executor(None, thread.join, STOP_TIMEOUT)
        return not thread.is_alive()


async def load_module_file(path: str, name: str | None = None) -> PythonModule:
    """Import a module file, in a thread: what it does meanwhile does not hold up the broker.

    It is called ``name``, or what the file says. Raises OSError: ENOENT without the file, EINVAL if
    it cannot be run, or lacks a name (a word without dots) or ``mod_main``.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[PythonModule] = loop.create_future()

    def finish(found: PythonModule | OSError) -> None:
        if done.done():
            return
        if isinstance(found, OSError):
            done.set_exception(found)
        else:
            done.set_result(found)

    def work() -> None:
        try:
            found: PythonModule | OSError = _imported(path, name)
        except OSError as exc:
            found = exc
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(finish, found)

    threading.Thread(target=work, name="module-import", daemon=True).start()
    return await done


def _imported(path: str, given: str | None) -> PythonModule:
    """Run a file as a module of its own.

    Not by an import: that may take what is compiled already for a file that has changed since, and
    leaves its own files beside those of users.
    """
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as exc:
        raise os_error(exc.errno or errno.ENOENT) from None
    stem = os.path.splitext(os.path.basename(path))[0]
    module = ModuleType(f"flux_module_{stem}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # where dataclasses, for one, look names up
    try:
        exec(compile(text, path, "exec"), module.__dict__)
    except BaseException as exc:  # SystemExit too: it is not the broker's
        raise OSError(errno.EINVAL, described(exc, path)) from exc
    main = _entry_point(module, path)
    # A class has a name without saying so, as it has with flux-core: its file's.
    by_default = None if hasattr(module, "mod_main") else stem
    name: object = getattr(module, "mod_name", by_default) if given is None else given
    if name is None:
        raise OSError(errno.EINVAL, f"{path} defines no mod_name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        what = "mod_name" if given is None else "the name of a module"
        raise OSError(errno.EINVAL, f"{path}: {what} is a word without dots, not {name!r:.100}")
    return PythonModule(name, path, main)


def _entry_point(module: ModuleType, path: str) -> Callable[..., object]:
    from flux.brokermod import resolve_entry_point

    try:
        return resolve_entry_point(module)
    except ValueError as error:
        several = str(error).startswith("multiple")
        raise OSError(
            errno.EINVAL, f"{path}: {error}" if several else f"{path} defines no mod_main"
        ) from None
