"""Lines that are typed after ``:``."""

from __future__ import annotations

import click
import pytest

from fluxctl.table import COMMANDS
from tui.model.commands import (
    READERS,
    SHARED,
    VERBS,
    complete,
    filled,
    is_interactive,
    reads_only,
    split,
    words_of,
)
from tui.views import BY_NAME

NAMES = {"": ("nodes", "mine"), "view": ("mine", "other"), "theme": ("dark", "light")}
MODERN = {"uptime", "pstree", "watch"}
"""Readers of flux-core that an installation may have in a later release."""


def words_for(text: str) -> list[str] | None:
    found = complete(text, NAMES, lambda field: {"alice", "bob"} if field == "user" else set())
    return None if found is None else found[1]


def test_names_are_completed_from_commands_views_and_own_commands() -> None:
    assert words_for("fi") == ["filter"]
    assert words_for("no") == ["nodes"]
    assert set(VERBS) <= set(words_for("") or [])
    assert words_for("kvs") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("theme ", ["dark", "light"]),
        ("theme l", ["light"]),
        ("sort -runt", ["-runtime"]),
        ("view m", ["mine"]),
        ("set notify.b", ["notify.bell"]),
        ("export ", ["csv", "jsonl", "svg"]),
        ("export csv x", []),
        ("filter user:", ["alice", "bob"]),
        ("filter state:run us", ["user:"]),
        ("mark sta", ["state:"]),
        ("quit x", []),
    ],
)
def test_what_follows_is_completed_by_its_kind(text: str, words: list[str]) -> None:
    assert words_for(text) == words


@pytest.mark.parametrize("text", ["kvs ", "kvs l", "flux kvs ", "job cancel f"])
def test_sub_commands_of_flux_know_their_own_words(text: str) -> None:
    assert words_for(text) is None


def test_a_word_is_replaced_from_where_it_begins() -> None:
    assert complete("theme l", NAMES, lambda _: ()) == (6, ["light"])
    found = complete("filter a state:run", NAMES, lambda _: ())
    assert found is not None
    assert found[0] == len("filter a state:")


def test_lines_have_a_name_and_a_rest() -> None:
    assert split("  filter  a b ") == ("filter", "a b")
    assert split("quit") == ("quit", "")
    assert words_of("kvs put 'a=b c'") == ["kvs", "put", "a=b c"]
    with pytest.raises(ValueError, match="no closing quotation"):
        words_of("kvs put 'a")


def test_ids_of_jobs_are_put_in() -> None:
    assert filled(["job", "cancel", "{ids}"], ["f1", "f2"]) == ["job", "cancel", "f1", "f2"]
    assert filled(["echo", "a={id}", "b={ids}"], ["f1"]) == ["echo", "a=f1", "b=f1"]
    assert filled(["jobs"], []) == ["jobs"]
    with pytest.raises(ValueError, match="no job is chosen"):
        filled(["{ids}"], [])
    with pytest.raises(ValueError, match="2 jobs are marked"):
        filled(["{id}"], ["f1", "f2"])


@pytest.mark.parametrize(
    "line",
    ["jobs -a", "kvs get x", "kvs ls", "kvs namespace list", "dmesg", "dmesg -f",
     "module stats kvs", "resource status", "queue status"],
)  # fmt: skip
def test_readers_are_known(line: str) -> None:
    assert reads_only(line.split())


@pytest.mark.parametrize(
    "line",
    ["job cancel f1", "kvs put a=b", "kvs", "kvs namespace create x", "dmesg -C", "dmesg -fc",
     "dmesg --cl", "module stats --clear kvs", "module stats -C kvs", "queue drain", "exec x",
     "-v jobs", "kvs --namespace ls put a=b", "job attach f1", "unknown", "", "-p kvs put get a=b",
     "start", "python", "job kvs get", "content flush", "setattr a b"],
)  # fmt: skip
def test_what_may_change_something_is_not_taken_for_a_reader(line: str) -> None:
    assert not reads_only(line.split())


def test_every_reader_is_a_sub_command() -> None:
    for words in READERS:
        if words[0] in MODERN and words[0] not in COMMANDS:
            continue
        command: click.Command | None = COMMANDS[words[0]].load()
        for word in words[1:]:
            assert isinstance(command, click.Group), words
            command = command.get_command(click.Context(command), word)
            assert command is not None, words


def test_a_view_that_has_the_name_of_a_sub_command_leaves_it_its_words() -> None:
    assert {name for name in BY_NAME if name in COMMANDS or name in MODERN} <= SHARED


def test_commands_that_want_the_terminal_get_it() -> None:
    assert is_interactive(["job", "attach", "f1"])
    assert is_interactive(["mini", "alloc", "-n1"])
    assert not is_interactive(["mini", "submit", "true"])
    assert not is_interactive(["mini", "alloc", "--help"])
