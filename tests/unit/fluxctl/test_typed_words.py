"""What is typed of a command line, and what bash is told in return."""

from __future__ import annotations

import pytest

from fluxctl.typed_words import joined_words, rest_for_bash, typed_words


@pytest.mark.parametrize(
    ("line", "words", "begun", "quoted"),
    [
        ("flux", [], "flux", False),
        ("flux ", ["flux"], "", False),
        ("flux jobs --color=al", ["flux", "jobs"], "--color=al", False),
        ("flux jobs -o '{id} {na", ["flux", "jobs", "-o"], "{id} {na", True),
        ('flux jobs --query="user:me sta', ["flux", "jobs"], "--query=user:me sta", True),
        ("flux jobs 'a b' c", ["flux", "jobs", "a b"], "c", False),
        ("flux logger it\\ is\\ n", ["flux", "logger"], "it is n", False),
        ("flux logger back\\", ["flux", "logger"], "back", True),
        ("flux job cancel ƒ2", ["flux", "job", "cancel"], "ƒ2", False),
        ("flux logger # no comment", ["flux", "logger", "#", "no"], "comment", False),
        ("", [], "", False),
    ],
)
def test_the_words_of_a_line(line: str, words: list[str], begun: str, quoted: bool) -> None:
    typed = typed_words(line)
    assert (typed.words, typed.begun) == (words, begun)
    assert quoted is typed.quoted or line.endswith("\\")


def test_words_that_bash_takes_apart() -> None:
    assert joined_words(["jobs", "--color", "=", "al"]) == ["jobs", "--color=al"]
    assert joined_words(["jobs", "--color", "="]) == ["jobs", "--color="]
    assert joined_words(["kvs", "put", "a", "=", "b"]) == ["kvs", "put", "a", "=", "b"]


@pytest.mark.parametrize(
    ("value", "begun", "quoted", "told"),
    [
        ("always", "al", False, "always"),
        ("state:failed", "state:fa", False, "failed"),
        ("state:failed", "state:fa", True, "state:failed"),
        ("user:me state:failed", "user:me state:fa", False, "failed"),
        ("{id} {name}", "{id} {na", False, "{id}\\ {name}"),
        ('queue:"a b"', "queue:", False, '\\"a\\ b\\"'),
        ("name:a(b", "name:a", False, "a\\(b"),
    ],
)
def test_what_bash_puts_in_place_of_its_word(
    value: str, begun: str, quoted: bool, told: str
) -> None:
    assert rest_for_bash(value, begun, quoted) == told
