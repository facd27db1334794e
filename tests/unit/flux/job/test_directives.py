"""Options in batch scripts: the examples of RFC 36, and what is wrong with others."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from flux.job.directives import Directive, DirectiveParser, parse_directives
from fluxctl.main import invoke

if TYPE_CHECKING:
    from pathlib import Path

    Output = pytest.CaptureFixture[str]

TICKS = "'" * 3


def words(script: str) -> list[str]:
    return [word for one in parse_directives(script, "s") for word in one.args]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("# flux: -N 4 -c 2\n# Set name:\n# flux: --job-name=x\n", "-N 4 -c 2 --job-name=x"),
        ("# flux: -N4 # -c2 : comment out for now\n", "-N4"),
        ("#FLUX: -N4            # four nodes\n#FLUX: --queue=batch\n", "-N4 --queue=batch"),
        (
            "--\n-- flux: -N1 --exclusive\n-- flux: --error=e\nlocal a\n",
            "-N1 --exclusive --error=e",
        ),
        ("flux: --nodes=4\n\nSet a value:\nflux: -n4\n", "--nodes=4 -n4"),
        ("# flux:\n\n# flux: -n1\n", "-n1"),
        ("#!/bin/sh\necho flux: -n4\necho '# flux: x'\n", ""),
        ("#!/bin/sh\ninflux: -n4\n", ""),
    ],
)
def test_directives(script: str, expected: str) -> None:
    assert words(script) == expected.split()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (f'# flux: --name={TICKS}It\'s a "job"{TICKS}\n', ['--name=It\'s a "job"']),
        ('# flux: --setattr=a="""{"key": 42}"""\n', ['--setattr=a={"key": 42}']),
        ('# flux: --setattr=a=\'{"b": "c"}\'\n', ['--setattr=a={"b": "c"}']),
        (
            '# flux: --setattr=a="""\n# flux: [config]\n# flux:   item = "foo"\n'
            '# flux: """\n# flux: -n2\n',
            ['--setattr=a=[config]\n  item = "foo"\n', "-n2"],
        ),
        (
            f"    flux: --setattr=a={TICKS}\n    flux: x, y, z\n    flux: a, b, c\n"
            f"    flux: {TICKS}\n",
            ["--setattr=a=x, y, z\na, b, c\n"],
        ),
    ],
)
def test_quotes(script: str, expected: list[str]) -> None:
    assert words(script) == expected


def test_lines_are_counted() -> None:
    long = f"# flux: a={TICKS}\n# flux: b\n# flux: {TICKS}\n"
    found = parse_directives(f"#!/bin/sh\n\n# flux: -n1\n{long}# flux: -c1\n", "s")
    assert [(one.lineno, one.args) for one in found] == [
        (3, ["-n1"]),
        (4, ["a=b\n"]),
        (7, ["-c1"]),
    ]


@pytest.mark.parametrize(
    ("script", "text"),
    [
        (
            "# flux: -N1\nhostname\n# flux: --job-name=x\n",
            "s: line 3: orphan '# flux:': directives ended before line 2",
        ),
        ("# flux: -N1\n#FLUX: -c2\n", "s: line 2: sentinel changed from '# flux:' to '#FLUX:'"),
        ("# flux: -N1 'x\n", "s: line 1: -N1 'x: No closing quotation"),
        ('# flux: a="""\n# flux: b\n', 's: line 1: """ without an end'),
    ],
)
def test_what_is_wrong(script: str, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_directives(script, "s")


def test_a_parser_reads_a_file() -> None:
    found = DirectiveParser(io.StringIO("#!/bin/sh\n# flux: -N4 # four\n# flux:\ntrue\n"))
    assert [str(one) for one in found.directives] == ["SETARGS(['-N4'])"]
    assert found.script.endswith("true\n")
    assert DirectiveParser(io.StringIO("")).directives == []
    assert str(Directive("# none", 3)) == "NOOP"
    for script, why in (
        ("# flux: a b\n", "line 1: Unknown directive: a b"),
        ('#!x\n# flux: -n "1\n', 'line 2: -n "1: No closing quotation'),
    ):
        with pytest.raises(ValueError, match=why):
            DirectiveParser(io.StringIO(script))


def batch(tmp_path: Path, script: str, *arguments: str) -> int:
    path = tmp_path / "job.sh"
    path.write_text(script)
    return invoke("mini", ["batch", "--dry-run", *arguments, str(path), "arg"])


SCRIPT = "#!/bin/sh\n# flux: -n4 -t 10m\n# flux: -o a=1 --env=-*\ntrue\n"


def test_the_command_line_counts_more(tmp_path: Path, capsys: Output) -> None:
    assert batch(tmp_path, SCRIPT, "-n2", "-o", "b=2", "--env=B=2") == 0
    made = json.loads(capsys.readouterr().out)
    system = made["attributes"]["system"]
    assert (made["resources"][0]["count"], system["duration"]) == (2, 600.0)
    assert (system["shell"]["options"]["a"], system["shell"]["options"]["b"]) == (1, 2)
    assert system["environment"] == {"B": "2"}
    assert system["batch"]["script"] == SCRIPT
    assert made["tasks"][0]["command"][1:] == ["arg"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("--bogus", "unrecognized arguments: --bogus"),
        ("-n", "argument -n/--nslots: expected one argument"),
        ("-n4 more", "more is no option"),
        ("-n4 --wrap", "--wrap is for a command, not for a script"),
    ],
)
def test_wrong_options_name_their_line(
    tmp_path: Path, capsys: Output, line: str, reason: str
) -> None:
    assert batch(tmp_path, f"#!/bin/sh\n\n# flux: {line}\n") != 0
    told = capsys.readouterr().err
    assert "argument parsing failed at" in told
    assert "line 3: " in told
    assert told.endswith(f"{reason}\n")


def test_a_wrapped_command_has_no_directives(capsys: Output) -> None:
    assert invoke("mini", ["batch", "--dry-run", "-n1", "--wrap", "flux:", "-n4"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["resources"][0]["count"] == 1
