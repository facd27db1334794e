"""Commands of today that few type: what they do, say and exit with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .saying import flux, said
from .test_startlog import start

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def test_the_store_has_what_was_committed(instance: Instance) -> None:
    flux(instance, "kvs", "put", "synced=1")
    assert said(instance, "kvs", "sync") == ""
    root = said(instance, "kvs", "getroot", "-b")
    assert said(instance, "content", "checkpoint", "list").split()[-1] == root
    script = "FLUX_KVS_NAMESPACE=nosuch exec flux kvs sync"
    done = flux(instance, "env", "sh", "-c", script, code=1)
    assert done.stderr == "flux-kvs: flux_kvs_commit: Operation not supported\n"


def test_a_job_starts_and_ends_by_hand(instance: Instance) -> None:
    jobid = said(instance, "submit", "--setattr=exec.test.override=1", "-n1", "true")
    flux(instance, "job", "wait-event", jobid, "alloc")
    override = ("job-exec-override",)

    def refused(*words: str) -> str:
        return flux(instance, *override, *words, code=1).stderr

    assert refused("finish", jobid, "0") == "flux-job-exec-override: ERROR: Job not running\n"
    said(instance, *override, "start", jobid)
    assert refused("start", jobid) == "flux-job-exec-override: ERROR: Job already running\n"
    said(instance, *override, "finish", jobid, str(3 << 8))
    flux(instance, "job", "status", jobid, code=3)
    assert refused("finish", jobid, "0") == "flux-job-exec-override: ERROR: Job not found\n"
    wrong = flux(instance, *override, "start", "xx", code=2).stderr
    assert wrong.endswith("error: argument JOBID: invalid JobID value: 'xx'\n")


def test_when_modules_were_loaded_is_stored(instance: Instance) -> None:
    flux(instance, "module", "remove", "--cancel", "cron")
    flux(instance, "modprobe", "rc1", "--timing")
    (loaded,) = json.loads(said(instance, "kvs", "get", "modprobe.stats"))
    assert (loaded["name"], loaded["starttime"]) == ("cron", 0.0)
    assert 0 < loaded["duration"] < 60


def test_scripts_of_the_system(instance: Instance, tmp_path: pathlib.Path) -> None:
    nothing = "".join(f"▸ {name}: not configured\n\n" for name in ("prolog", "epilog"))
    shown = flux(instance, "admin", "system-scripts", "-v").stdout
    assert shown == f"{nothing}▸ housekeeping: not configured\n\n"
    table = '[job-manager.housekeeping]\ncommand = ["/bin/sleep", "1"]\nrelease-after = "30s"\n'
    (tmp_path / "h.toml").write_text(table)
    done = start(f"-c{tmp_path}/h.toml", "flux admin system-scripts --color=never")
    tidy = "▸ housekeeping: enabled (release after 30s)\n  command: /bin/sleep 1\n\n"
    assert done.stdout == nothing + tidy
    found = json.loads(said(instance, "admin", "system-scripts", "--json"))
    assert found == {"prolog": None, "epilog": None, "housekeeping": None}
