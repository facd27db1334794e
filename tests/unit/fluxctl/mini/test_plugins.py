"""Plugins of the submission commands: the options that they add, the jobspecs that they change, and
how their failures are told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fluxctl.main import invoke

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = '''
"""A plugin of a site."""
from flux.cli.plugin import CLIPlugin


class Colours(CLIPlugin):
    """Colours of jobs.

    They are shown on the wall.
    """

    def __init__(self, prog):
        super().__init__(prog, prefix="site")
        self.add_option("--colour", choices=["red", "blue"], help="The colour (%(default)s).",
                        default="blue")
        self.add_option("--many", action="append", metavar="WORD", help="Words.")
        self.add_option("--number", type=int, default=3)
        self.add_option("--loud", action="store_true")
        self.add_option("--maybe", nargs="?", const="yes")
        self.add_option("--pair", nargs=2)
        self.add_option("--other", dest="elsewhere")
        if self.prog == "batch":
            self.add_option("--batch-only")

    def preinit(self, args):
        if args.number == 1:
            raise ValueError("one is too few")
        if args.loud:
            args.exclusive = True
            args.nodes = 2
            args.setattr = [*(args.setattr or []), "user.loud=true"]

    def modify_jobspec(self, args, jobspec):
        if args.number == 4:
            {}["no"]
        jobspec.setattr("user.site", {
            "prog": self.prog, "colour": args.colour, "same": args.site_colour, "many": args.many,
            "number": args.number, "maybe": args.maybe, "pair": args.site_pair,
            "other": args.elsewhere, "nodes": args.nodes, "urgency": args.urgency,
        })

    def validate(self, jobspec):
        if jobspec.getattr("user.site.number") == 6:
            raise ValueError("six is refused")
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plugin, which is searched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLUX_URI", raising=False)
    monkeypatch.delenv("FLUX_CLI_PLUGINPATH_OVERRIDE", raising=False)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "colours.py").write_text(PLUGIN)
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH", f"/nonexistent:{plugins}")
    return plugins


def flux(line: str) -> int:
    name, *words = line.split()
    return invoke(name, words)


def spec(line: str, capsys: pytest.CaptureFixture[str]) -> Any:
    name, *words = line.split()
    assert invoke(name, ["--dry-run", *words]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def site(line: str, capsys: pytest.CaptureFixture[str]) -> Any:
    """What the plugin wrote into the jobspec of a command."""
    return spec(line, capsys)["attributes"]["user"]["site"]


def test_a_plugin_changes_the_jobspec_by_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    line = "submit -N1 --site-colour=red --site-many a --site-many=b --site-number=9 --site-maybe"
    assert site(f"{line} --site-pair 1 2 --site-other=x true", capsys) == {
        "prog": "submit",
        "colour": "red",
        "same": "red",
        "many": ["a", "b"],
        "number": 9,
        "maybe": "yes",
        "pair": ["1", "2"],
        "other": "x",
        "nodes": "1",
        "urgency": "16",
    }


@pytest.mark.parametrize("command", ["run", "submit", "alloc -n1"])
def test_options_of_plugins_have_defaults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = site(f"{command} true", capsys)
    assert (found["prog"], found["number"], found["maybe"]) == (command.split()[0], 3, None)


def test_a_plugin_may_change_what_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    made = spec("run --site-loud -S user.more=1 true", capsys)
    assert (made["resources"][0]["count"], made["resources"][0]["exclusive"]) == (2, True)
    assert made["attributes"]["user"]["loud"] is True
    assert made["attributes"]["user"]["more"] == 1


def test_directives_of_a_script_may_have_options_of_plugins(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "s.sh").write_text("#!/bin/sh\n#flux: -n1 --site-number=8 --site-batch-only=x\n")
    assert site(f"batch {folder}/s.sh", capsys)["number"] == 8
    assert site(f"batch --site-number=9 {folder}/s.sh", capsys)["number"] == 9


def test_all_copies_and_inputs_pass_the_plugins(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "counting.py").write_text(
        "from flux.cli.plugin import CLIPlugin\nimport sys\n"
        "class Counting(CLIPlugin):\n"
        "    def preinit(self, args):\n        print('begin', file=sys.stderr)\n"
        "    def validate(self, jobspec):\n"
        "        raise ValueError(' '.join(jobspec.tasks[0]['command']))\n"
    )
    assert flux("bulksubmit echo {} ::: 1 2") == 1
    told = capsys.readouterr().err
    assert told.count("begin") == 1
    assert "flux-bulksubmit: ERROR: echo 1 (" in told


@pytest.mark.parametrize(
    ("options", "told", "code"),
    [
        ("--site-number=1", "flux-submit: ERROR: one is too few ({}/colours.py, line 27)\n", 1),
        (
            "--site-number=4",
            "flux-submit: ERROR: KeyError: 'no' ({}/colours.py, line 35)\n",
            1,
        ),
        ("--site-number=6", "flux-submit: ERROR: six is refused ({}/colours.py, line 44)\n", 1),
        (
            "--site-colour=green",
            "flux submit: error: argument --site-colour: invalid choice: 'green'"
            " (choose from 'red', 'blue')\n",
            2,
        ),
        (
            "--site-number=x",
            "flux submit: error: argument --site-number: invalid int value: 'x'\n",
            2,
        ),
        ("--site-batch-only=x", "unrecognized arguments: --site-batch-only=x\n", 2),
    ],
)
def test_what_plugins_refuse_is_told_with_its_place(
    options: str, told: str, code: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flux(f"submit {options} true") == code
    assert told.format(folder) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nosuchthing\n", "No module named 'nosuchthing' ({}/zzz.py, line 1)"),
        ("\ndef f(:\n", "invalid syntax ({}/zzz.py, line 2)"),
        (
            "from flux.cli.plugin import CLIPlugin\n"
            "class Short(CLIPlugin):\n"
            "    def __init__(self, prog):\n"
            "        super().__init__(prog)\n"
            "        self.add_option('-s')\n",
            "Plugins must register only long options, not -s ({}/zzz.py, line 5)",
        ),
        (
            "from flux.cli.plugin import CLIPlugin\n"
            "class Same(CLIPlugin):\n"
            "    def __init__(self, prog):\n"
            "        super().__init__(prog, prefix='')\n"
            "        self.add_option('--nodes')\n",
            "the option --nodes of a plugin is there already",
        ),
        (
            "from flux.cli.plugin import CLIPlugin\n"
            "class Same(CLIPlugin):\n"
            "    def __init__(self, prog):\n"
            "        super().__init__(prog, prefix='site')\n"
            "        self.add_option('--colour')\n",
            "the option --site-colour of a plugin is there already",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_ends_the_command(
    text: str, told: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "zzz.py").write_text(text)
    assert flux("submit --dry-run true") == 1
    assert f"flux-submit: ERROR: {told.format(folder)}\n" in capsys.readouterr().err


def test_plugins_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flux("run --list-plugins") == 0
    told = capsys.readouterr().out
    assert f"  Search path: /nonexistent:{folder}:" in told
    assert f"\nColours loaded from {folder}/colours.py\n" in told
    assert "  --site-many           Words.\n" in told


def test_without_plugins_the_list_says_where_they_would_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH_OVERRIDE", "")
    assert flux("run --list-plugins") == 0
    assert "Searched only flux.cli.plugins namespace" in capsys.readouterr().out
    assert flux("run --site-loud --dry-run true") == 2


def test_help_shows_the_options_and_what_a_plugin_says_of_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert flux("run --help") == 0
    told = capsys.readouterr().out
    assert "--site-many WORD" in told
    assert "The colour (blue)." in told
    assert flux("run --help=site-colour") == 0
    told = capsys.readouterr().out
    assert "Documentation for plugin providing option `--site-colour`:" in told
    assert "They are shown on the wall." in told
    assert flux("run --help=nothing") == 1
    assert "flux-run: ERROR: --help: no such option nothing" in capsys.readouterr().err


def test_a_file_may_import_its_plugin(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "colours.py").rename(folder.parent / "colours_of_a_package.py")
    (folder / "colours.py").write_text(
        f"import sys; sys.path.insert(0, {str(folder.parent)!r})\n"
        "from colours_of_a_package import CLIPlugin, Colours\nsys.path.pop(0)\n"
    )
    assert invoke("submit", ["--help"]) == 0
    assert capsys.readouterr().out.count("--site-colour") == 1
