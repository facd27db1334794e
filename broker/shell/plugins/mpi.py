"""Variables that MPI libraries look for (option ``mpi``: spectrum, none, and names of others, which
need nothing more than every job has).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from broker.shell.levels import WARNING
from broker.shell.plugin import ShellPlugin, shown

if TYPE_CHECKING:
    from broker.shell.task import ShellTask

SPECTRUM: Final = "spectrum"
PLAIN: Final = ("openmpi", "mvapich", "intel", "mpich")
LIBRARY: Final = "FLUX_PMI_LIBRARY_PATH"
"""Where a PMI library for dlopen(3) is; without one nothing is said of it, and MPI libraries find
the wire protocol.
"""
SPECTRUM_ROOT: Final = "/opt/ibm/spectrum_mpi"


class MpiPlugin(ShellPlugin):
    """Sets the variables."""

    name = "mpi"

    def wanted(self) -> bool:
        return self.shell.option("mpi") != "none"

    def shell_init(self) -> None:
        """Set those of the job, which are those of every job for a library that nobody knows."""
        shell, env = self.shell, self.shell.env
        option = shell.option("mpi")
        kind = option.partition("@")[0] if isinstance(option, str) else option
        if kind not in (None, SPECTRUM, *PLAIN) and not shell.customized:
            known = ", ".join((SPECTRUM, *PLAIN, "none"))
            text = f"mpi={shown(option)} changes nothing: what is known is {known}"
            shell.log(WARNING, text, self.name)
        self._spectrum = kind == SPECTRUM
        env.setdefault("MPIRUN_NTASKS", str(shell.info.ntasks))
        env.setdefault("MPIRUN_RSH_LAUNCH", "1")
        if shell.tmpdir:
            env["OMPI_MCA_btl_vader_backing_directory"] = shell.tmpdir
        self._library(env)
        if self._spectrum:
            self._set_spectrum(env)

    def _library(self, env: dict[str, str]) -> None:
        library = env.get(LIBRARY, "")
        # Our own server's path, which names no library, is there in every instance.
        if ".so" not in os.path.basename(library) or not os.path.isfile(library):
            return
        env.setdefault("OMPI_MCA_pmix", "flux")
        env.setdefault("OMPI_MCA_schizo", "flux")
        if "I_MPI_PMI_LIBRARY" in env:
            env["I_MPI_PMI_LIBRARY"] = library
        _prepend(env, "LD_LIBRARY_PATH", os.path.dirname(library))

    def _set_spectrum(self, env: dict[str, str]) -> None:
        root = env.get("MPI_ROOT", SPECTRUM_ROOT)
        for name, value in (("osc", "pt2pt"), ("pml", "yalla"), ("btl", "self")):
            env[f"OMPI_MCA_{name}"] = value
        env["OMPI_MCA_coll_hcoll_enable"] = "0"
        _prepend(env, "LD_LIBRARY_PATH", f"{root}/lib/pami_port")
        _prepend(env, "LD_PRELOAD", f"{root}/lib/libpami_cudahook.so")

    def task_init(self, task: ShellTask) -> None:
        """Set those of a task."""
        task.env["MPIRUN_RANK"] = str(task.rank)
        if self._spectrum:
            task.env["OMPI_COMM_WORLD_RANK"] = str(task.rank)


def _prepend(env: dict[str, str], name: str, path: str) -> None:
    env[name] = f"{path}:{env[name]}" if env.get(name) else path
