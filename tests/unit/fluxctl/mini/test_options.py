"""The options of flux mini as typed data."""

from __future__ import annotations

from dataclasses import fields

import pytest

from fluxctl.commands.mini import command
from fluxctl.mini.options import MiniOptions, given


def test_only_options_with_a_brace_are_looked_at() -> None:
    options = MiniOptions(output="{}.out", setopt=("a=1", "b={0}"), ntasks="4", label_io=True)
    assert sorted(options.templated()) == ["output", "setopt"]
    assert MiniOptions().templated() == []


def test_a_copy_has_the_texts_changed_and_keeps_the_rest() -> None:
    options = MiniOptions(output="{cc}", env=("A={cc}", "B"), ntasks="2", verbose=1)
    copy = options.mapped(options.templated(), lambda name, text: f"{name}:{text}")
    assert (copy.output, list(copy.env)) == ("output:{cc}", ["env:A={cc}", "env:B"])
    assert (copy.ntasks, copy.verbose) == ("2", 1)
    assert (options.output, options.env) == ("{cc}", ("A={cc}", "B"))


def test_nothing_to_replace_means_the_same_object() -> None:
    options = MiniOptions(output="x", ntasks="1")
    assert options.mapped(options.templated(), lambda _name, text: text + "!") is options


@pytest.mark.parametrize("name", sorted(command.commands))
def test_click_gives_a_sub_command_only_options_that_exist(name: str) -> None:
    params = {param.name for param in command.commands[name].params if param.expose_value}
    assert params - {"words"} <= {field.name for field in fields(MiniOptions)}


def test_an_unknown_option_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="nosuch"):
        given({"nosuch": 1})
