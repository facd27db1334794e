"""``[job-submit]``: what may stand there, and what is said about the rest."""

from __future__ import annotations

from typing import Any

import pytest

from broker.configuration import from_tables
from broker.configuration.job_submit import JobSubmitConfig, LuaTable


def read(table: Any) -> JobSubmitConfig:
    return from_tables({"job-submit": table}).job_submit


def test_nothing() -> None:
    assert from_tables({}).job_submit == JobSubmitConfig()
    assert read({}) == JobSubmitConfig()


def test_everything() -> None:
    lua = {
        "script": "/etc/site/job_submit.lua",
        "version": "5.4",
        "instruction-limit": 5000,
        "cluster-name": "c",
        "refuse-on-error": True,
    }
    found = read(
        {
            "plugins": ["defaults", "logging", "lua", "partition", "mine"],
            "time-limit": "2s",
            "lua": lua,
            "defaults": {"time_limit": 60},
            "mine": {"path": "/etc/site/mine.py", "color": "red"},
        }
    )
    assert found.plugins == ("defaults", "logging", "lua", "partition", "mine")
    assert found.time_limit == 2.0
    assert found.lua == LuaTable("/etc/site/job_submit.lua", "5.4", 5000, "c", True)
    assert found.tables["mine"] == {"path": "/etc/site/mine.py", "color": "red"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ([], "job-submit: must be a table"),
        ({"plugins": "lua"}, "job-submit.plugins: must be an array"),
        ({"plugins": ["lua"]}, "job-submit.lua: script is missing"),
        ({"plugins": ["nope"]}, r"job-submit.plugins\[0\]: there is no such plugin: lua, defaults"),
        ({"plugins": ["logging", "logging"]}, r"plugins\[0\]: is listed twice"),
        ({"plugins": ["mine"], "mine": {}}, "job-submit.mine: path is missing"),
        ({"plugins": ["mine"], "mine": {"path": 3}}, "job-submit.mine.path: must be a string"),
        ({"logging": {}}, "job-submit.logging: is no plugin in job-submit.plugins"),
        ({"plugins": ["logging"], "loging": {}}, r"did you mean logging\?"),
        ({"plugins": ["logging"], "logging": {"path": "x"}}, "logging.path: is for other plugins"),
        ({"plugin": ["lua"]}, r"job-submit.plugin: unknown key \(did you mean plugins\?\)"),
        ({"time-limit": "0"}, "job-submit.time-limit: must be longer than 0"),
        ({"lua": {"scripts": "x"}}, r"job-submit.lua.scripts: unknown key"),
        ({"lua": {"version": "6"}}, "job-submit.lua.version: must be one of"),
        ({"lua": {"instruction-limit": 1}}, "instruction-limit: must be an integer, 1000 or"),
    ],
)
def test_refused(table: Any, said: str) -> None:
    with pytest.raises(OSError, match=said):
        read(table)
