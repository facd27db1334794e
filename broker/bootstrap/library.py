"""PMI-1 by a process manager's shared library, as Slurm offers it to the tasks of a job step.

A task of ``srun`` has no descriptor to speak RFC 13's protocol on unless ``--mpi=pmi2`` was given:
its library ``libpmi.so`` knows how to ask.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SUCCESS: Final = 0
LIBRARY_NAMES: Final = ("libpmi.so.0", "libpmi.so")
STEP_VARIABLES: Final = ("SLURM_STEP_ID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
"""What the tasks of a job step have, and a batch script has not."""


class PmiLibrary:
    """One process's use of the library at ``path``.

    Every method raises OSError: EIO if the library says that it failed.
    """

    def __init__(self, path: str) -> None:
        # What the library loads itself looks for symbols among those of all.
        self._library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        self._call("Init", ctypes.byref(ctypes.c_int()))
        self.rank = self._number("Get_rank")
        self.size = self._number("Get_size")
        self._longest = self._number("KVS_Get_value_length_max")
        name = ctypes.create_string_buffer(self._number("KVS_Get_name_length_max") + 1)
        self._call("KVS_Get_my_name", name, len(name))
        self._space = name.value

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> PmiLibrary | None:
        """Return the library of a Slurm job step with several tasks, None outside of one.

        Raises OSError(ENOENT) if there is one, and no library.
        """
        if any(name not in environ for name in STEP_VARIABLES):
            return None
        if environ["SLURM_STEP_NUM_TASKS"] == "1":
            return None
        named = environ.get("PMI_LIBRARY")
        for path in (named,) if named else LIBRARY_NAMES:
            try:
                return cls(path)
            except OSError as exc:
                if exc.errno is not None or (named and os.path.exists(named)):
                    raise
        text = (
            f"this is a task of a Slurm job step, but {named or LIBRARY_NAMES[0]} cannot be loaded:"
            " install Slurm's PMI library, name it in PMI_LIBRARY, or use srun --mpi=pmi2"
        )
        raise OSError(errno.ENOENT, text)

    def put(self, key: str, value: str) -> None:
        """Store a pair, visible to the others after a barrier."""
        data = value.encode()
        if len(data) >= self._longest:
            raise OSError(errno.EMSGSIZE, f"PMI: the value of {key} is too long")
        self._call("KVS_Put", self._space, key.encode(), data)
        self._call("KVS_Commit", self._space)

    def get(self, key: str) -> str:
        """Return the value of ``key``; raises OSError(ENOENT) if there is none."""
        value = ctypes.create_string_buffer(self._longest + 1)
        try:
            self._call("KVS_Get", self._space, key.encode(), value, self._longest)
        except OSError as exc:
            raise OSError(errno.ENOENT, f"PMI: no such key: {key}") from exc
        return value.value.decode("utf-8", "replace")

    def barrier(self) -> None:
        """Wait until every process of the group is here."""
        self._call("Barrier")

    def finalize(self) -> None:
        """End the use of PMI."""
        self._call("Finalize")

    def _number(self, name: str) -> int:
        value = ctypes.c_int()
        self._call(name, ctypes.byref(value))
        return value.value

    def _call(self, name: str, *arguments: object) -> None:
        function = getattr(self._library, f"PMI_{name}", None)
        if function is None:
            raise OSError(errno.ENOSYS, f"PMI: the library has no PMI_{name}")
        result = function(*arguments)
        if result != SUCCESS:
            raise OSError(errno.EIO, f"PMI: PMI_{name} failed with {result}")
