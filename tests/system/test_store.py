"""The content store of real instances: what jobs leave in it, collection while they run, dump and
restore.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from pathlib import Path

JOBS = 160
JOB_BYTES = 12 << 10


def ok(instance: Instance, *arguments: str, stdin: str = "") -> str:
    run = instance.run(*arguments, stdin=stdin)
    assert run.returncode == 0, run.stderr
    return run.stdout


def stats(instance: Instance) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ok(instance, "module", "stats", "content-sqlite"))
    return found


def run_jobs(instance: Instance, count: int) -> None:
    ok(
        instance,
        "mini",
        "bulksubmit",
        "--wait",
        "--quiet",
        "true",
        "{}",
        stdin="\n".join(map(str, range(count))),
    )


def persistent(path: Path) -> str:
    return f"-o,-Scontent.backing-path={path},-Scontent.grace-period=1"


def test_jobs_cost_little_and_collections_take_nothing_from_them(tmp_path: Path) -> None:
    path = tmp_path / "content.sqlite"
    with running_instance(2, persistent(path), "-o,-Scontent.collect-minimum=100000") as instance:
        before = stats(instance)["live_bytes"]
        run_jobs(instance, JOBS)
        for part in tmp_path.iterdir():
            with contextlib.suppress(FileNotFoundError):  # SQLite's journals come and go
                assert stat.S_IMODE(part.stat().st_mode) == 0o600
        assert stats(instance)["live_bytes"] - before < JOBS * JOB_BYTES
        assert "dropped" in ok(instance, "content", "gc")
        found = stats(instance)
        assert found["collections"] >= 1
        assert found["file_bytes"] < JOBS * JOB_BYTES + (4 << 20)
        ok(instance, "exec", "flux", "kvs", "dropcache")
        ok(instance, "exec", "flux", "content", "dropcache")
        ids = ok(instance, "jobs", "-a", "-n", "-c", "0", "-o", "{id}").split()
        assert len(ids) == JOBS
        for job in ids[::40]:
            assert '"name":"clean"' in ok(instance, "job", "eventlog", "-f", "json", job).replace(
                " ", ""
            )
            assert "true" in ok(instance, "job", "info", job, "jobspec")
        os.killpg(instance.process.pid, signal.SIGKILL)
        instance.process.wait()
    with running_instance(1, persistent(path)) as instance:
        assert len(ok(instance, "jobs", "-a", "-n", "-c", "0", "-o", "{id}").split()) == JOBS


def test_dump_and_restore(tmp_path: Path) -> None:
    archive, path = tmp_path / "kvs.tgz", tmp_path / "new.sqlite"
    value = "x" * 300_000
    with running_instance(2) as instance:
        ok(instance, "kvs", "put", "a.b=1", f"a.c={value[:90_000]}")
        ok(instance, "kvs", "put", "--append", "a.log=one")
        ok(instance, "kvs", "put", "--append", "a.log=two")
        ok(instance, "kvs", "link", "a.b", "a.l")
        ok(instance, "kvs", "mkdir", "a.empty")
        tree = ok(instance, "kvs", "get", "--treeobj", "a")
        assert ok(instance, "exec", "-r1", "flux", "dump", "-q", str(archive)) == ""
        ok(instance, "restore", "-q", "--key", "copy", str(archive))
        assert ok(instance, "kvs", "get", "--treeobj", "copy.a") == tree
        assert ok(instance, "exec", "-r1", "flux", "kvs", "get", "copy.a.l") == "1\n"
        refused = instance.run("restore", "--checkpoint", str(archive))
        assert refused.returncode == 1
        assert "the kvs module is loaded" in refused.stderr
        refused = instance.run("restore", str(archive))
        assert refused.returncode == 1
        assert "--key" in refused.stderr
        (tmp_path / "cut.tgz").write_bytes(archive.read_bytes()[:-200])
        refused = instance.run("restore", "--key", "cut", str(tmp_path / "cut.tgz"))
        assert refused.returncode == 1
        assert "not a whole archive" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert instance.run("kvs", "get", "cut").returncode == 1
        ok(instance, "restore", "-q", "--store", str(path), str(archive))
    with running_instance(1, persistent(path)) as instance:
        assert ok(instance, "kvs", "get", "--treeobj", "a") == tree
        assert ok(instance, "kvs", "get", "a.b") == "1\n"


@pytest.mark.parametrize("kind", ["symlink", "text"])
def test_a_bad_store_stops_the_start_with_a_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "store"
    if kind == "symlink":
        path.symlink_to("elsewhere")
    else:
        path.write_text("this is no database, and long enough to be read as one\n" * 100)
    with pytest.raises(RuntimeError) as caught, running_instance(1, persistent(path)):
        pass
    assert {"symlink": "is a symbolic link", "text": "is not a content store"}[kind] in str(
        caught.value
    )
    assert not (tmp_path / "elsewhere").exists()
