"""An instance on the content-files module instead of content-sqlite."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux, running_instance

if TYPE_CHECKING:
    import pathlib

FLUX = default_flux()


def start(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(FLUX), "start", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_an_instance_runs_jobs_and_comes_back_on_plain_files(tmp_path: pathlib.Path) -> None:
    options = f"-o,-Scontent.backing-module=content-files,-Scontent.backing-path={tmp_path}/store"
    first = "flux getattr content.backing-module; flux mini run true; flux kvs put k=1"
    done = start("-s2", options, "sh", "-c", f"{first}; flux module list")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("content-files\n")
    assert "content-backing,kvs-checkpoint" in done.stdout
    again = start("-s2", options, "sh", "-c", "flux kvs get k; flux jobs -an | wc -l")
    assert again.stdout.split() == ["1", "1"], again.stderr


def test_the_module_can_be_reloaded_with_and_without_its_argument() -> None:
    with running_instance(1, "-o,-Sbroker.rc1_path=,-Sbroker.rc3_path=") as instance:
        run = instance.run
        assert run("module", "load", "content-files", "testing").stderr == ""
        ref = run("content", "store", "-b", stdin="kept").stdout.strip()
        for words in ([], ["testing"], []):
            assert run("module", "reload", "content-files", *words).stderr == ""
            assert run("content", "load", "-b", ref).stdout == "kept"
            expected = (1, "") if words else (0, "content-files\n")
            found = run("getattr", "content.backing-module")
            assert (found.returncode, found.stdout) == expected
        folder = run("getattr", "content.backing-path").stdout.strip()
        assert folder == f"{instance.rundir}/content.files"
        refused = run("module", "load", "content-sqlite")
        assert (refused.returncode, refused.stderr) == (
            1,
            "flux-module: broker.insmod: Invalid argument\n",
        )
        assert "cannot be changed on the fly" in run("dmesg").stdout


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("none", 0, ""),
        ("nosuch", 1, "content.backing-module: no such module: nosuch"),
    ],
)
def test_the_attribute_names_the_store(name: str, code: int, said: str) -> None:
    program = "flux kvs put k=2; flux kvs get k; flux module list | grep -c content"
    done = start(f"-o,-Scontent.backing-module={name}", "sh", "-c", f"{program}; true")
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout.split() == (["2", "0"] if code == 0 else [])


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("content-files", "the backing store is content-files, only content-sqlite can be"),
        ("none", "there is no backing store to collect, blobs are in memory only"),
    ],
)
def test_what_cannot_be_collected_is_said(module: str, said: str) -> None:
    store = f"-o,-Scontent.backing-module={module}"
    gc = f"{FLUX.parent}/flux content gc"
    # From every rank: the attribute is that of rank 0.
    done = start("-s2", store, "sh", "-c", f"{gc}; flux exec -r1 {gc}; flux kvs put a=1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(said) == 2, done.stderr
