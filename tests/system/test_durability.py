"""What docs/durability.md promises, with real brokers: what is told survives a kill, and a full
disk is admitted.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

import flux
from flux import kvs, kvs_rpc
from flux.kvs_txn import SYNC, Txn
from flux.testing.instance import Instance, default_flux, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def kept(folder: Path) -> str:
    """The option of `flux start` for a store that outlives the instance."""
    return f"-o,-Scontent.backing-path={folder}/content.sqlite"


def kill(instance: Instance) -> None:
    """End the one broker of an instance without warning."""
    os.kill(int(instance.run("getattr", "broker.pid").stdout), signal.SIGKILL)
    assert instance.process.wait(30) != 0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1536k", "none", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no room in a file system; returns the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
    return ballast


def test_sync_of_every_writing_command(tmp_path: Path) -> None:
    with running_instance(1, kept(tmp_path)) as running:
        for command in (
            ("put", "--sync", "a=1", "b=2", "c=3", "gone=4"),
            ("mkdir", "-S", "dir"),
            ("link", "-S", "a", "link"),
            ("unlink", "-S", "gone"),
            ("copy", "--sync", "b", "dir.b"),
            ("move", "--sync", "c", "dir.c"),
            ("put", "-S", "-n", "last=1"),
        ):
            done = running.run("kvs", *command)
            assert (done.returncode, done.stderr) == (0, ""), command
        for command in (("put", "-S", "a=1"), ("mkdir", "-S", "a")):
            done = running.run("kvs", command[0], "-N", "other", *command[1:])
            assert done.returncode == 1
            assert "only the primary namespace can be made durable" in done.stderr
        kill(running)
    with running_instance(1, kept(tmp_path)) as running, flux.Flux(running.uri) as handle:
        assert [kvs.get(handle, key) for key in ("a", "b", "link", "dir.b", "dir.c", "last")] == [
            1,
            2,
            1,
            2,
            3,
            1,
        ]
        assert not kvs.exists(handle, "gone")
        assert not kvs.exists(handle, "c")


def test_a_drained_rank_is_drained_after_a_kill(tmp_path: Path) -> None:
    with running_instance(1, kept(tmp_path)) as running:
        assert running.run("resource", "drain", "0", "bad", "fan").returncode == 0
        kill(running)
    with running_instance(1, kept(tmp_path)) as running:
        assert "bad fan" in running.run("resource", "drain").stdout


def test_a_deep_key_is_refused_and_the_namespace_goes_on() -> None:
    with running_instance(2) as running:
        for rank in (0, 1):
            uri = {"FLUX_URI": f"local://{running.rundir}/local-{rank}"}
            running.environment |= uri
            for depth in (257, 1100, 3000):
                done = running.run("kvs", "put", "a." * depth + "b=1", timeout=60)
                assert done.returncode == 1
                assert (
                    "a key has at most 256 components" in done.stderr or "4096 bytes" in done.stderr
                )
            with flux.Flux(uri["FLUX_URI"]) as handle:
                deep = {"key": ".".join("a" * 1100), "flags": 0, "dirent": None}
                body = {"namespace": "primary", "flags": 0, "ops": [deep]}
                with pytest.raises(OSError) as caught:
                    handle.rpc("kvs.commit", body).get()
                assert caught.value.errno == errno.ENAMETOOLONG
            assert running.run("kvs", "put", f"after{rank}=1").returncode == 0
            assert running.run("kvs", "get", f"after{rank}").stdout == "1\n"


def test_a_full_disk_is_told_and_invisible(tiny: Path) -> None:
    with running_instance(1, kept(tiny)) as running, flux.Flux(running.uri) as handle:
        assert running.run("kvs", "put", "--sync", "before=1").returncode == 0
        ballast = fill(tiny)
        number = 0

        def commit_until_refused() -> None:
            nonlocal number
            for number in range(1000):
                kvs_rpc.commit(handle, Txn().put_raw(f"d{number}", os.urandom(20_000)), SYNC).get()

        with pytest.raises(OSError) as caught:
            commit_until_refused()
        assert caught.value.errno == errno.ENOSPC
        assert not kvs.exists(handle, f"d{number}")
        done = running.run("kvs", "put", "--sync", "x=" + "y" * 5000)
        assert done.returncode == 1
        assert "No space left on device" in done.stderr
        kvs_rpc.commit(handle, Txn().put("plain", 1)).get()
        assert (kvs.exists(handle, "x"), kvs.get(handle, "plain")) == (False, 1)
        ballast.unlink()
        assert running.run("kvs", "put", "--sync", "after=1").returncode == 0
        kill(running)
    with running_instance(1, kept(tiny)) as running, flux.Flux(running.uri) as handle:
        assert [kvs.get(handle, key) for key in ("before", "plain", "after")] == [1, 1, 1]
        assert not kvs.exists(handle, "x")
        assert running.stop() == 0


def start(tiny: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as the program of an instance."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("FLUX_")
    }
    path = f"{default_flux().parent}:{environment.get('PATH', os.defpath)}"
    return subprocess.run(
        ["flux", "start", kept(tiny), "sh", "-c", script],
        env=environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


LOSE = """
    flux kvs put --sync kept=1 || exit 8
    dd if=/dev/zero of={folder}/ballast bs=4k 2>/dev/null
    for n in 1 2 3 4 5 6 7 8 9; do
        dd if=/dev/urandom bs=100k count=1 2>/dev/null | flux kvs put --raw lost$n=- || exit 9
    done
    exit {code}
"""


@pytest.mark.parametrize(("code", "expected"), [(0, 1), (3, 3)])
def test_an_end_that_loses_commits_is_no_success(tiny: Path, code: int, expected: int) -> None:
    done = start(tiny, LOSE.format(folder=tiny, code=code))
    assert done.returncode == expected, done.stderr
    lines = [line for line in done.stderr.splitlines() if "final checkpoint failed" in line]
    assert len(lines) == 1
    assert "is lost" in lines[0]
    assert "full" in lines[0]
    assert "Traceback" not in done.stderr
    (tiny / "ballast").unlink()
    again = start(tiny, "flux kvs get kept && ! flux kvs get lost9")
    assert (again.returncode, again.stdout) == (0, "1\n"), again.stderr
