"""Start-up budget of the `flux` command: what a sub-command may not import on its way.

Times differ from machine to machine, modules do not: a heavy module on the path of a small command
is the regression that the budgets of docs/performance.md would show later as milliseconds.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "asyncio",
    "zmq",
    "textual",
    "rich",
    "yaml",
    "jsonschema",
    "sqlite3",
    "parsedatetime",
    "psutil",
    "uvloop",
    "msgspec",
    "ssl",
)

PROBE = """
import json, sys
from fluxctl.main import main
sys.argv = ["flux", *sys.argv[1:]]
try:
    main(sys.argv[1:])
except SystemExit:
    pass
finally:
    print("\\n" + json.dumps(sorted(sys.modules)))
"""

# Commands that reach their connection error: their whole import path has run by then.
PATHS = [
    ("getattr", ["getattr", "size"], HEAVY),
    ("setattr", ["setattr", "x", "y"], HEAVY),
    ("ping", ["ping", "-c1", "kvs"], HEAVY),
    ("kvs get", ["kvs", "get", "a"], HEAVY),
    ("jobs", ["jobs"], HEAVY),
    ("job id", ["job", "id", "1234"], HEAVY),
    ("mini submit", ["mini", "submit", "true"], HEAVY),
    ("version", ["version"], HEAVY),
    ("unknown command", ["nosuchcommand"], HEAVY),
]


def imported_by(arguments: list[str]) -> set[str]:
    """Names of all modules in `sys.modules` after `flux ARGUMENTS` ran outside any instance."""
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    run = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    last = run.stdout.strip().rpartition("\n")[2]
    assert last.startswith("["), run.stderr
    names: list[str] = json.loads(last)
    return set(names)


@pytest.mark.parametrize(
    ("arguments", "forbidden"), [row[1:] for row in PATHS], ids=[row[0] for row in PATHS]
)
def test_small_commands_import_nothing_heavy(
    arguments: list[str], forbidden: tuple[str, ...]
) -> None:
    assert imported_by(arguments) & set(forbidden) == set()


def test_the_probe_sees_what_a_command_imports() -> None:
    """A budget that cannot fail is worthless: the probe must see the modules of the command
    itself.
    """
    assert {"click", "fluxctl.main"} <= imported_by(["getattr", "size"])


# Modules of ours that `import flux.job` may load: names are looked up when they are used.
JOB_PACKAGE = {"flux", "flux.job"}
ALL_NAMES = """
import json, sys
import flux.job
own = sorted(name for name in sys.modules if name.split(".")[0] == "flux")
flux.job.JobspecV1.from_command(["true"]), flux.job.submit, flux.job.JobList, flux.job.JobID
print(json.dumps([own, sorted(sys.modules)]))
"""


def test_import_of_the_job_package_loads_next_to_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ALL_NAMES], capture_output=True, text=True, timeout=60, check=True
    )
    own, later = json.loads(run.stdout)
    assert set(own) == JOB_PACKAGE
    assert set(later) & {*HEAVY, "subprocess", "argparse", "threading.local"} == set()


# What the dashboard needs for something that is asked for later, and does not load before then.
LATER = {
    "ssl",
    "tui.feed.instances",
    "tui.model.instances",
    "tui.screens.command_bar",
    "tui.screens.confirm",
    "tui.screens.dmesg",
    "tui.screens.graphs",
    "tui.screens.help",
    "tui.screens.job.screen",
    "tui.screens.output",
    "tui.screens.prompt",
    "tui.screens.saving",
    "tui.screens.searching",
}
RECORDS = 13
"""Classes of ours whose methods are made when they are loaded: each takes half a millisecond."""
DASHBOARD = """
import gc, json, sys
from tui.quick_start import load_asyncio
load_asyncio()
import fluxctl.commands.top, flux.uri.forms, tui.feed.live
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
import asyncio

async def picture():
    app = TopApp(SyntheticFeed([]))
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.pause()

asyncio.run(picture())
made = [kind for kind in gc.get_objects() if isinstance(kind, type) and
        "__dataclass_fields__" in vars(kind) and kind.__module__.split(".")[0] in ("flux", "tui")]
print(json.dumps([sorted(sys.modules), sorted({kind.__qualname__ for kind in made})]))
"""


def test_the_dashboard_loads_for_its_first_picture_what_is_on_it() -> None:
    run = subprocess.run(
        [sys.executable, "-c", DASHBOARD], capture_output=True, text=True, timeout=120, check=True
    )
    loaded, records = json.loads(run.stdout)
    assert "tui.screens.jobs" in loaded
    assert set(loaded) & LATER == set()
    assert len(records) <= RECORDS, records
