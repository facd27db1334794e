"""Fields of ``flux jobs`` that an instance tells, or that are about its URI."""

from __future__ import annotations

from typing import Any

import pytest

from flux import constants
from flux.job.info import JobInfo, JobInfoFormat
from flux.job.instance_info import JobInstanceInfo
from flux.output_values import convert_value
from flux.uri.forms import host_name
from fluxctl.job_fields import attributes_of

PATH = "/tmp/flux-1/local-0"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The URIs of the instances that were asked."""
    uris: list[str | None] = []

    class Told(JobInstanceInfo):
        def __init__(self, uri: str | None = None) -> None:
            super().__init__()
            uris.append(uri)

    monkeypatch.setattr("flux.job.instance_info.InstanceInfo", Told)
    monkeypatch.setattr("flux.job.info.InstanceInfo", Told, raising=False)
    return uris


def job(uri: str | None = None) -> JobInfo:
    facts: dict[str, Any] = {"id": 1, "state": constants.FLUX_JOB_STATE_RUN}
    return JobInfo(facts | ({"annotations": {"user": {"uri": uri}}} if uri else {}))


def shown(text: str, one: JobInfo) -> str:
    return str(JobInfoFormat(text).format(one))


def test_the_uri_of_an_instance_and_that_of_other_jobs() -> None:
    assert shown("{uri} {uri.local}", job(f"ssh://far{PATH}")) == f"ssh://far{PATH} local://{PATH}"
    assert shown("[{uri}|{uri.local}|{uri:>3}|{uri.local:>3h}]", job()) == "[||   |  -]"
    assert JobInfoFormat("?:{uri} {id.dec}").filter([job()]) == " {id.dec}"


def test_an_instance_is_asked_once_and_by_its_socket(asked: list[str | None]) -> None:
    one = job(f"ssh://{host_name()}{PATH}")
    fields = ("stats.total", "utilization", "gpu_utilization", "progress!P", "resources.up.ncores")
    text = "|".join(f"{{instance.{field}}}" for field in fields)
    assert shown(text, one) == "||||"
    assert asked == [f"local://{PATH}"]
    assert shown(text, job()) == "||||"
    assert asked[1:] == [None]


def test_headings_are_those_of_flux_core() -> None:
    text = "{uri} {instance.stats.total} {instance.utilization} {instance.progress} "
    text += "{instance.resources.all.ngpus} {instance.resources.allocated.nnodes}"
    assert JobInfoFormat(text).header() == "URI NJOBS CORE% PROG GPUS USED"
    with pytest.raises(ValueError, match="Unknown format field: instance"):
        JobInfoFormat("{instance}")


def test_the_annotations_are_asked_for() -> None:
    assert attributes_of(["uri.local"]) == ["result", "annotations"]
    assert attributes_of(["instance.resources.all.ncores"]) == ["result", "annotations", "state"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0%"), (1, "100%"), (0.123, "12.3%"), (0.0999, "9.99%"), (0.9999, "100%"), ("", "")],
)
def test_a_share_is_shown_as_percents(value: object, text: str) -> None:
    assert convert_value(value, "P") == text


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="Conversion P needs a number"):
        convert_value("x", "P")
