"""A running instance for tests and measurements: `flux start` with an initial program that waits
until told to end.

with running_instance(size=4) as instance:
    subprocess.run(["flux", "jobs"], env=instance.environment)
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOT_TIMEOUT = 120.0
"""Seconds until the initial program of an instance must run."""


def default_flux() -> pathlib.Path:
    """The `flux` command beside the running interpreter."""
    return pathlib.Path(sys.executable).parent / "flux"


class Instance:
    """A running instance: its process, the environment that reaches it, and a home directory for
    commands.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], base: pathlib.Path, flux: pathlib.Path
    ) -> None:
        self.process = process
        self.base = base
        self.flux = flux
        self.home = base / "home"
        self.home.mkdir()
        self.environment: dict[str, str] = {}
        self.exit_code: int | None = None
        """Exit code of `flux start` once stopped."""

    @property
    def uri(self) -> str:
        """FLUX_URI of rank 0."""
        return self.environment["FLUX_URI"]

    @property
    def rundir(self) -> str:
        """Directory that holds the local socket."""
        return str(pathlib.Path(self.uri.removeprefix("local://")).parent)

    @property
    def log(self) -> str:
        """What the instance has written to its standard output and error so far."""
        return (self.base / "log").read_text(errors="replace")

    def adopt(self, environment: bytes) -> None:
        """Take over the environment of the initial program, as `env -0` printed it."""
        pairs = (entry.partition("=") for entry in os.fsdecode(environment).split("\0") if entry)
        found = {name: value for name, _, value in pairs}
        own = ("FLUX_", "PYTHON", "LUA_", "LD_LIBRARY_PATH")
        self.environment = {
            name: value for name, value in found.items() if name.startswith(own)
        } | {
            "LOGNAME": found.get("LOGNAME", "root"),
            "HOME": str(self.home),
            "PATH": f"{self.flux.parent}:/usr/local/bin:/usr/bin:/bin:/sbin",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "SHELL": "/bin/bash",
            "USER": found.get("USER", "root"),
            "PWD": str(self.home),
            "TMPDIR": str(self.base),
        }

    def run(
        self, *arguments: str, stdin: str = "", timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run `flux ARGUMENTS` against the instance; never raises for its exit code."""
        return subprocess.run(
            [self.flux, *arguments],
            env=self.environment,
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def stop(self, timeout: float = 60.0) -> int:
        """End the initial program; returns the exit code of `flux start`, which is killed after
        `timeout` seconds.
        """
        if self.process.stdin is not None and not self.process.stdin.closed:
            with contextlib.suppress(OSError), self.process.stdin as lifeline:
                lifeline.write(b"end\n")
        try:
            self.exit_code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.exit_code = self.process.wait()
        return self.exit_code


@contextlib.contextmanager
def running_instance(
    size: int = 1,
    *options: str,
    flux: pathlib.Path | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[Instance]:
    """Boot ``size`` brokers with ``flux start``, and take everything down at the end.

    ``options`` are further ones of flux-start(1), ``flux`` is the command to use, by default the
    one beside the interpreter, and ``environment`` has variables to add to those of the caller.
    Raises RuntimeError, with what it wrote, if the instance does not come up.
    """
    flux = flux or default_flux()
    base = pathlib.Path(tempfile.mkdtemp(prefix="fi-", dir="/tmp"))
    ready = base / "environment"
    # Its standard input ends with this process, however that ends, and so does the instance then.
    script = f"env -0 >{ready}.new && mv {ready}.new {ready} && read line"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    variables |= {
        "TMPDIR": str(base),
        "LANG": "C.UTF-8",
        "PATH": f"{flux.parent}:{variables.get('PATH', os.defpath)}",
    }
    try:
        with (base / "log").open("wb") as output:
            process = subprocess.Popen(
                [flux, "start", f"-s{size}", *options, "sh", "-c", script],
                env=variables | (environment or {}),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        instance = Instance(process, base, flux)
        try:
            _await(ready, instance)
            instance.adopt(ready.read_bytes())
            yield instance
        finally:
            instance.stop()
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _await(ready: pathlib.Path, instance: Instance) -> None:
    deadline = time.monotonic() + BOOT_TIMEOUT
    while not ready.exists():
        if instance.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(
                f"flux start did not come up (exit code {instance.process.poll()}):\n{instance.log}"
            )
        time.sleep(0.01)
