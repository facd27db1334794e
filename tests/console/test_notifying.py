"""Being told when jobs end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.console.conftest import INSTANCE, NOW
from tests.console.driving import loaded, shows, text_of, until
from tests.console.test_commands import typed
from tests.console.test_sets import bulk
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model.jobid import f58
from tui.model.settings import read_settings
from tui.widgets import palette

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MakeApp = Callable[..., TopApp]
SIZE = (120, 40)


def end(app: TopApp, jobid: int, status: int = 256) -> None:
    """Let a running job end."""
    app.dashboard.apply(
        [
            {"id": jobid, "entry": {"timestamp": NOW, "name": name, "context": context}}
            for name, context in (("finish", {"status": status}), ("clean", {}))
        ]
    )


def running(app: TopApp) -> int:
    return app.dashboard.table.ids[app.dashboard.view.row_at(0)]


async def test_the_end_of_a_job_is_told_with_a_bell(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    bells: list[bool] = []
    monkeypatch.setattr(TopApp, "bell", lambda self: bells.append(True))
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        jobid = running(app)
        await pilot.press("b")
        assert app.message.text == "1 job: you are told when it ends"
        end(app, jobid)
        await until(pilot, lambda: app.message.text.startswith(f58(jobid)))
        assert "failed" in app.message.text
        assert bells == [True]
        await pilot.press("colon", *"tell state:done", "enter")
        assert "nothing to wait for" in app.message.text


async def test_a_job_whose_end_will_be_told_has_a_sign_until_then(make_app: MakeApp) -> None:
    for glyphs, sign in ((palette.UNICODE, "◎ "), (palette.ASCII, "& ")):
        app = make_app(glyphs=glyphs)
        async with app.run_test(size=SIZE) as pilot:
            await loaded(pilot)
            jobid = running(app)
            assert sign not in text_of(pilot)
            await pilot.press("b")
            await until(pilot, lambda: sign in text_of(pilot))  # noqa: B023 - awaited here
            (line,) = [line for line in text_of(pilot).splitlines() if sign in line]
            assert f58(jobid)[1:] in line
            end(app, jobid)
            await until(pilot, lambda: sign not in text_of(pilot))  # noqa: B023
            await pilot.press("question_mark")
            await pilot.press(*["pagedown"] * 8)
            await until(pilot, lambda: "You are told when it ends (b)" in text_of(pilot))
            assert sign in text_of(pilot)


async def test_a_set_has_the_sign_of_its_watched_jobs() -> None:
    app = TopApp(
        SyntheticFeed(bulk(), instance=INSTANCE), clock=lambda: NOW, glyphs=palette.UNICODE
    )
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("b")
        await until(pilot, lambda: shows(pilot, "◎ "))
        await pilot.press("b")
        await until(pilot, lambda: not shows(pilot, "◎ "))


async def test_a_command_and_the_desktop_are_told_if_the_settings_say_so(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(TopApp, "write_terminal", lambda self, text: written.append(text))
    monkeypatch.delenv("TMUX", raising=False)
    told = tmp_path / "told"
    settings, problems = read_settings(
        f"""
        [notify]
        message = false
        bell = false
        desktop = true
        failures = "name:*"
        command = "echo $FLUX_JOBID $FLUX_JOB_STATUS $FLUX_JOB_COUNT $FLUX_URI >{told}; exit 3"
        """,
        "top.toml",
    )
    assert problems == []
    app = make_app(settings=settings)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        jobid = running(app)
        end(app, jobid)
        await until(pilot, lambda: "notify.command: exit code 3" in app.message.text)
        assert told.read_text() == f"{f58(jobid)} failed 1 {app.dashboard.instance.uri}\n"
        assert written[0].startswith(f"\x1b]9;{f58(jobid)} ")


async def test_nothing_is_told_of_what_was_over_before(make_app: MakeApp) -> None:
    settings, _ = read_settings('[notify]\nfailures = "name:*"', "top.toml")
    app = make_app(settings=settings)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        assert app.dashboard.counts.failed
        await typed(pilot, "tell state:running")
        assert "you are told when they end" in app.message.text
        await typed(pilot, "tell state:running")
        assert "no more told" in app.message.text
