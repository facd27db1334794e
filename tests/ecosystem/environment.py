"""Make the virtual environment of the ecosystem suite: the programs of requirements.txt with all
that they need, and this project beside them, as its users install it.

python -m tests.ecosystem.environment FOLDER     (without this project if FLUX_CORE is set)

What stands in locked.txt is installed as it stands, without a resolver. Where that cannot be, on
another Python, each program is installed by itself; those that cannot be are noted in the folder
with pip's reason, and their tests are skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from tests.ecosystem.programs import peer_prefix
from tests.wheel import build_wheel

HERE = pathlib.Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
LOCKED = HERE / "locked.txt"
UNINSTALLABLE = "uninstallable.json"
INSTALLING = 1800.0
"""Seconds that one call of pip may take."""


def pins(path: pathlib.Path = REQUIREMENTS) -> dict[str, str]:
    """Read the versions of the programs, by the names they have in the registry."""
    lines = (line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines())
    return dict(line.split("==") for line in lines if line)


def uninstallable(folder: pathlib.Path) -> dict[str, str]:
    """Read why programs could not be installed into an environment, by name."""
    path = folder / UNINSTALLABLE
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _fingerprint() -> str:
    texts = [REQUIREMENTS.read_bytes(), LOCKED.read_bytes(), sys.version.encode()]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _pip(folder: pathlib.Path, *words: str, action: str = "install") -> str:
    """Run pip on an environment; returns what went wrong, empty if nothing did."""
    argv = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), action]
    done = subprocess.run(
        [*argv, "-q", *words],
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=INSTALLING,
        check=False,
    )
    if done.returncode == 0:
        return ""
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (errors or done.stderr.splitlines() or [f"pip ended with {done.returncode}"])[-1]


def _install_programs(folder: pathlib.Path) -> dict[str, str]:
    trouble = _pip(folder, "--no-deps", "-r", str(LOCKED))
    if not trouble:
        return {}
    print(f"ecosystem: {trouble}; each program by itself", file=sys.stderr)
    found = {name: _pip(folder, f"{name}=={version}") for name, version in pins().items()}
    return {name: reason for name, reason in found.items() if reason}


def _install_ourselves(folder: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory(prefix="wheel-") as copy:
        wheel = str(build_wheel(pathlib.Path(copy)))
        # Twice: what it needs, which may be there, and itself, whose version is that of yesterday.
        for words in ((), ("--force-reinstall", "--no-deps")):
            if trouble := _pip(folder, *words, wheel):
                raise RuntimeError(trouble)


def make(folder: pathlib.Path, ours: bool) -> None:
    """Make or complete the environment, with the project itself as it is now if ``ours``, else
    without it: a package ``flux`` has its place there. Raises RuntimeError, with pip's words, if
    that cannot be.
    """
    stamp = folder / "made-of"
    if not stamp.exists() or stamp.read_text("utf-8") != _fingerprint():
        argv = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)]
        subprocess.run(argv, check=True, timeout=INSTALLING)
        (folder / UNINSTALLABLE).write_text(json.dumps(_install_programs(folder)), "utf-8")
        stamp.write_text(_fingerprint(), "utf-8")
    if ours:
        _install_ourselves(folder)
    elif trouble := _pip(folder, "-y", "fluxctl", action="uninstall"):
        raise RuntimeError(trouble)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]).absolute(), ours=peer_prefix() is None)
