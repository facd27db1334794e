"""Values of jobs, looked up by key, against a scripted broker."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from flux.job.kvslookup import (
    JobInfoLookupRPC,
    JobKVSLookup,
    JobKVSLookupFuture,
    decode_special_data,
    job_info_lookup,
    job_kvs_lookup,
)
from flux.rpc import RPC
from flux.security import sign
from flux.testing.scripted import ScriptedFlux

VALUES = {
    "jobspec": '{"version":1}',
    "R": '{"version":2}',
    "eventlog": "{}\n",
    "J": sign(b'{"version":3}', 0).decode(),
}


def scripted(knows_flags: bool = True) -> ScriptedFlux:
    def lookup(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["id"] == 2:
            raise OSError(errno.ENOENT, "")
        if payload["id"] == 3:
            raise OSError(errno.EPERM, "not yours")
        if payload["flags"] and not knows_flags:
            raise OSError(errno.EPROTO, "")
        return {key: VALUES[key] for key in payload["keys"]}

    return ScriptedFlux({"job-info.lookup": lookup})


def asked(flux: ScriptedFlux) -> list[tuple[list[str], int]]:
    return [(payload["keys"], payload["flags"]) for _, payload in flux.sent]


def test_what_is_by_now_is_the_default() -> None:
    flux = scripted()
    assert job_kvs_lookup(flux, 1) == {"id": 1, "jobspec": {"version": 1}}
    assert asked(flux) == [(["jobspec"], 2)]


def test_objects_are_decoded_on_demand() -> None:
    found = job_kvs_lookup(scripted(), 1, ["R", "eventlog"])
    assert found == {"id": 1, "R": {"version": 2}, "eventlog": "{}\n"}
    assert job_kvs_lookup(scripted(), 1, ["R"], decode=False) == {"id": 1, "R": '{"version":2}'}


def test_what_was_stored_and_what_was_submitted() -> None:
    flux = scripted()
    assert job_kvs_lookup(flux, 1, base=True) == {"id": 1, "jobspec": {"version": 1}}
    assert job_kvs_lookup(flux, 1, ["jobspec", "R"], original=True) == {
        "id": 1,
        "jobspec": {"version": 3},
        "R": {"version": 2},
    }
    assert asked(flux) == [(["jobspec"], 0), (["R", "J"], 0)]


@pytest.mark.parametrize("decode", [True, False])
def test_what_was_submitted_and_brokers_of_before_are_asked_for_texts_too(decode: bool) -> None:
    for version, flux, how in ((3, scripted(), True), (1, scripted(knows_flags=False), False)):
        found = job_kvs_lookup(flux, 1, decode=decode, original=how)
        assert found is not None
        value = found["jobspec"]
        assert (json.loads(value) if not decode else value) == {"version": version}


def test_jobs_that_are_not_there() -> None:
    lookup = JobKVSLookup(scripted(), [1, 2, "1"])
    assert [found["id"] for found in lookup.data()] == [1, 1]
    assert lookup.errors == ["JobID 2 unknown"]
    assert job_kvs_lookup(scripted(), 2) is None
    with pytest.raises(PermissionError):
        job_kvs_lookup(scripted(), 3)


def test_a_broker_that_knows_no_updates() -> None:
    flux = scripted(knows_flags=False)
    assert job_kvs_lookup(flux, 1) == {"id": 1, "jobspec": {"version": 1}}
    assert asked(flux) == [(["jobspec"], 2), (["jobspec"], 0)]
    with pytest.raises(OSError, match=rf"\[Errno {errno.EPROTO}\]"):
        job_info_lookup(flux, 1, flags=1).get()


def test_one_look_up_has_texts_or_objects() -> None:
    rpc = job_info_lookup(scripted(), "f2", ["jobspec", "eventlog"])
    assert isinstance(rpc, JobInfoLookupRPC)
    assert rpc.jobid == 1
    assert rpc.get() == {"id": 1, "jobspec": '{"version":1}', "eventlog": "{}\n"}
    assert rpc.get_decode() == {"id": 1, "jobspec": {"version": 1}, "eventlog": "{}\n"}
    assert rpc.get()["jobspec"] == '{"version":1}', "decoding changes nothing"


def test_the_look_ups_of_several_jobs_are_one_future() -> None:
    lookup = JobKVSLookup(scripted(), [1, 2], ["R"])
    future = lookup.fetch_data()
    assert future.errors == []
    assert future.is_ready()
    assert future.get() == [{"id": 1, "R": '{"version":2}'}]
    assert future.get_decode() == [{"id": 1, "R": {"version": 2}}]
    assert future.errors == ["JobID 2 unknown"], "each job once, however often it is asked for"
    assert lookup.data() == future.get_decode()
    assert JobKVSLookup(scripted(), []).data() == []


def test_look_ups_are_pushed_by_programs_too() -> None:
    flux, future = scripted(), JobKVSLookupFuture()
    for jobid in (3, 1):
        future.push(job_info_lookup(flux, jobid))
    with pytest.raises(PermissionError):
        future.get()
    wrong = JobKVSLookupFuture()
    wrong.push(RPC(flux, "job-info.lookup", {"id": 1, "keys": ["R"], "flags": 0}))
    with pytest.raises(OSError, match="only look-ups"):
        wrong.get()


def test_jobspec_and_R_are_decoded_in_place() -> None:  # noqa: N802
    data: dict[str, Any] = {"jobspec": "{}", "R": {"version": 1}, "J": "{}"}
    decode_special_data(data)
    assert data == {"jobspec": {}, "R": {"version": 1}, "J": "{}"}
