"""Several hosts on one machine: network namespaces on a bridge, each with a host name of its own.

Nothing of the machine's own network is touched: the bridge lives in a namespace as well.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Self

from flux.testing.instance import default_flux
from tests.system.watching import until

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 8050


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)


@cache
def missing() -> str:
    """Why there can be no hosts here; empty if there can."""
    if os.getuid() != 0:
        return "network namespaces are made by root"
    for program in ("ip", "unshare", "mount"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    try:
        with Hosts(pathlib.Path("/nonexistent"), 1, write=False):
            return ""
    except subprocess.CalledProcessError as exc:
        return f"no network namespaces: {exc.stderr.decode(errors='replace').strip()}"


class Hosts:
    """Hosts ``h0`` to ``h<count - 1>``, whose addresses are 10.99.0.1 and so on, and fd99::1.

    ``folder`` gets the configuration, the certificate and what brokers write.
    """

    def __init__(self, folder: pathlib.Path, count: int, *, write: bool = True) -> None:
        self.folder = folder
        self.count = count
        self.brokers: dict[str, subprocess.Popen[bytes]] = {}
        self._prefix = f"fx{os.getpid()}"
        self._write = write
        self._old: list[subprocess.Popen[bytes]] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._connect()
            if self._write:
                self._configure()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for broker in (*self.brokers.values(), *self._old):
            if broker.poll() is None:
                broker.send_signal(signal.SIGCONT)
                broker.kill()
            broker.wait()
        self._stack.close()

    def _namespace(self, name: str) -> str:
        full = f"{self._prefix}-{name}"
        _ip("netns", "add", full)
        self._stack.callback(_ip, "netns", "delete", full)
        return full

    def _connect(self) -> None:
        switch = self._namespace("switch")
        _ip("-n", switch, "link", "add", "br0", "type", "bridge")
        _ip("-n", switch, "link", "set", "br0", "up")
        for number in range(self.count):
            host = self._namespace(f"h{number}")
            port = f"port{number}"
            ends = ("netns", host, "type", "veth", "peer", "name", port, "netns", switch)
            _ip("link", "add", "eth0", *ends)
            _ip("-n", switch, "link", "set", port, "master", "br0", "up")
            _ip("-n", host, "link", "set", "lo", "up")
            _ip("-n", host, "link", "set", "eth0", "up")
            _ip("-n", host, "address", "add", f"10.99.0.{number + 1}/24", "dev", "eth0")
            with contextlib.suppress(subprocess.CalledProcessError):  # a kernel without IPv6
                address = f"fd99::{number + 1}/64"
                _ip("-n", host, "address", "add", address, "dev", "eth0", "nodad")

    def _configure(self) -> None:
        lines = [f"10.99.0.{number + 1} h{number}\n" for number in range(self.count)]
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))
        flux = str(default_flux())
        subprocess.run([flux, "keygen", f"{self.folder}/cert"], check=True, timeout=60)
        (self.folder / "conf").mkdir()
        self.configure("")

    def configure(self, more: str, bootstrap: str = "") -> None:
        """Write the configuration that all hosts share: ``more`` tables, another ``bootstrap``."""
        table = bootstrap or (
            f'default_port = {PORT}\ndefault_bind = "tcp://eth0:%p"\n'
            f'default_connect = "tcp://%h:%p"\nhosts = [{{ host = "h[0-{self.count - 1}]" }}]\n'
        )
        text = f'[bootstrap]\ncurve_cert = "{self.folder}/cert"\n{table}\n{more}\n'
        (self.folder / "conf" / "system.toml").write_text(text)

    def start(self, name: str, *options: str, program: tuple[str, ...] = ()) -> None:
        """Start the broker of a host; one that ran there before counts as ended."""
        if name in self.brokers:
            self._old.append(self.brokers[name])
        rundir = self.folder / f"run-{name}-{len(self._old)}"
        rundir.mkdir(mode=0o700)
        inside = f'hostname {name} && mount --bind "$1" /etc/hosts && shift && exec "$@"'
        argv = [
            *("ip", "netns", "exec", f"{self._prefix}-{name}", "unshare", "--uts", "--mount"),
            *("sh", "-c", inside, "sh", f"{self.folder}/hosts", str(default_flux()), "broker"),
            *(f"--config-path={self.folder}/conf", f"-Srundir={rundir}"),
            *("-Slog-stderr-mode=local", *options, *program),
        ]
        environment = {
            key: text for key, text in os.environ.items() if not key.startswith(("FLUX_", "PMI_"))
        }
        environment["PATH"] = f"{default_flux().parent}:{environment['PATH']}"
        with (self.folder / f"{name}.log").open("ab") as output:
            self.brokers[name] = subprocess.Popen(
                argv, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        if name == "h0":
            self.uri = f"local://{rundir}/local-0"

    def log(self, name: str) -> str:
        """What the brokers of a host have written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def flux(self, *arguments: str, check: bool = True) -> str:
        """What a command prints that is run against rank 0."""
        done = subprocess.run(
            [default_flux(), *arguments],
            env={**os.environ, "FLUX_URI": self.uri},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def up(self) -> str:
        """The ranks that jobs can run on."""
        form = ("-n", "-s", "avail", "-o", "{ranks}")
        return self.flux("resource", "status", *form, check=False).strip()

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait for a condition; shows the logs if it does not come."""
        try:
            until(condition, seconds)
        except AssertionError as exc:
            logs = "".join(f"--- {name}\n{self.log(name)}" for name in self.brokers)
            raise AssertionError(f"{exc}\n{logs}") from None
