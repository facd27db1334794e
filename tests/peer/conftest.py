"""Our commands and the dashboard on a real flux-core, whose prefix FLUX_CORE names
(`make peer FLUX_CORE=/prefix`); skipped where there is none.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, default_flux, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "FLUX_CORE"
DEADLINE = 60.0
JOBS = {
    "ok": ["true"],
    "failed": ["sh", "-c", "echo out; echo err >&2; exit 3"],
    "held": ["--urgency=hold", "true"],
    "long": ["--time-limit=10m", "sleep", "600"],
}


@dataclass
class Peer:
    """An instance of a flux-core, jobs of it by name, and both commands on it."""

    instance: Instance
    jobs: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """Where it is reached."""
        return self.instance.uri

    def theirs(self, *words: str, stdin: str = "", **more: str) -> tuple[int, str, str]:
        """Run its own `flux`, with ``more`` in its environment; returns exit code, stdout and
        stderr.
        """
        return self._run(self.instance.flux, self.instance.environment | more, words, stdin)

    def ours(self, *words: str, stdin: str = "", **more: str) -> tuple[int, str, str]:
        """Run our `flux` on it, with ``more`` in its environment; returns exit code, stdout and
        stderr.
        """
        keep = ("HOME", "LANG", "TERM", "SHELL", "USER", "LOGNAME", "TMPDIR", "PWD")
        environment = {name: self.instance.environment[name] for name in keep} | {
            "FLUX_URI": self.uri,
            "FLUX_URI_RESOLVE_LOCAL": "t",
            "PATH": f"{default_flux().parent}:/usr/local/bin:/usr/bin:/bin",
        }
        return self._run(default_flux(), environment | more, words, stdin)

    def _run(
        self, flux: pathlib.Path, environment: dict[str, str], words: tuple[str, ...], stdin: str
    ) -> tuple[int, str, str]:
        named = [re.sub(r"@(\w+)", lambda found: self.jobs[found[1]], word) for word in words]
        done = subprocess.run(
            [flux, *named],
            env=environment,
            cwd=self.instance.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    prefix = os.environ.get(PREFIX)
    if not prefix:
        pytest.skip(f"no flux-core to run on: {PREFIX} names none")
    flux = pathlib.Path(prefix) / "bin" / "flux"
    with running_instance(2, flux=flux, environment={"FLUX_URI_RESOLVE_LOCAL": "t"}) as running:
        peer = Peer(running)
        peer.theirs("queue", "start", "--all")
        for name, words in JOBS.items():
            code, out, err = peer.theirs("submit", f"--job-name={name}", *words)
            assert code == 0, err
            peer.jobs[name] = out.strip()
        for name, event in (("ok", "clean"), ("failed", "clean"), ("long", "start")):
            assert peer.theirs("job", "wait-event", "-t30", peer.jobs[name], event)[0] == 0
        time.sleep(0.5)  # job-list hears of it a little later
        yield peer
        peer.theirs("cancel", "--all")
