"""Pages of a job beside its logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from flux.job.event import EventLogEvent
from flux.job.follow import MAIN, OUTPUT, Entries
from tui.model.dashboard import Dashboard
from tui.model.job_logs import JobLines
from tui.model.job_pages import (
    KvsKey,
    Stored,
    command,
    description,
    environment_page,
    jobspec_page,
    keys_page,
    resources_page,
)

if TYPE_CHECKING:
    from tui.model.logs import Line

JOBSPEC: dict[str, Any] = {
    "version": 1,
    "resources": [
        {"type": "slot", "count": 2, "with": [{"type": "core", "count": 1}], "label": "task"}
    ],
    "tasks": [{"command": ["sh", "-c", "echo a b"], "count": {"per_slot": 1}, "slot": "task"}],
    "attributes": {
        "system": {
            "cwd": "/home/a",
            "duration": 90,
            "environment": {"PATH": "/bin", "EVIL": "x\x1b[2J", "A": "1"},
            "shell": {"options": {"verbose": 1}},
        },
        "user": {"note": "mine"},
    },
}
R: dict[str, Any] = {
    "version": 1,
    "execution": {
        "R_lite": [
            {"rank": "0", "children": {"core": "0-3", "gpu": "0"}},
            {"rank": "1-2", "children": {"core": "0"}},
        ],
        "nodelist": ["n[0-2]"],
        "expiration": 0,
    },
}


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_the_environment_has_a_page_of_its_own() -> None:
    page = texts(jobspec_page(JOBSPEC, raw=False))
    assert "    environment: 3 variables on a page of their own" in page
    assert not any("PATH" in text for text in page)
    assert json.loads("\n".join(texts(jobspec_page(JOBSPEC, raw=True)))) == JOBSPEC
    assert texts(environment_page(JOBSPEC, raw=False)) == ["A=1", "EVIL=x\\u001b[2J", "PATH=/bin"]
    assert environment_page({}, raw=False) == []
    assert texts(jobspec_page({"tasks": []}, raw=False)) == ["tasks: []"]


def test_r_begins_with_what_each_rank_gives() -> None:
    page = texts(resources_page(R, raw=False))
    assert page[:3] == ["rank 0 (n0): core 0-3, gpu 0", "rank 1-2: core 0", ""]
    assert "execution:" in page
    assert json.loads("\n".join(texts(resources_page(R, raw=True)))) == R


def test_resources_of_any_form_have_a_page() -> None:
    for resources in ({}, {"execution": 5}, {"execution": {"R_lite": [3, {"children": 1}]}}):
        assert resources_page(resources, raw=False)


def test_a_command_is_as_one_would_type_it() -> None:
    assert command(JOBSPEC) == "sh -c 'echo a b'"
    assert command(None) == command({"tasks": 3}) == command({"tasks": [{}]}) == ""
    assert command({"tasks": [{"command": "sleep 1"}]}) == "sleep 1"


def test_a_description_has_everything_that_is_known() -> None:
    dashboard = Dashboard(lambda: 1000.0)
    dashboard.load(
        [
            {
                "id": 5 << 24,
                "userid": 0,
                "urgency": 16,
                "priority": 16,
                "state": 64,
                "result": 2,
                "waitstatus": 256,
                "name": "sh",
                "t_submit": 900.0,
                "t_run": 901.0,
                "t_cleanup": 905.0,
                "t_inactive": 906.0,
                "ranks": "0-2",
                "nodelist": "n[0-2]",
                "nnodes": 3,
                "annotations": {"user": {"why": "test"}},
            }
        ]
    )
    logs = JobLines()
    note = {"timestamp": 902.0, "name": "exception", "context": {"type": "oom", "severity": 2}}
    goes = {"timestamp": 902.0, "name": "redirect", "context": {"stream": "stdout", "path": "o"}}
    logs.take([Entries(MAIN, [EventLogEvent(note)]), Entries(OUTPUT, [EventLogEvent(goes)])])
    page = "\n".join(texts(description(dashboard, 5 << 24, Stored(JOBSPEC, R), logs)))
    for words in (
        "status:         failed",
        "because:        exit code 1",
        "command:        sh -c 'echo a b'",
        "time limit:     1m30s",
        "cores:          6",
        "hosts:          n[0-2]",
        "gravest:        oom (severity 2)",
        "file:           o",
        "why: test",
        "verbose: 1",
        "note: mine",
    ):
        assert words in page
    assert "not in the list" in description(dashboard, 6, Stored(), logs)[0].text


def test_keys_have_their_size_or_kind() -> None:
    page = keys_page(
        [KvsKey("guest.", "dir"), KvsKey("R", "val", 1200), KvsKey("a\x07", "2 blobs")]
    )
    assert [(line.label.strip(), line.text) for line in page] == [
        ("dir", "guest."),
        ("1,200", "R"),
        ("2 blobs", "a\\u0007"),
    ]
