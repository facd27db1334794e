"""Settings: what is read from the text of a file, and what is said of mistakes in it."""

from __future__ import annotations

import re

import pytest

from tui.model.settings import KEYS, NotifyRules, TopSettings, read_settings
from tui.model.settings_text import DEFAULT_TEXT

LIVE_TEXT = re.sub(r"^#(?! )", "", DEFAULT_TEXT, flags=re.MULTILINE)
"""The default file with all of its settings in force."""


def test_the_default_file_sets_nothing() -> None:
    assert read_settings(DEFAULT_TEXT, "top.toml") == (TopSettings(), [])


def test_the_default_file_has_every_setting_and_is_right() -> None:
    settings, problems = read_settings(LIVE_TEXT, "top.toml")
    assert problems == []
    assert settings.theme == "dark"
    assert settings.keys == {"jobs.cancel": ("ctrl+k",), "jobs.mark": ("space", "insert")}
    assert settings.views["mine"].group is True
    assert settings.instances[0].name == "cluster1"
    assert settings.themes["mine"].colours["accent"] == "#ffaf00"
    for kind, keys in KEYS.items():
        if kind != "themes":
            for key in keys:
                assert re.search(rf"^#?\[*{key}\b", DEFAULT_TEXT, re.MULTILINE), key


def test_the_notifications_in_the_default_file_are_the_defaults() -> None:
    rules = read_settings(LIVE_TEXT, "top.toml")[0].notify
    default = NotifyRules()
    assert (rules.message, rules.bell, rules.desktop) == (True, True, False)
    assert (default.message, default.bell, default.desktop) == (True, True, False)
    assert rules.every == default.every


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('them = "x"', "f:1: them: no such setting; did you mean theme?"),
        ("zzz = 1", "f:1: zzz: no such setting; there are theme, refresh,"),
        ('\ntheme = "drak"', "f:2: theme: no theme drak; did you mean dark?"),
        ("theme = 3", "f:1: theme: must be a text in quotes"),
        ("refresh = 0", "f:1: refresh: must be from 0.1 to 60 (seconds)"),
        ("refresh = true", "f:1: refresh: must be a number of seconds"),
        ("refresh = nan", "f:1: refresh: must be from 0.1 to 60 (seconds)"),
        ("ascii = 1", "f:1: ascii: must be true or false"),
        ('query = "sate:x"', "f:1: query: no field sate; did you mean state?"),
        ('sort = "-nme"', "f:1: sort: no column nme; did you mean name?"),
        ('columns = "{nope}"', "f:1: columns: "),
        ('[views.a]\ncolumns = "{id"', "f:2: views.a.columns: "),
        ("views = 1", "f:1: views: must be a table, [views]"),
        ("[views]\nx = 1", "f:2: views.x: must be a table, [views.NAME]"),
        ('[views."a b"]', "f:1: views.a b: names are of letters"),
        ('[views.a]\nqueri = ""', "f:2: views.a.queri: no such setting; did you mean query?"),
        ('[views.a]\ngroup = "x"', "f:2: views.a.group: must be true or false"),
        ("[keys]\njobs.cancel = 3", "f:2: keys.jobs.cancel: must be a key"),
        ('[keys]\n"jobs.cancel" = []', "f:2: keys.jobs.cancel: must be a key"),
        ("[notify]\nevery = 0", "f:2: notify.every: must be from 1 to 86400"),
        ('[notify]\nfailures = "x:"', "f:2: notify.failures:"),
        ("instances = 1", "f:1: instances: must be tables, [[instances]]"),
        ('[[instances]]\nname = "x"', "f:1: instances.0: has no uri"),
        ('[commands.x]\nkey = "a"', "f:1: commands.x: has no command"),
        ('[themes.dark]\nbase = "light"', "f:1: themes.dark: is built in"),
        ('[themes.a]\naccent = "red"', "f:1: themes.a: accent: colours of themes made from dark"),
        ('[themes.a]\naccent = "#12345"', "f:2: themes.a.accent: must be #rrggbb"),
        ('[themes.a]\nacent = "#123456"', "f:2: themes.a.acent: no such setting; did you mean ac"),
        ('[themes.a]\nbase = "drak"', "f:2: themes.a.base: no theme drak; did you mean dark?"),
        ('query = "\\u001b[31m"', "f:1: query: has characters that cannot be shown"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(text: str, problem: str) -> None:
    _, problems = read_settings(text, "f")
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert problems[0].isprintable()


def test_what_is_right_is_used_beside_what_is_not() -> None:
    settings, problems = read_settings('theme = "light"\nascii = 3\nsort = "-name"', "f")
    assert (settings.theme, settings.ascii, settings.sort) == ("light", False, "-name")
    assert len(problems) == 1


def test_mistakes_come_in_the_order_of_their_lines() -> None:
    text = "zzz = 1\nascii = 3\n[notify]\nbell = 1\n[commands.a]\ncommand = 1\n"
    lines = [int(problem.split(":")[1]) for problem in read_settings(text, "f")[1]]
    assert lines == sorted(lines)
    assert len(lines) >= 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = ", "f:1: invalid value"),
        ("\n\n[x", "f"),
        ("x = " + "[" * 5000, "f"),
    ],
)
def test_what_is_not_toml_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(OSError) as caught:
        read_settings(text, "f")
    assert str(caught.value.strerror).startswith(sentence)


def test_actions_may_be_written_without_quotes() -> None:
    settings, problems = read_settings('[keys]\njobs.cancel = "x"\n"jobs.kill" = ["y", "z"]', "f")
    assert problems == []
    assert settings.keys == {"jobs.cancel": ("x",), "jobs.kill": ("y", "z")}
    assert settings.place("keys.jobs.cancel") == 2
    assert settings.place("keys.jobs.kill") == 3


def test_a_theme_of_terminal_colours_is_made_from_ansi() -> None:
    text = '[themes.a]\nbase = "ansi"\naccent = "bright_red"\ncursor = "reverse"'
    settings, problems = read_settings(text, "f")
    assert problems == []
    assert settings.themes["a"].ansi
    assert settings.themes["a"].colours["accent"] == "bright_red"


def test_a_view_whose_query_cannot_be_read_is_left_out() -> None:
    text = '[views.bad]\nquery = "sate:x"\n[views.all]\nquery = ""\n'
    settings, problems = read_settings(text, "top.toml")
    assert list(settings.views) == ["all"]
    assert "did you mean state?" in problems[0]
