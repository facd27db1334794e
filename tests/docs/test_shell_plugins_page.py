"""docs/shell-plugins.md has every function of flux_shell_*(3) and every name of the handles."""

from __future__ import annotations

import json
import pathlib
import re

from broker.shell.handle import ShellHandle
from broker.shell.plugin_stack import TOPICS
from broker.shell.service_call import ServiceCall
from broker.shell.task_handle import TaskCommand, TaskHandle, TaskProcess

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "shell-plugins.md").read_text("utf-8")
ROW = re.compile(r"^\| `(flux_shell_\w+)` \| (.*?) \|", re.M)
FUNCTIONS = json.loads((ROOT / "tests/docs/data/shell_functions.json").read_text("utf-8"))


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_function_of_the_manual_has_a_row() -> None:
    assert sorted(name for name, _ in ROW.findall(PAGE)) == sorted(FUNCTIONS)


def test_what_the_rows_name_exists() -> None:
    named = re.findall(r"\b(shell|task)\.(\w+)", "".join(row[1] for row in ROW.findall(PAGE)))
    assert len(named) > len(FUNCTIONS) / 2
    for owner, name in named:
        assert hasattr(ShellHandle if owner == "shell" else TaskHandle, name), name


def test_every_public_name_is_on_the_page() -> None:
    words = set(re.findall(r"\w+", PAGE))
    for kind in (ShellHandle, TaskHandle, TaskCommand, TaskProcess, ServiceCall):
        assert public(kind) - words == {"method"} & public(kind), kind


def test_every_topic_has_a_row() -> None:
    for topic in TOPICS:
        assert re.search(rf"^\| `{re.escape(topic)}` \|", PAGE, re.M), topic
