"""Bulk inputs and templates, as recorded."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fluxctl.errors import CommandError
from fluxctl.mini.bulk import BulkSubmission
from fluxctl.mini.inputs import InputReader, Source, count_known, read_tokens, split_command
from fluxctl.mini.options import MiniOptions, given

if TYPE_CHECKING:
    from pathlib import Path


def lines(words: str | list[str], **options: object) -> list[str]:
    split = words.split() if isinstance(words, str) else words
    bulk = BulkSubmission(given({"dry_run": True, **options}), split, on_terminal=lambda: None)
    return [line.removeprefix("submit ") for line in bulk.describe()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("echo {} ::: 1 2 3", ["echo 1", "echo 2", "echo 3"]),
        ("echo {1} {0} ::: 1 2 ::: 3 4", ["echo 3 1", "echo 4 1", "echo 3 2", "echo 4 2"]),
        ("echo {0} {1} ::: 1 2 :::+ 3 4", ["echo 1 3", "echo 2 4"]),
        ("echo {0} {1} ::: 1 2 3 :::+ a", ["echo 1 a", "echo 2 a", "echo 3 a"]),
        ("echo {seq} {seq1} {} ::: a b", ["echo 0 1 a", "echo 1 2 b"]),
        ("echo {.%} {./} {./%} {.//} ::: /a/b.c", ["echo /a/b b.c b /a"]),
        ("echo {0.%} {1.//} ::: x.y ::: /p/q", ["echo x /p"]),
        ("echo {} {cc} ::: a", ["echo a {cc}"]),
        ("::: true false", ["true", "false"]),
    ],
)
def test_dry_runs(words: str, expected: list[str]) -> None:
    assert lines(words) == expected


def test_quoted_words_stay_whole() -> None:
    assert lines(["sh", "-c", "echo {} | cat", ":::", "1"]) == ["sh -c echo 1 | cat"]


def test_options_are_templates_too() -> None:
    found = lines("hostname ::: 1 2", ntasks="{}", setattr=["a={}"])
    assert found == ["-n1 --setattr=['a=1'] hostname", "-n2 --setattr=['a=2'] hostname"]


def test_definitions_come_before_methods_of_strings() -> None:
    assert lines("echo {.title} ::: a", define=["title=x*3"]) == ["echo aaa"]


def test_tags_of_others_are_left_alone() -> None:
    found = lines("true ::: 7", output="{}-{{id.dec}}.txt", env=["A=${B}{}", "C=$D"])
    assert found == ["--output=7-{{id.dec}}.txt --env=['A=${B}7', 'C=$D'] true"]


def test_define() -> None:
    assert lines("hostname ::: 0 1 2", ntasks="{.p2}", define=["p2=2**int(x)"]) == [
        "-n1 hostname",
        "-n2 hostname",
        "-n4 hostname",
    ]


def todays(words: str, **options: object) -> list[str]:
    given_options = given({"dry_run": True, **options}, todays=True)
    bulk = BulkSubmission(given_options, words.split(), on_terminal=lambda: None)
    return list(bulk.describe())


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        ("echo {{id}} {} ::: x", {}, ["submit echo {{id}} x"]),
        ("echo {0} ::: a b :::", {}, ["submit echo a", "submit echo b"]),
        ("h ::: x", {"output": "o", "ntasks": "2", "env": ["A=b"]}, ["submit h"]),
        ("h ::: x", {"cc": "1-2"}, ["submit --cc=1-2 h"]),
        (
            "h ::: 1",
            {"ntasks": "{}", "queue": "{}", "bank": "{}", "setopt": ["a={}"], "cwd": "/{}"},
            ["submit -q1 -B1 -n1 -o ['a=1'] --cwd=/1 h"],
        ),
        (
            "h ::: 1",
            {"env": ["A=${B}{}"], "output": "{{id}}.{}"},
            ["submit --env=['A=${B}1'] --output={{id}}.1 h"],
        ),
    ],
)
def test_dry_runs_of_today(words: str, options: dict[str, object], expected: list[str]) -> None:
    assert todays(words, **options) == expected


def test_empty_lines_are_no_inputs_of_today(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("a\n\nb")
    assert todays(f"echo {{}} :::: {tmp_path}/in") == ["submit echo a", "submit echo b"]
    assert lines(f"echo {{}} :::: {tmp_path}/in") == ["echo a", "echo ", "echo b"]


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ("echo :::", {}, "no jobs provided for bulk submission"),
        ("echo {0}{} ::: a", {}, "cannot switch from manual field specification to automatic"),
        ("echo {.x} ::: a", {}, "Unknown input string method '.x'"),
        ("echo {0.x} ::: a", {}, "Unknown input string method '.x'"),
        ("echo {seq.x} ::: a", {}, "'int' object has no attribute 'x'"),
        ("echo ::: a", {"time_limit": "{1}"}, "Invalid replacement index in '-t{1}'"),
        ("echo ::: a", {"env": ["{x}"]}, "Replacement key 'x' not found in '--env=['{x}']'"),
        ("echo ::: a", {"sep": ""}, "empty separator"),
    ],
)
def test_refused_today(words: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        todays(words, **options)
    assert caught.value.message.startswith(f"ERROR: {message}")


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (["echo", "{3}", ":::", "1"], {}, "ERROR: Invalid replacement string in command: '{3}'"),
        (
            ["echo", "{} {.%}", ":::", "1"],
            {},
            "ERROR: Invalid replacement string in command: '{} {.%}'",
        ),
        (
            ["echo", "{nosuch}", ":::", "1"],
            {},
            "ERROR: Invalid replacement string in command: '{nosuch}'",
        ),
        (["echo", "{", ":::", "1"], {}, "ERROR: Single '{' encountered in format string"),
        (
            ["echo", "{.p}", ":::", "1"],
            {"define": ["p=nosuch(x)"]},
            "ERROR: name 'nosuch' is not defined",
        ),
        (
            ["echo", "{.p}", ":::", "x"],
            {"define": ["p=int(x)"]},
            "ERROR: invalid literal for int() with base 10: 'x'",
        ),
        (
            ["echo", ":::", "1"],
            {"output": "{7}"},
            "ERROR: Invalid replacement string in --output: '{7}'",
        ),
        (["echo", ":::", "1"], {"define": ["p"]}, "ERROR: --define: p: expected NAME=CODE"),
    ],
)
def test_refused(words: list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(CommandError) as caught:
        lines(words, **options)
    assert caught.value.message == message


def test_broken_definition() -> None:
    with pytest.raises(CommandError, match="--define: p: "):
        lines("echo ::: 1", define=["p=)("])


def test_files(tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.write_text("0\n1\n2\n")
    assert lines(f":::: {inputs}") == ["0", "1", "2"]
    assert lines(f"{{0}}-{{1}} :::: {inputs} ::: x y") == ["0-x", "0-y", "1-x", "1-y", "2-x", "2-y"]
    assert lines(f"{{0}}-{{1}} ::: x y ::::+ {inputs}") == ["x-0", "y-1"]
    with pytest.raises(FileNotFoundError):
        lines(f"echo {{}} :::: {tmp_path}/nosuch")


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        ("a b\nc d\n", None, ["a b", "c d"]),
        ("a b\nc d\n", "none", ["a", "b", "c", "d"]),
        ("a,b,c\n", ",", ["a", "b", "c"]),
        ("a\n\nb", None, ["a", "", "b"]),
        ("", None, []),
    ],
)
def test_separators(tmp_path: Path, text: str, separator: str | None, expected: list[str]) -> None:
    path = tmp_path / "inputs"
    path.write_text(text)
    found = [
        inputs
        for inputs in InputReader([Source([str(path)], True)], separator)
        if inputs is not None
    ]
    assert [line for (line,) in found] == expected


def test_a_pipe_without_data_yields_none_instead_of_blocking() -> None:
    read, write = os.pipe()
    try:
        tokens = read_tokens(read, may_wait=True)
        assert next(tokens) is None
        os.write(write, b"one\ntw")
        assert next(tokens) == "one"
        assert next(tokens) is None
        os.close(write)
        assert list(tokens) == ["tw"]
    finally:
        os.close(read)


def test_sources() -> None:
    command, sources = split_command(["echo", "{}", ":::", "1", "2", ":::+", "3", "4", ":::", "5"])
    assert command == ["echo", "{}"]
    assert count_known(sources) == 2
    assert split_command([]) == (["{}"], [Source(["-"], True)])
    assert count_known(split_command(["x"])[1]) is None


def test_shuffle_keeps_all_jobs() -> None:
    words = ["echo", "{}", ":::", *map(str, range(50))]
    found = lines(words, shuffle=True)
    assert sorted(found) == sorted(lines(words))


def test_copies_multiply_the_total() -> None:
    bulk = BulkSubmission(
        MiniOptions(cc="0-4"), ["echo", ":::", "1", "2"], on_terminal=lambda: None
    )
    assert bulk.total == 10
    assert (
        BulkSubmission(
            MiniOptions(cc="0-{}"), ["echo", ":::", "1", "2"], on_terminal=lambda: None
        ).total
        is None
    )


def test_a_hundred_thousand_inputs_are_not_held() -> None:
    words = ["echo", "{0}", "{1}", ":::", *map(str, range(400)), ":::", *map(str, range(400))]
    jobs = iter(BulkSubmission(MiniOptions(), words, on_terminal=lambda: None))
    first = next(jobs)
    assert first is not None
    assert first[1] == ["echo", "0", "0"]
    assert sum(1 for _ in jobs) == 159_999
