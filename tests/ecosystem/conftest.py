"""The suite of third-party programs: it runs where `make ecosystem` says that its environment is,
and notes what it finds in data/, from which docs/ecosystem.md is made.

A module says in ``PROGRAM`` (or ``PROGRAMS``, with one prefix of test names for each) whose cases
it has; the first line of a test's docstring says what is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ecosystem import outcomes
from tests.ecosystem.environment import pins, uninstallable
from tests.ecosystem.programs import Programs, environment_folder, peer_prefix, programs_running

if TYPE_CHECKING:
    from collections.abc import Iterator

collect_ignore_glob = [] if environment_folder() else ["test_*.py"]

_reports: list[outcomes.Case] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lacking(reason): fails here for the want of something")
    config.addinivalue_line("markers", "own_fault(reason): a fault of the program, here and there")


def _program(item: pytest.Item) -> str:
    """The program that a test is about, by its name in the registry."""
    module = item.getparent(pytest.Module)
    assert module is not None
    found: str | dict[str, str] = module.obj.PROGRAM
    if isinstance(found, str):
        return found
    name = item.name.removeprefix("test_")
    return next(program for prefix, program in found.items() if name.startswith(prefix))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what could not be installed; what we lack must fail here, and need not elsewhere."""
    folder = environment_folder()
    missing = uninstallable(folder) if folder else {}
    for item in items:
        if not item.path.is_relative_to(outcomes.HERE):
            continue
        program = _program(item)
        function = getattr(item, "function", None)
        title = (function.__doc__ or item.name).strip().splitlines()[0].rstrip(".")
        item.user_properties += [("program", program), ("title", title)]
        if program in missing:
            item.add_marker(pytest.mark.skip(reason=f"not installable: {missing[program]}"))
        if (mark := item.get_closest_marker("own_fault")) is not None:
            item.user_properties.append(("own_fault", mark.args[0]))
        mark = item.get_closest_marker("lacking")
        if mark is not None and peer_prefix() is None:
            item.add_marker(pytest.mark.xfail(strict=True, reason=mark.args[0]))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    properties = dict(report.user_properties)
    if "program" not in properties or (report.when != "call" and report.outcome == "passed"):
        return
    reason = getattr(report, "wasxfail", "")
    if report.skipped and not reason and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
    _reports.append(
        outcomes.Case(
            str(properties["program"]),
            str(properties["title"]),
            outcomes.verdict(report.outcome, bool(getattr(report, "wasxfail", ""))),
            str(properties.get("own_fault", "") if report.passed else reason),
        )
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Note what was found, where the tests were run from (not in a worker of xdist)."""
    if _reports and not hasattr(session.config, "workerinput"):
        outcomes.record(outcomes.file_of(peer_prefix()), _reports, pins())


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """An instance of two brokers, and how to run programs in it."""
    with programs_running(tmp_path_factory.mktemp("programs")) as running:
        yield running
