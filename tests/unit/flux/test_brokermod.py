"""Modules as classes: which class a file runs as, and what its log lets through."""

from __future__ import annotations

import syslog
from types import ModuleType
from typing import TYPE_CHECKING, cast

import pytest

from flux.brokermod import BrokerLogger, BrokerModule, resolve_entry_point

if TYPE_CHECKING:
    from flux.core.handle import Flux


class Log:
    """A handle of which only the log is used."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def log(self, level: int, text: str) -> None:
        self.lines.append((level, text))


def test_a_logger_leaves_out_what_is_less_urgent() -> None:
    log = Log()
    logger = BrokerLogger(cast("Flux", log))
    assert (logger.level, logger.level_name) == (syslog.LOG_DEBUG, "debug")
    logger.debug("a")
    logger.level = "notice"
    logger.info("b")
    for name in ("notice", "warning", "error", "critical", "alert", "emerg"):
        getattr(logger, name)(name)
    logger(syslog.LOG_INFO, "c")
    assert [text for _, text in log.lines] == [
        *("a", "notice", "warning", "error", "critical", "alert", "emerg")
    ]
    assert [level for level, _ in log.lines] == [7, 5, 4, 3, 2, 1, 0]
    with pytest.raises(ValueError, match="invalid log level 'nope'"):
        logger.level = "nope"


def test_a_file_runs_as_its_function_or_its_only_class() -> None:
    module = ModuleType("mine")
    with pytest.raises(ValueError, match="no mod_main"):
        resolve_entry_point(module)
    ran: list[tuple[object, ...]] = []

    class One(BrokerModule):
        def __init__(self, h: Flux, *args: str) -> None:
            ran.append((h, *args))

        def run(self) -> None:
            ran.append(("run",))

    One.__module__ = "mine"
    vars(module).update(One=One, BrokerModule=BrokerModule)
    resolve_entry_point(module)("handle", "a")
    assert ran == [("handle", "a"), ("run",)]
    other = type("Other", (BrokerModule,), {"__module__": "mine"})
    vars(module).update(Other=other)
    with pytest.raises(ValueError, match="One, Other"):
        resolve_entry_point(module)
    vars(module).update(mod_main=print)
    assert resolve_entry_point(module) is print
