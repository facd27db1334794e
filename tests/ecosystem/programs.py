"""Running third-party programs in an instance, with a deadline for each.

The instance is this project's, as installed in the suite's environment, or that of a flux-core,
whose prefix FLUX_CORE names: what works there is what should work here.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
from typing import TYPE_CHECKING

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = pathlib.Path(__file__).parent / "scripts"
DEADLINE = 120.0
"""Seconds after which a program counts as hanging."""
FOLDER = "ECOSYSTEM_ENVIRONMENT"
PEER = "FLUX_CORE"


def environment_folder() -> pathlib.Path | None:
    """Return where the suite's environment is, None if nobody has made one."""
    named = os.environ.get(FOLDER)
    return pathlib.Path(named).absolute() if named else None


def peer_prefix() -> pathlib.Path | None:
    """Return where the flux-core to try instead of us is installed, None for us."""
    named = os.environ.get(PEER)
    return pathlib.Path(named).absolute() if named else None


class Programs:
    """Programs of the suite's environment in one instance: their environment variables, a home
    that goes with the tests, and the processes that have a deadline.
    """

    def __init__(self, instance: Instance, folder: pathlib.Path, home: pathlib.Path) -> None:
        self.instance = instance
        self.python = folder / "bin" / "python"
        self.home = home
        path = f"{instance.flux.parent}:{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin:/sbin"
        self.environment = instance.environment | {
            "HOME": str(home),
            "PATH": path,
            "PWD": str(home),
            "COLUMNS": "200",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
        }
        if peer_prefix() is not None:  # its instances do not say where its Python modules are
            found = self.ok("flux", "env", "printenv", "PYTHONPATH").strip()
            self.environment["PYTHONPATH"] = found

    def run(
        self,
        *words: str | pathlib.Path,
        deadline: float = DEADLINE,
        stdin: str = "",
        cwd: pathlib.Path | None = None,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; it and all that it started in its session are killed at the
        deadline. Raises AssertionError with what it wrote if that comes.
        """
        with self.started(*words, cwd=cwd, **environment) as process:
            try:
                out, err = process.communicate(stdin, timeout=deadline)
            except subprocess.TimeoutExpired:
                _end(process)
                out, err = process.communicate()
                raise AssertionError(f"{words} hangs\n{out}\n{err}") from None
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    @contextlib.contextmanager
    def started(
        self,
        *words: str | pathlib.Path,
        cwd: pathlib.Path | None = None,
        **environment: str,
    ) -> Iterator[subprocess.Popen[str]]:
        """Let a program run as long as a block, in a session of its own that ends with it."""
        with subprocess.Popen(
            words,
            env=self.environment | environment,
            cwd=cwd or self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                _end(process)

    def ok(
        self,
        *words: str | pathlib.Path,
        deadline: float = DEADLINE,
        cwd: pathlib.Path | None = None,
        **environment: str,
    ) -> str:
        """Run a program that must succeed; returns its standard output."""
        done = self.run(*words, deadline=deadline, cwd=cwd, **environment)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def case(self, script: str, name: str, deadline: float = DEADLINE, **environment: str) -> str:
        """Run one case of a script of this suite, which must succeed; returns its output."""
        path = SCRIPTS / f"{script}.py"
        return self.ok(self.python, path, name, deadline=deadline, cwd=None, **environment)

    def finishes(
        self, script: str, name: str, deadline: float = DEADLINE, **environment: str
    ) -> bool:
        """Run one case of a script, which must succeed; whether it came to its end, which one that
        is left early with exit code 0 does not.
        """
        said = self.case(script, name, deadline, **environment)
        return f"done: {name}" in said.splitlines()

    def failing(self, script: str, name: str) -> str:
        """Run one case of a script, which must fail; returns both outputs."""
        done = self.run(self.python, SCRIPTS / f"{script}.py", name)
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def programs_running(home: pathlib.Path) -> Iterator[Programs]:
    """Boot the instance of two brokers that programs run in, and end it and its jobs after."""
    folder = environment_folder()
    assert folder is not None
    flux = (peer_prefix() or folder) / "bin" / "flux"
    with running_instance(2, flux=flux) as instance:
        programs = Programs(instance, folder, home)
        programs.ok("flux", "getattr", "size")
        yield programs
