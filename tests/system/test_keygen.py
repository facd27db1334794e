"""``flux keygen`` from the command line (flux-keygen(1))."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import zmq.auth

from flux.testing.instance import default_flux

if TYPE_CHECKING:
    import pathlib


def keygen(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [default_flux(), "keygen", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_certificate_and_a_fresh_one_in_its_place(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cert"
    keys = set()
    for name in ("first", "second"):
        done = keygen(str(path), f"--name={name}")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert path.stat().st_mode & 0o777 == 0o600
        assert f'    name = "{name}"' in path.read_text()
        public, secret = zmq.auth.load_certificate(path)
        assert secret is not None
        keys.add(public)
    assert len(keys) == 2
    text = path.read_text()
    for fact in ("metadata\n", "    time = ", f'    userid = "{os.getuid()}"', "    hostname = "):
        assert fact in text


def test_without_a_path() -> None:
    done = keygen()
    assert done.returncode == 0
    assert done.stderr == "flux-keygen: WARNING: add PATH argument to save generated certificate\n"


def test_mistakes(tmp_path: pathlib.Path) -> None:
    done = keygen("--nosuch")
    assert done.returncode == 1
    assert "unrecognized option '--nosuch'" in done.stderr
    done = keygen(str(tmp_path / "no" / "cert"))
    assert done.returncode == 1
    assert done.stderr == f"flux-keygen: {tmp_path}/no/cert: No such file or directory\n"


def test_metadata_of_ones_own(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cert"
    done = keygen("--meta=site=north,note=a=b,,flag,site=south", "--meta=name=mine", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = path.read_text().splitlines()
    for fact in ('site = "north"', 'note = "a=b"', 'flag = ""', 'name = "mine"'):
        assert lines.count(f"    {fact}") == 1
    assert sum(line.startswith("    name = ") for line in lines) == 1
    zmq.auth.load_certificate(path)


def test_a_key_that_is_none(tmp_path: pathlib.Path) -> None:
    for item in ("=b", "a b=c"):
        done = keygen(f"--meta={item}", str(tmp_path / "cert"))
        assert done.returncode == 1
        expected = f"flux-keygen: error setting certificate metadata {item}: Invalid argument\n"
        assert done.stderr == expected
    assert not list(tmp_path.iterdir())
