"""Who is called for which topic."""

from __future__ import annotations

import pytest

from broker.shell.plugin_stack import PluginStack


class Plain:
    name = "plain"

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def shell_init(self) -> None:
        self.told.append("plain")

    def shell_log_setlevel(self, args: object) -> None:
        self.told.append(f"level {args}")


def test_built_in_plugins_come_first_and_topics_may_be_anything() -> None:
    told: list[str] = []
    stack = PluginStack()
    stack.load(Plain(told))
    stack.register("other", "shell.*", lambda topic: told.append(f"other {topic}"))
    stack.register("third", "*", lambda topic, *args: told.append(f"third {topic} {args}"))
    stack.call("shell.init")
    stack.call("site.mine", 1)
    assert told == ["plain", "other shell.init", "third shell.init ()", "third site.mine (1,)"]
    assert stack.wants("site.mine")


def test_the_last_plugin_of_a_name_wins_and_goes_last() -> None:
    told: list[str] = []
    stack = PluginStack()
    stack.load(Plain(told))
    stack.register("a", "shell.init", lambda _: told.append("a"))
    stack.register("plain", "shell.init", lambda _: told.append("mine"))
    stack.call("shell.init")
    stack.call("shell.log-setlevel", 7)
    assert told == ["a", "mine"]
    stack.push("a")
    stack.register("a", "shell.init", lambda _: told.append("a again"))
    stack.call("shell.init")
    assert told[2:] == ["mine", "a again"]
    assert not stack.is_builtin("plain")


def test_of_the_globs_of_a_plugin_the_first_that_matches_is_called() -> None:
    told: list[str] = []
    stack = PluginStack()
    stack.register("p", "task.*", lambda topic: told.append(f"glob {topic}"))
    stack.register("p", "task.init", lambda topic: told.append(f"exact {topic}"))
    stack.register("p", "*", lambda topic: told.append(f"all {topic}"))
    stack.call("task.init")
    stack.call("shell.exit")
    assert told == ["glob task.init", "all shell.exit"]


def test_who_fails_is_named_also_when_a_callback_calls_the_stack() -> None:
    stack = PluginStack()

    def fails(_: str) -> None:
        raise OSError(22, "no")

    def calls(_: str) -> None:
        stack.call("inner")
        assert stack.current == "outer"

    stack.register("outer", "outer", calls)
    stack.register("inner", "inner", lambda _: None)
    stack.call("outer")
    assert stack.current == ""
    stack.register("bad", "inner", fails)
    with pytest.raises(OSError, match="no"):
        stack.call("outer")
    assert stack.current == "bad"
