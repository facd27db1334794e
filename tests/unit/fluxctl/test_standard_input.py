"""Who reads standard input says so at a terminal, or has its reason not to."""

from __future__ import annotations

import ast
import io
import pathlib

import click
import pytest

from fluxctl import standard_input

ROOT = pathlib.Path(standard_input.__file__).parent

QUIET: dict[str, str] = {
    "attach_pty.py": "the terminal is that of the job",
    "attach_stdin.py": "what is typed is for the job's tasks",
    "exec_run.py": "what is typed is for the program that runs",
    "commands/job_validator.py": "it talks a protocol with the broker",
    "commands/relay.py": "it talks a protocol with another flux",
    "commands/shutdown.py": "it asks a question",
    "commands/top.py": "it looks whether this is a terminal",
    "exec_input.py": "what is typed is for the program that runs",
    "mini/actions.py": "it looks whether this is a terminal",
    "mini/inputs.py": "it is told whom to call at a terminal",
    "standard_input.py": "it is what says so",
    "streams.py": "it opens what is closed",
}
"""Files that touch standard input without a word, and why."""


def touches_input(source: str) -> bool:
    """Whether a program names ``sys.stdin`` or reads descriptor 0."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.stdin":
            return True
        if isinstance(node, ast.Call) and ast.unparse(node).startswith(("os.read(0", "open(0")):
            return True
    return False


def test_whoever_reads_input_says_so() -> None:
    silent = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if touches_input(text := path.read_text()) and "announce(" not in text
    }
    assert silent - set(QUIET) == set()


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_said(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = io.TextIOWrapper(io.BytesIO("hällo\n".encode()), encoding="utf-8")
    monkeypatch.setattr("sys.stdin", text)
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal)
    with click.Context(click.Command("content"), info_name="flux content"):
        assert standard_input.read_text("the blob") == "hällo\n"
    told = "flux-content: waiting for the blob on stdin; end with Ctrl-D\n"
    assert capsys.readouterr().err == (told if terminal else "")
