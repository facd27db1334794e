"""Whatever file could be in the purity contract of pyproject.toml is in it, unless it acts by what
it is given.

A contract speaks of the files that it names only. A new one that imports no event loop, socket,
process or screen, not even by way of others, is pure until somebody says otherwise: here.
"""

from __future__ import annotations

import pathlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import grimp
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = pathlib.Path(__file__).parents[2]

ACTING = {
    "reads or writes files": (
        "broker.services.content_sqlite.place",
        "broker.archives",
        "broker.shell.initrc",
        "broker.shell.mapping",
        "broker.site_rc",
        "fluxctl.archive.restoring",
        "broker.shell.plugin_path",
        "fluxctl.command_list",
        "fluxctl.config_source",
        "fluxctl.exec_input",
        "fluxctl.mini.shape",
        "fluxctl.recovery",
        "flux.job.options.configuration",
        "flux.modprobe_site",
        "flux.uri.processes",
        "flux.uri.resolvers.pid",
        "fluxctl.streams",
        "broker.services.content.mapped_files",
        "flux.filearchive.packing",
        "flux.filearchive.regions",
        "flux.util_config",
        "flux.filearchive.source",
        "flux.filearchive.unpacking",
        "flux.seg.record",
        "tui.fault_report",
        "tui.history_file",
        "tui.settings_file",
    ),
    "asks a broker": ("fluxctl.modern", "flux.modprobe_loading"),
    "runs the code of others": ("flux.importer", "flux.seg.loader", "flux.uri.uri"),
    "reads the limits of its process": ("flux.job.options.rlimits",),
    "imports what others put there": ("flux.cli.plugins",),
    "talks through a descriptor": (
        "broker.bootstrap.pmi",
        "broker.shell.linesocket",
        "broker.shell.printing",
        "broker.shell.peer",
    ),
    "draws on a terminal": ("fluxctl.start_progress",),
    "tells on stderr what goes by": ("flux.connect.trace",),
    "signals processes": ("flux.child_signal",),
    "imports what it is asked about": (
        "fluxctl.examples",
        "tui.views",
    ),
    "starts processes": ("broker.shell.task", "broker.subprocess.launch"),
    "acts on the shell's loop, tasks and descriptors": (
        "broker.shell.guarding",
        "broker.shell.handle_log",
        "broker.shell.peer_rpc",
        "broker.shell.peers",
        "broker.shell.plugins.*",
    ),
    "sends requests or sets timers through a service's context or a handle": (
        "broker.ending",
        "fluxctl.attach_signals",
        "fluxctl.exec_requests",
        "fluxctl.exec_targets",
        "broker.services.cron.runner",
        "broker.services.job_exec.execution",
        "broker.services.job_exec.guest",
        "broker.services.job_exec.simulated",
        "broker.services.job_info.watch",
        "broker.services.kvs.settle",
        "flux.aio_calls",
        "flux.content",
        "flux.filearchive.mapped",
        "flux.filearchive.stored",
        "tui.feed.recording",
    ),
    "has the dashboard work beside the screen": ("tui.background",),
    "waits on the reactor of a handle": (
        "flux.core.awaiting",
        "fluxctl.job.awaited_event",
        "fluxctl.mini.following",
        "fluxctl.overlay_tree",
        "flux.event_future",
        "flux.core.watchers",
        "flux.job.follow_blocking",
        "flux.message",
    ),
}
"""What is not pure although it imports nothing that tells so, by the reason."""


@dataclass(frozen=True)
class Contract:
    """The modules that a contract of import-linter names, and those they must not reach."""

    sources: tuple[str, ...]
    forbidden: tuple[str, ...]

    @classmethod
    def read(cls, name: str) -> Self:
        """Return the contract that pyproject.toml has under an id."""
        tables = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
        (table,) = [table for table in tables["contracts"] if table["id"] == name]
        return cls(tuple(table["source_modules"]), tuple(table["forbidden_modules"]))

    def names(self, module: str) -> bool:
        """Whether it holds for a module, by itself or with the package that it is in."""
        parts = module.split(".")
        above = (".".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        return any(matches(source, parent) for parent in above for source in self.sources)


def matches(pattern: str, module: str) -> bool:
    """Whether a module is the one that a pattern of import-linter means, ``*`` is one level."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", r"[^.]+"), module) is not None


def candidates(graph: grimp.ImportGraph, forbidden: Iterable[str]) -> set[str]:
    """Return the modules that do not reach a forbidden one.

    Packages are left out: to name one is to name all that is in it.
    """
    reaching = {
        module
        for one in forbidden
        if one in graph.modules
        for module in (one, *graph.find_downstream_modules(one))
    }
    return {
        module
        for module in graph.modules - reaching
        if not graph.is_module_squashed(module) and not graph.find_children(module)
    }


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        *("flux", "broker", "fluxctl", "tui"),
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


def test_every_pure_file_is_in_the_contract_or_has_a_reason(graph: grimp.ImportGraph) -> None:
    pure = Contract.read("pure")
    acting = [pattern for patterns in ACTING.values() for pattern in patterns]
    unnamed = {
        module
        for module in candidates(graph, pure.forbidden)
        if not pure.names(module) and not any(matches(pattern, module) for pattern in acting)
    }
    assert unnamed == set(), "name them in the contract, or here with the reason"


def test_no_reason_is_left_over(graph: grimp.ImportGraph) -> None:
    pure = Contract.read("pure")
    waiting = {one for one in candidates(graph, pure.forbidden) if not pure.names(one)}
    idle = [
        pattern
        for patterns in ACTING.values()
        for pattern in patterns
        if not any(matches(pattern, module) for module in waiting)
    ]
    assert idle == [], "they are gone, in the contract, or import what tells so"


def test_a_new_pure_file_would_be_noticed() -> None:
    graph = grimp.ImportGraph()
    for module in ("a", "a.new", "a.user", "a.driver", "a.caller", "a.state", "a.rules.one"):
        graph.add_module(module)
    graph.add_module("a.rules")
    graph.add_module("asyncio", is_squashed=True)
    graph.add_import(importer="a.driver", imported="asyncio")
    graph.add_import(importer="a.caller", imported="a.driver")
    graph.add_import(importer="a.user", imported="a.new")
    found = candidates(graph, ["asyncio", "never.imported"])
    assert found == {"a.new", "a.user", "a.state", "a.rules.one"}
    contract = Contract(("a.*.one", "a.state"), ())
    assert {one for one in found if not contract.names(one)} == {"a.new", "a.user"}


def test_a_package_stands_for_what_is_in_it() -> None:
    contract = Contract(("a.wire", "a.*.state"), ())
    assert contract.names("a.wire.deep.codec")
    assert contract.names("a.b.state")
    assert not contract.names("a.wired")
    assert not contract.names("a.b.c.state")
