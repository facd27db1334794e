"""What the shells are told: words, their types, and what is said of them."""

from __future__ import annotations

import pytest

from fluxctl.completion import complete

ANSWERS = [
    ("bash", "flux jobs --query p", "unfinished,project:\nunfinished,priority:"),
    ("bash", "flux jobs --query=state:pe", "plain,pending"),
    ("bash", "flux jobs --query 'user:x state:pe", "plain,user:x state:pending"),
    ("bash", "flux jobs -o {id}{userna", "plain,{id}{username}"),
    ("bash", "flux jobs --sort username,-nno", "plain,username,-nnodes"),
    ("fish", "flux jobs --color=al", "plain,--color=always"),
    ("fish", "flux jobs --query le", "unfinished,left:\tuntil its time limit"),
    (
        "zsh",
        "flux jobs --query p",
        "unfinished\nproject:\nproject:   -- its project\n"
        "unfinished\npriority:\npriority:  -- priority",
    ),
    ("bash", "flux jobs -o '{id}", ""),
    ("bash", "flux job id --to do", "plain,dothex"),
    ("bash", "flux nosuch x", ""),
]


@pytest.mark.parametrize(("shell", "line", "answer"), ANSWERS, ids=[a[1] for a in ANSWERS])
def test_what_a_shell_is_told(
    shell: str,
    line: str,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent/local-0")
    assert complete(f"{shell}_complete") == 0
    assert capsys.readouterr().out.rstrip("\n") == answer


def test_clicks_own_protocol_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COMP_LINE", raising=False)
    for words, index in (("flux jobs --color=al", "2"), ("flux jobs --color = al", "4")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", index)
        assert complete("bash_complete") == 0
        assert capsys.readouterr().out == "plain,always\n"
