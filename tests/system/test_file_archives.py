"""Files that jobs bring along or have staged in, and ``flux archive``."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, default_flux, running_instance

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(3) as instance:
        yield instance


def mini(instance: Instance, *arguments: str) -> subprocess.CompletedProcess[str]:
    return instance.run("mini", "run", *arguments, timeout=60)


def archive(instance: Instance, *arguments: str) -> str:
    done = instance.run("archive", *arguments, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory with a large file, a script and a link."""
    source = tmp_path / "tree"
    (source / "sub").mkdir(parents=True)
    (source / "large").write_bytes(os.urandom(5 << 20))
    script = source / "sub" / "run"
    script.write_text("#!/bin/sh\necho ran $FLUX_TASK_RANK\n")
    script.chmod(0o750)
    (source / "link").symlink_to("sub/run")
    return source


def test_files_are_there_on_every_node(instance: Instance, tree: pathlib.Path) -> None:
    script = str(tree / "sub" / "run")
    files = [
        f"--add-file={script}",
        f"--add-file=bin/start:0700={script}",
        "--add-file=n=one\ntwo\n",
    ]
    done = mini(instance, "-N3", "-n3", *files, "{{tmpdir}}/bin/start")
    assert sorted(done.stdout.splitlines()) == ["ran 0", "ran 1", "ran 2"], done.stderr
    command = 'cd $FLUX_JOB_TMPDIR; stat -c "%a %n" run bin/start n; cat n'
    done = mini(instance, *files, "sh", "-c", command)
    assert done.stdout == "750 run\n700 bin/start\n600 n\none\ntwo\n"


def test_a_batch_job_has_its_files(instance: Instance, tree: pathlib.Path) -> None:
    """Its script is not one of the job's tasks: it is told where they are."""
    script = tree / "batch.sh"
    script.write_text("#!/bin/sh\nsh $1/run\n")
    words = ["--output=none", f"--add-file={tree}/sub/run", str(script), "{{tmpdir}}"]
    jobid = instance.run("mini", "batch", "-n1", *words).stdout.strip()
    done = instance.run("job", "attach", jobid, timeout=60)
    assert (done.stdout, done.returncode) == ("ran\n", 0), done.stderr


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ('{"../x": {"mode": 33188, "data": 1}}', "../x: leads out of the directory"),
        ('{"x": {"mode": 33188, "size": 2, "encoding": "utf-8", "data": "a"}}', "x: has 1 bytes"),
        ('{"x": {"data": 1}}', "x: its mode is missing"),
        ("3", "an archive is a JSON array or object"),
    ],
)
def test_wrong_files_end_the_job(instance: Instance, files: str, text: str) -> None:
    done = mini(instance, f"--setattr=system.files={files}", "true")
    assert f"ERROR: files: {text}" in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("nosuch", "--add-file=nosuch: No such file or directory"),
        ("a=nosuch", "--add-file=a=nosuch: No such file or directory"),
        (".", "--add-file=.: Is a directory"),
        ("../x=a\n", "--add-file=../x=a\\n: ../x: leads out of the directory"),
    ],
)
def test_files_that_cannot_be_sent(instance: Instance, words: str, text: str) -> None:
    done = mini(instance, f"--add-file={words}", "true")
    assert f"flux-mini: ERROR: {text}" in done.stderr
    assert done.returncode == 1


def test_an_archive_is_staged_in_on_every_node(instance: Instance, tree: pathlib.Path) -> None:
    archive(instance, "create", "-n", "tree", "-C", str(tree), ".")
    check = f"cd $FLUX_JOB_TMPDIR; cmp large {tree}/large && ./link; find . | sort | tr '\\n' ' '"
    done = mini(instance, "-N3", "-n3", "-o", "stage-in.names=tree", "sh", "-c", check)
    listed = ". ./large ./link ./sub ./sub/run "
    assert done.stdout.count(listed) == 3, done.stderr
    assert done.stdout.count("ran ") == 3
    only = ["-o", "stage-in.names=tree", "-o", "stage-in.pattern=sub/*"]
    done = mini(instance, *only, "sh", "-c", "cd $FLUX_JOB_TMPDIR; find . -type f")
    assert done.stdout == "./sub/run\n"


def test_where_an_archive_is_staged_in(instance: Instance, tmp_path: pathlib.Path) -> None:
    """Three brokers of one machine write to the same directory at the same time."""
    archive(instance, "create", "-n", "place", "--overwrite", "-C", "/etc", "passwd")
    for prefix in ("", "local:", "global:"):
        target = tmp_path / f"to-{prefix}x"
        target.mkdir()
        options = ["-o", "stage-in.names=place", "-o", f"stage-in.destination={prefix}{target}"]
        done = mini(instance, "-N3", "-n3", *options, "cmp", "/etc/passwd", f"{target}/passwd")
        assert done.returncode == 0, done.stderr
        assert [path.name for path in target.iterdir()] == ["passwd"]
        assert stat.S_IMODE((target / "passwd").stat().st_mode) == 0o644


def test_the_first_archive_is_the_main_one(instance: Instance) -> None:
    (instance.home / "hostname").write_text("x")
    archive(instance, "create", "-C", str(instance.home), "hostname")
    listed = mini(instance, "-o", "stage-in", "sh", "-c", "ls $FLUX_JOB_TMPDIR")
    assert listed.stdout == "hostname\n"
    assert mini(instance, "-o", "stage-in=false", "sh", "-c", "ls $FLUX_JOB_TMPDIR").stdout == ""
    done = mini(instance, "-o", "stage-in.tags=main", "-o", "verbose=2", "true")
    assert "Setting stage-in.names to the value of deprecated option stage-in.tags." in done.stderr
    assert "TRACE: stage-in: f 0644" in done.stderr
    archive(instance, "remove")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["names=nosuch"],
            "could not lookup archive.nosuch in primary KVS namespace: No such file",
        ),
        (["names=5"], "stage-in.names=5 is invalid"),
        (["names=a,,b"], "stage-in.names=a,,b is invalid"),
        (["pattern=5"], "stage-in.pattern=5 is invalid"),
        (["destination=far:/tmp"], "destination prefix must be local: or global:"),
        (["names=one", "destination=/nosuch"], "chdir /nosuch: No such file or directory"),
        (["bogus=1"], "stage-in.bogus=1 is invalid: there is no such option"),
    ],
)
def test_wrong_options_end_the_job(instance: Instance, options: list[str], text: str) -> None:
    (instance.home / "hostname").write_text("x")
    archive(instance, "create", "-n", "one", "--overwrite", "-C", str(instance.home), "hostname")
    words = [word for option in options for word in ("-o", f"stage-in.{option}")]
    done = mini(instance, *words, "true")
    assert f"ERROR: stage-in: {text}" in done.stderr
    assert done.returncode == 1
    done = mini(instance, "-o", "stage-in=maybe", "true")
    assert "stage-in=maybe is invalid" in done.stderr


def test_a_blob_that_is_lost_ends_the_job(instance: Instance) -> None:
    ref = "sha1-" + "0" * 40
    value = f'[{{"path":"x","mode":33188,"size":1,"encoding":"blobvec","data":[[0,1,"{ref}"]]}}]'
    instance.run("kvs", "put", f"archive.lost={value}")
    done = mini(instance, "-o", "stage-in.names=lost", "true")
    lost = f"x: error loading offset=0 size=1 from {ref}: No such file or directory"
    assert f"ERROR: stage-in: {lost}" in done.stderr
    assert done.returncode == 1


def test_the_life_of_an_archive(instance: Instance, tmp_path: pathlib.Path) -> None:
    (tmp_path / "one").write_text("1\n")
    (tmp_path / "two").write_bytes(os.urandom(100000))
    create = ["create", "-n", "life", "-C", str(tmp_path)]
    archive(instance, *create, "one")
    again = instance.run("archive", *create, "one")
    assert (again.returncode, again.stderr) == (1, "flux-archive: archive.life: key exists\n")
    archive(instance, *create, "--append", "two")
    assert archive(instance, "list", "-n", "life", "-l").splitlines() == [
        "f 0644        2 one",
        "f 0644   100000 two",
    ]
    assert archive(instance, "list", "-n", "life", "t*") == "two\n"
    assert '"encoding":"blobvec"' in archive(instance, "list", "-n", "life", "--raw", "two")
    assert len(instance.run("kvs", "ls", "-1", "archive.life_blobs").stdout.split()) == 1
    instance.run("content", "gc", timeout=60)
    instance.run("content", "dropcache")
    target = tmp_path / "target"
    target.mkdir()
    archive(instance, "extract", "-n", "life", "-C", str(target))
    assert (target / "two").read_bytes() == (tmp_path / "two").read_bytes()
    refused = instance.run("archive", "extract", "-n", "life", "-C", str(target))
    assert refused.stderr == "flux-archive: one: write: Attempt to overwrite existing file\n"
    archive(instance, "extract", "-n", "life", "-C", str(target), "--overwrite", "one")
    assert archive(instance, "extract", "-n", "life", "-t") == "one\ntwo\n"
    none = instance.run("archive", "extract", "-n", "life", "-t", "x*")
    assert (none.returncode, none.stderr) == (0, "flux-archive: No files matched pattern 'x*'\n")
    archive(instance, *create, "--overwrite", "one")
    assert instance.run("kvs", "ls", "-1", "archive.life_blobs").stdout == ""
    archive(instance, "remove", "-n", "life")
    gone = instance.run("archive", "remove", "-n", "life")
    assert (gone.returncode, gone.stderr) == (1, "flux-archive: archive.life does not exist\n")
    archive(instance, "remove", "-f", "-n", "life")
    lost = instance.run("archive", "list", "-n", "life")
    assert lost.stderr == "flux-archive: KVS lookup archive.life: No such file or directory\n"


def test_an_archive_that_is_still_to_come(instance: Instance, tmp_path: pathlib.Path) -> None:
    (instance.home / "hostname").write_text("x")
    late = ["archive", "extract", "-n", "late", "-C", str(tmp_path)]
    done = instance.run(*late, "--waitcreate=10ms")
    assert done.returncode == 1
    assert "KVS lookup archive.late: " in done.stderr
    with subprocess.Popen(
        [default_flux(), *late, "--waitcreate"], env=instance.environment
    ) as waiting:
        archive(instance, "create", "-n", "late", "-C", str(instance.home), "hostname")
        assert waiting.wait(60) == 0
    assert (tmp_path / "hostname").exists()


def test_files_that_stay_where_they_are(
    instance: Instance, tree: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Nothing of a large file is stored, and all nodes have it."""
    create = ["create", "--mmap", "-n", "mapped", "-C", str(tree)]
    archive(instance, *create, ".")
    assert instance.run("kvs", "get", "archive.mapped_blobs").returncode == 1
    check = f"cd $FLUX_JOB_TMPDIR; cmp large {tree}/large && ./link"
    done = mini(instance, "-N3", "-n3", "-o", "stage-in.names=mapped", "sh", "-c", check)
    assert sorted(done.stdout.splitlines()) == ["ran 0", "ran 1", "ran 2"], done.stderr
    again = instance.run("archive", *create, "large")
    assert (again.returncode, again.stderr) == (1, "flux-archive: archive.mapped: key exists\n")
    (tree / "other").write_bytes(os.urandom(10000))
    archive(instance, *create, "--append", "other")
    assert archive(instance, "list", "-n", "mapped", "-l").splitlines()[-1] == (
        "f 0644    10000 other"
    )
    assert _mapped(instance) == {"mapped": [f"{tree}/large", f"{tree}/other"]}
    archive(instance, *create, "--overwrite", "other")
    assert _mapped(instance) == {"mapped": [f"{tree}/other"]}
    (tree / "other").write_bytes(os.urandom(10000))
    target = ["-n", "mapped", "-C", str(tmp_path)]
    lost = instance.run("archive", "extract", *target)
    assert lost.returncode == 1
    assert lost.stderr.startswith("flux-archive: other: error loading offset=0 size=10000 from ")
    assert lost.stderr.endswith(": mapped file content has changed\n")
    assert not (tmp_path / "other").exists()
    ref = lost.stderr.split()[-6].removesuffix(":")
    read = instance.run("content", "load", ref)
    assert read.stderr == ("flux-content: flux_content_load_get: mapped file content has changed\n")
    (tree / "other").unlink()
    lost = instance.run("archive", "extract", *target)
    assert lost.stderr.endswith(f": {tree}/other: No such file or directory\n")
    archive(instance, "create", "--overwrite", "-n", "mapped", "-C", str(tree), "large")
    assert _mapped(instance) == {}
    archive(instance, *create, "--overwrite", "large")
    archive(instance, "remove", "-n", "mapped")
    assert _mapped(instance) == {}


def _mapped(instance: Instance) -> object:
    stats = instance.run("module", "stats", "content").stdout
    return json.loads(stats)["mmap"]["tags"]


def test_files_that_cannot_stay(instance: Instance, tree: pathlib.Path) -> None:
    create = ["archive", "create", "--mmap", "-n", "stay", "-C", str(tree), "large"]
    for words, text in (
        ([*create, "--preserve"], "--mmap cannot work with --preserve"),
        ([*create, "--no-force-primary"], "--mmap cannot work with --no-force-primary"),
        (["exec", "-r1", "flux", *create], "--mmap only works on the rank 0 broker"),
        ([*create, "nosuch"], "nosuch: No such file or directory"),
    ):
        done = instance.run(*words)
        assert done.returncode == 1
        assert f"flux-archive: {text}\n" in done.stderr
    assert _mapped(instance) == {}
