"""Keys that users give to actions."""

from __future__ import annotations

import pytest

from tui.app import TopApp
from tui.keymap import actions, check_keys, normal_key
from tui.model.settings import OwnCommand


def test_every_action_with_a_description_has_an_id_and_every_id_one_meaning() -> None:
    found = actions(TopApp)
    assert {"jobs.cancel", "job.back", "dmesg.more", "help.close", "app.quit"} <= found.keys()
    assert found["jobs.down"].key == "down,j"


@pytest.mark.parametrize(
    ("text", "key"),
    [("x", "x"), ("X", "X"), ("?", "question_mark"), (",", "comma"), ("f5", "f5"),
     ("ctrl+x", "ctrl+x"), ("+", "plus"), ("space", "space"), ("alt+1", "alt+1")],
)  # fmt: skip
def test_keys_are_written_as_they_are_typed(text: str, key: str) -> None:
    assert normal_key(text) == key


@pytest.mark.parametrize("text", ["foo", "ctrl+foo", "kontrol+x", "ctrl x"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        normal_key(text)


def test_keys_can_be_exchanged() -> None:
    keys, _, problems = check_keys({"jobs.cancel": ("K",), "jobs.kill": ("c",)}, {}, TopApp)
    assert problems == []
    assert keys == {"jobs.cancel": "K", "jobs.kill": "c"}


@pytest.mark.parametrize(
    ("name", "key", "sentence"),
    [
        ("jobs.cancel", "s", "keys.jobs.cancel: s is the key of jobs.sort"),
        ("jobs.cancel", "f2", "keys.jobs.cancel: f2 is the key of view.jobs"),
        ("app.reload", "j", "keys.app.reload: j is the key of "),
        ("jobs.cancle", "x", "keys.jobs.cancle: no such action; did you mean jobs.cancel?"),
        ("jobs.cancel", "foo", "keys.jobs.cancel: no key foo;"),
    ],
)
def test_a_key_that_another_action_has_is_refused(name: str, key: str, sentence: str) -> None:
    keys, _, problems = check_keys({name: (key,)}, {}, TopApp)
    assert keys == {}
    assert len(problems) == 1
    assert problems[0].startswith(sentence)


def test_one_that_is_refused_does_not_make_room_for_others() -> None:
    wanted = {"jobs.cancel": ("s",), "jobs.kill": ("c",)}
    keys, _, problems = check_keys(wanted, {}, TopApp)
    assert keys == {}
    assert len(problems) == 2


def test_own_commands_have_keys_that_are_free_everywhere() -> None:
    commands = {
        "a": OwnCommand("a", "true", "ctrl+t"),
        "b": OwnCommand("b", "true", "ctrl+t"),
        "c": OwnCommand("c", "true", "K"),
        "d": OwnCommand("d", "true", "foo"),
        "e": OwnCommand("e", "true"),
    }
    _, own, problems = check_keys({}, commands, TopApp)
    assert own == {"a": "ctrl+t"}
    assert [problem.split(":")[0] for problem in problems] == [
        "commands.b.key", "commands.c.key", "commands.d.key",
    ]  # fmt: skip
