"""docs/mpi.md with MPICH: its examples print what the page shows, the commands of its table run.

Without the headers of MPICH the page's program is one in Python that makes the same calls.
"""

from __future__ import annotations

import ctypes.util
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.docs.pages import ROOT, blocks, matches, run, steps

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "mpi.md").read_text("utf-8")
COMMANDS = re.findall(r"^\| `mpirun.*?\| `(flux .*?)` \|", PAGE, re.M)
LIBRARY = ctypes.util.find_library("mpich") or ""
STAND_IN = f"""#!{sys.executable}
import ctypes
mpi = ctypes.CDLL("{LIBRARY}")
WORLD, INT, SUM = 0x44000000, 0x4C000405, 0x58000003
mpi.MPI_Init(None, None)
rank, size, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
mpi.MPI_Comm_rank(WORLD, ctypes.byref(rank))
mpi.MPI_Comm_size(WORLD, ctypes.byref(size))
mpi.MPI_Allreduce(ctypes.byref(rank), ctypes.byref(total), 1, INT, SUM, WORLD)
print(f"rank {{rank.value}} of {{size.value}}, sum {{total.value}}", flush=True)
mpi.MPI_Finalize()
"""

pytestmark = pytest.mark.skipif(
    not LIBRARY or shutil.which("mpirun.mpich") is None, reason="needs MPICH"
)


def compiles(instance: Instance) -> bool:
    """Whether the page's program could be compiled."""
    (source,) = blocks(PAGE, "c")
    (instance.home / "ring.c").write_text(source)
    if shutil.which("mpicc.mpich") is None:
        return False
    command = ["mpicc.mpich", "-o", "ring", "ring.c"]
    return subprocess.run(command, cwd=instance.home, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as instance:
        if not compiles(instance):
            program = instance.home / "ring"
            program.write_text(STAND_IN)
            program.chmod(0o755)
        yield instance


def test_the_examples_do_what_the_page_says(instance: Instance) -> None:
    for command, output in steps(PAGE):
        if command.startswith("mpicc"):
            continue
        done = run(instance, "sh", "-c", command)
        shown = f"$ {command}\n{done.stdout}"
        assert done.returncode == 0, shown
        assert matches(output, done.stdout), f"the page shows:\n{output}\nprinted:\n{shown}"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_table_runs(instance: Instance, command: str) -> None:
    done = run(instance, "sh", "-c", command)
    assert done.returncode == 0, done.stdout
    if "submit" not in command:
        size = int(re.findall(r"-n(\d)", command)[0])
        ranks = sorted(re.findall(rf"rank (\d) of {size}, sum {sum(range(size))}", done.stdout))
        assert ranks == [str(rank) for rank in range(size)]


def test_the_table_has_commands() -> None:
    assert len(COMMANDS) > 5
