"""docs/jobtap-plugins.md has every topic, every public name of plugins and their handles, and every
function of flux_jobtap_get_flux(3).
"""

from __future__ import annotations

import re

from broker.jobtap.arguments import Args
from broker.jobtap.future import PluginFuture
from broker.jobtap.handle import PluginHandle
from broker.jobtap.host import STATE_TOPICS
from broker.jobtap.plugin import JobtapPlugin
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "jobtap-plugins.md").read_text("utf-8")
ROW = re.compile(r"^\| `(flux_\w+)` \| `plugin\.(\w+)", re.M)
MANUAL = {
    "flux_jobtap_get_flux",
    "flux_jobtap_service_register",
    "flux_jobtap_reprioritize_all",
    "flux_jobtap_reprioritize_job",
    "flux_jobtap_priority_unavail",
    "flux_jobtap_reject_job",
}
INTERNAL = {
    JobtapPlugin: {"host", "file", "handlers", "forget_job", "end"},
    PluginHandle: {"guard", "serve", "unsubscribe", "close"},
    PluginFuture: {"fail", "fulfill"},
    Args: set[str](),
}
"""What the broker calls, not plugins."""


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")} - INTERNAL[kind]


def test_functions_of_the_manual_have_rows_that_name_methods() -> None:
    rows = dict(ROW.findall(PAGE))
    assert rows.keys() >= MANUAL
    assert [name for name in rows.values() if not hasattr(JobtapPlugin, name)] == [
        "name",  # set by each plugin object itself
        "conf",
    ]


def test_every_public_name_is_on_the_page() -> None:
    words = set(re.findall(r"\w+", PAGE))
    for kind in INTERNAL:
        missing = public(kind) - words - {"job", "prev_state", "on_settled", "unavailable"}
        assert missing == set(), kind


def test_every_topic_has_a_row() -> None:
    rows = "".join(line for line in PAGE.splitlines(keepends=True) if line.startswith("| `"))
    topics = {"job.validate", "job.new", "job.priority.get", "job.destroy", *STATE_TOPICS.values()}
    short = {f"job.state{name}" for name in re.findall(r"`(\.\w+)`", rows)}
    named = set(re.findall(r"`(job\.[\w.]+)`", rows)) | short
    assert topics <= named
    assert {"job.dependency.SCHEME", "job.event.NAME"} <= named
