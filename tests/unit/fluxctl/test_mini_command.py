"""``flux mini`` from its command line: recorded dry runs, messages and exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fluxctl.main import invoke

if TYPE_CHECKING:
    from pathlib import Path

SLOT = (
    '"resources": [{"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], '
    '"label": "task"}]'
)


def flux_mini(*args: str) -> int:
    return invoke("mini", list(args))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLUX_URI", raising=False)


def test_dry_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert flux_mini("submit", "--dry-run", "--env-remove=*", "hostname", "-f") == 0
    assert capsys.readouterr().out == (
        f'{{{SLOT}, "tasks": [{{"command": ["hostname", "-f"], "slot": "task", '
        f'"count": {{"per_slot": 1}}}}], '
        f'"attributes": {{"system": {{"duration": 0, "cwd": "{tmp_path}", '
        f'"environment": {{}}}}}}, "version": 1}}\n'
    )


def test_rules_keep_their_order_across_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    (tmp_path / "rules").write_text("FOO=bar\nBAR=${FOO}/baz\n")
    args = [
        "--env=A=1",
        "--env-remove",
        "*",
        "--env=HOME",
        "--env-file=rules",
        "--env-remove=FOO",
        "--env",
        "B=$BAR",
    ]
    assert flux_mini("run", "--dry-run", *args, "true") == 0
    environment = json.loads(capsys.readouterr().out)["attributes"]["system"]["environment"]
    assert environment == {"HOME": "/home/user", "BAR": "bar/baz", "B": "bar/baz"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("submit --dry-run", "flux-mini: ERROR: job command and arguments are missing"),
        (
            "submit -N4 -n2 hostname",
            "flux-mini: ERROR: node count must not be greater than task count",
        ),
        ("submit --dry-run -n -1 true", "flux-mini: ERROR: task count must be a integer >= 1"),
        ("submit --dry-run -t -5 true", "flux-mini: ERROR: invalid Flux standard duration"),
        ("submit --dry-run --cc=x true", "flux-mini: ERROR: IDset(): Invalid argument: x"),
        (
            "submit --dry-run --cc=1-2 --bcc=1-2 true",
            "flux-mini: ERROR: specify only one of --cc or --bcc",
        ),
        (
            "submit --dry-run --setattr=^foo=nosuch.json true",
            "flux-mini: ERROR: [Errno 2] No such file or directory: 'nosuch.json'",
        ),
        (
            "submit --dry-run --env=^nosuch true",
            "flux-mini: ERROR: [Errno 2] No such file or directory: 'nosuch'",
        ),
        ("batch --dry-run s.sh", "flux-mini: ERROR: Number of slots to allocate must be specified"),
        ("alloc --dry-run true", "flux-mini: ERROR: Number of slots to allocate must be specified"),
        (
            "bulksubmit --dry-run echo {} :::: nosuch",
            "flux-mini: ERROR: [Errno 2] No such file or directory: 'nosuch'",
        ),
        ("submit true", "flux-mini: ERROR: [Errno 2] Unable to connect to Flux"),
        ("submit --urgency=nosuch true", "flux-mini: ERROR: --urgency: invalid value: nosuch"),
    ],
)
def test_failures(args: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert flux_mini(*args.split()) == 1
    assert capsys.readouterr() == ("", message + "\n")


def test_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert flux_mini("submit", "--nosuch", "true") == 2
    assert capsys.readouterr().err.endswith("error: unrecognized arguments: --nosuch\n")


def test_copies(capsys: pytest.CaptureFixture[str]) -> None:
    assert flux_mini("submit", "--dry-run", "--env-remove=*", "--bcc=1-2", "echo", "{cc}") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["tasks"][0]["command"] == ["echo", "1"]
    assert made["attributes"]["system"]["environment"] == {}
    assert (
        flux_mini(
            "submit", "--dry-run", "--env-remove=*", "--cc=0-1", "echo", "{cc}", "--output={cc}"
        )
        == 0
    )
    made = json.loads(capsys.readouterr().out)
    assert made["tasks"][0]["command"] == ["echo", "0", "--output=0"]
    assert made["attributes"]["system"]["environment"] == {"FLUX_JOB_CC": "0"}


def test_bulk(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        flux_mini(
            "bulksubmit", "--dry-run", "-n", "{}", "--setattr=a={}", "hostname", ":::", "1", "2"
        )
        == 0
    )
    assert capsys.readouterr().out == (
        "flux-mini: submit -n1 --setattr=['a=1'] hostname\n"
        "flux-mini: submit -n2 --setattr=['a=2'] hostname\n"
    )


def test_batch_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text("#!/bin/sh\necho hi\n")
    assert flux_mini("batch", "--dry-run", "--env-remove=*", "-n1", "s.sh", "a", "b") == 0
    made = json.loads(capsys.readouterr().out)
    assert made["tasks"][0]["command"] == ["s.sh", "a", "b"]
    assert made["attributes"]["system"]["batch"] == {
        "script": "#!/bin/sh\necho hi\n",
        "broker-opts": [],
    }
    (tmp_path / "no").write_text("echo hi\n")
    assert flux_mini("batch", "-n1", "no") == 1
    assert capsys.readouterr().err == "flux-mini: ERROR: no does not appear to start with '#!'\n"


def test_a_dry_run_looks_at_neither_urgency_nor_flags(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["run"], ["submit"], ["alloc", "-n1"], ["batch", "-n1", "--wrap"]):
        ill = ["--dry-run", "--urgency=nosuch", "--flags=nosuch"]
        assert flux_mini(*words, *ill, "true") == 0, words
        assert capsys.readouterr().out.startswith('{"resources"')
