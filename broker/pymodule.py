"""Modules that are Python files: ``mod_name`` and ``mod_main(h, *args)``, run in a thread of their
own with a blocking handle."""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import os
import threading
from typing import TYPE_CHECKING

from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from flux.core.handle import Flux


class PythonModule:
    """One loaded file and the thread that runs its ``mod_main``."""

    def __init__(self, name: str, path: str, module: ModuleType) -> None:
        self.name = name
        self.path = path
        self.error: BaseException | None = None
        self.on_exit: Callable[[], None] = lambda: None
        self._module = module
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._handle: Flux | None = None

    async def start(self, uri: str, args: list[str]) -> None:
        """Start the thread and wait until its service is registered or it failed; raises what it
        failed with.
        """
        self._thread = threading.Thread(
            target=self._run, args=(uri, args), name=f"module-{self.name}", daemon=True
        )
        self._thread.start()
        await asyncio.get_running_loop().run_in_executor(None, self._ready.wait)
        if self.error is not None:
            raise OSError(errno.EINVAL, f"{self.name}: {self.error}")

    def _run(self, uri: str, args: list[str]) -> None:
        from flux.core.handle import Flux

        try:
            handle = self._handle = Flux(uri)
            handle.service_register(self.name).get()
            handle.module_basics(self.name)
            self._ready.set()
            self._module.mod_main(handle, *args)
        except BaseException as exc:
            self.error = exc
        finally:
            self._ready.set()
            if self._handle is not None:
                self._handle.close()
            self.on_exit()

    async def stop(self) -> None:
        """Ask the module to end, as ``<name>.shutdown`` does, and wait up to five seconds for its
        thread.
        """
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        if self._handle is not None:
            self._handle.request_stop()
        await asyncio.get_running_loop().run_in_executor(None, thread.join, 5.0)
        if thread.is_alive():
            raise OSError(errno.EBUSY, f"module {self.name} does not end")


def load_module_file(path: str) -> PythonModule:
    """Import a module file; raises OSError(ENOENT) without it, EINVAL if it has no ``mod_main``."""
    if not os.path.exists(path):
        raise os_error(errno.ENOENT)
    stem = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(f"flux_module_{stem}", path)
    if spec is None or spec.loader is None:
        raise OSError(errno.EINVAL, f"{path} is not a Python module")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        raise OSError(errno.EINVAL, f"{path}: {exc}") from exc
    if not callable(getattr(module, "mod_main", None)):
        raise OSError(errno.EINVAL, f"{path} defines no mod_main")
    return PythonModule(str(getattr(module, "mod_name", stem)), path, module)
